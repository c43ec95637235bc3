"""IPMI 2.0 over RMCP+ (Intel and others, IPMI v2.0 revision 1.1): power and boot device."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from provisioner.power import process, read_back
from provisioner.power.completion import judge
from provisioner.power.ipmi_accounts import IpmiAccounts
from provisioner.power.ipmi_login import IpmiLine
from provisioner.power.outcome import REFUSED, Kind, Outcome, not_yet
from provisioner.power.protocol import (
    ALWAYS,
    AccountsResult,
    BmcAddress,
    BootDevice,
    BootResult,
    IdentifyResult,
    PasswordResult,
    PowerDriver,
    PowerResult,
    SensorsResult,
)
from provisioner.power.read_back import Doubt

SETTLE = 20.0  # seconds for a power state to change
FRESH = 2.0  # seconds after an order in which no host can have come up by it
# commands of the network function chassis (IPMI 2.0, table G-1)
IDENTIFY = 0x04
IDENTIFY_IS_TOLD, IDENTIFY_STATE = 0x40, 0x30  # bits of the chassis status' third byte (table 28-3)
GET_STATUS, CONTROL, SET_BOOT_OPTIONS, GET_BOOT_OPTIONS = 0x01, 0x02, 0x08, 0x09
POWER_DOWN, POWER_UP, POWER_CYCLE, HARD_RESET = 0, 1, 2, 3  # Chassis Control (table 28-4)
SET_IN_PROGRESS, FLAGS_LAPSE, BOOT_FLAGS = 0, 3, 5  # boot option parameters (table 28-14)
SET_COMPLETE, KEEP_OVER_60_S = 0, 0x08
# boot device selectors of parameter 5 (table 28-14), and the bits of its first byte
SELECTORS = {0: "default", 1: "network", 2: "hd", 3: "safe", 5: "optical", 6: "setup"}
SELECTOR_OF: dict[BootDevice, int] = {"network": 1, "disk": 2}
VALID, PERSISTENT, EFI = 0x80, 0x40, 0x20


class IpmiDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    name = "ipmi"
    limit = 90.0


DRIVER = PowerDriver(
    name=IpmiDriver.name,
    title="IPMI",
    port=623,  # IPMI 2.0, 13.1.2: primary RMCP port
    recorder="provisioner.power.sol",
    connect=IpmiDriver,
)


# below: the short-lived process


@contextmanager
def session(request: process.ActRequest) -> Iterator["IpmiSession"]:
    """A login for one act, which is ended after it. Raises PowerError for whatever pyghmi says of it."""
    line = IpmiLine(request.bmc, process.WORDS[request.action])
    try:
        yield IpmiSession(line, request.bmc)
    finally:
        line.close()


class IpmiSession:
    """One login; each method is an act on the chassis."""

    def __init__(self, line: IpmiLine, bmc: BmcAddress) -> None:
        self._line, self._bmc = line, bmc

    def state(self) -> PowerResult:
        """The power state, and the cipher suite. Get Chassis Status (28.2)."""
        outcome, data = self._ask(GET_STATUS)
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "to tell its power state")
        if not data:
            raise not_yet(self._bmc, "gives no power state")
        return PowerResult("on" if data[0] & 1 else "off", suite=self._line.suite)

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return read_back.switch(self.state, lambda: self._order(POWER_UP), "on", SETTLE)

    def off(self) -> PowerResult:
        """Power off and see it off."""
        return read_back.switch(self.state, lambda: self._order(POWER_DOWN), "off", SETTLE)

    def reset(self) -> PowerResult:
        """Hard reset, else power cycle, else off and on; a host that is off is powered on."""
        flags = self._flags()
        first: Outcome | None = None
        for control in (HARD_RESET, POWER_CYCLE):
            if first:  # it may have been done, and have spent them
                self._keep(flags)
            if self.state().state != "on":
                return self.on()
            sent = time.monotonic()
            outcome = self._control(control)
            if outcome.is_done:
                self._keep(flags)
                return read_back.restarted(self.state, lambda: self._order(POWER_UP), SETTLE)
            # what may have been done is not done again after a while: the host may have come up
            is_old = outcome.kind is Kind.UNKNOWN and time.monotonic() - sent > FRESH
            if outcome.kind is Kind.NOT_NOW or is_old:
                raise outcome.fault(self._bmc, "reset")
            first = first or outcome
        if first and first.code != REFUSED:
            raise first.fault(self._bmc, "reset")
        return read_back.off_and_on(self.off, lambda: self._power_up(flags), self.state, SETTLE)

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the boot flags and read them back, which decides whatever the BMC said of the order.

        Set System Boot Options (28.12). Parameter 3, against their lapse, is optional. Where somebody else's
        setting was never completed (0x81), it is completed, and the same flags are tried again.
        """
        self._ask(SET_BOOT_OPTIONS, FLAGS_LAPSE, KEEP_OVER_60_S)
        outcome, often = Outcome(Kind.DONE), VALID | (0 if once else PERSISTENT)
        wanted = often | (EFI if uefi else 0)
        for flags in (wanted, wanted, often):
            outcome, _ = self._ask(SET_BOOT_OPTIONS, BOOT_FLAGS, flags, SELECTOR_OF[device] << 2, 0, 0, 0)
            read_back_as = _device(self._flags())
            if outcome.is_done or read_back_as in process.ACCEPTED[device]:
                return process.judged(device, read_back_as)
            if outcome.kind is not Kind.REFUSED:
                break
            self._ask(SET_BOOT_OPTIONS, SET_IN_PROGRESS, SET_COMPLETE)
        raise outcome.fault(self._bmc, "the boot device")

    def get_boot(self) -> BootResult:
        """Read the boot flags."""
        return process.boot_result(_device(self._flags()))

    def identify(self, seconds: int) -> IdentifyResult:
        """Chassis Identify (28.5); read back from the chassis status (28.2), where the BMC tells it there.

        A BMC of IPMI 1.5 knows no light without an end: it has the longest that there is.
        """
        note = ""
        outcome, _ = self._ask(IDENTIFY, *((0, 1) if seconds == ALWAYS else (seconds, 0)))
        if not outcome.is_done:
            note = "for 255 seconds: the BMC knows no longer" if seconds == ALWAYS else ""
            outcome, _ = self._ask(IDENTIFY, min(seconds, 255))
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "its light")
        wanted = "on" if seconds else "off"
        status, data = self._ask(GET_STATUS)
        if not status.is_done or len(data) < 3 or not data[2] & IDENTIFY_IS_TOLD:
            return IdentifyResult(wanted, confirmed=False, note=note or "the BMC does not tell of its light")
        light = "on" if data[2] & IDENTIFY_STATE else "off"
        return IdentifyResult(light, confirmed=light == wanted, note=note)

    def sensors(self) -> SensorsResult:
        """What its sensor data records (33) name, each with its reading (35.14)."""
        return self._line.sensors()

    def accounts(self) -> AccountsResult:
        """Who may log in over the network."""
        return IpmiAccounts(self._line, self._bmc).all()

    def set_password(self, password: str) -> PasswordResult:
        """Set User Password (22.30)."""
        return IpmiAccounts(self._line, self._bmc).set_password(password)

    def _ask(self, command: int, *data: int) -> tuple[Outcome, bytes]:
        """One request: what its completion code means, and the bytes."""
        code, answer = self._line.ask(command, *data)
        return judge(code), answer

    def _control(self, control: int) -> Outcome:
        """Chassis Control (28.3), sent once."""
        code, _ = self._line.order(CONTROL, control)
        return judge(code)

    def _order(self, control: int) -> Doubt | None:
        outcome = self._control(control)
        return None if outcome.is_done else Doubt(outcome.kind, outcome.fault(self._bmc, "power"))

    def _power_up(self, flags: bytes) -> Doubt | None:
        self._keep(flags)
        return self._order(POWER_UP)

    def _flags(self) -> bytes:
        """The boot flags (28.13), five bytes; empty where they cannot be read."""
        outcome, data = self._ask(GET_BOOT_OPTIONS, BOOT_FLAGS, 0, 0)
        return data[2:7] if outcome.is_done and len(data) >= 7 else b""

    def _keep(self, flags: bytes) -> None:
        """Set them again where the BMC has dropped them with its own order, before the firmware looks."""
        if len(flags) == 5 and flags[1] and _device(self._flags()) == "default":
            self._ask(SET_BOOT_OPTIONS, BOOT_FLAGS, flags[0] | VALID, *flags[1:])


def _device(flags: bytes) -> str:
    """Judged by the device alone: some BMCs leave the valid bit at 0."""
    return SELECTORS.get((flags[1] >> 2) & 0b1111, "other") if flags else "unknown"
