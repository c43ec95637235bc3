"""IPMI 2.0 over RMCP+ (Intel and others, IPMI v2.0 revision 1.1), by pyghmi."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypedDict

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.completion import judge
from provisioner.power.outcome import (
    REFUSED,
    Kind,
    Outcome,
    not_yet,
    refused,
    refused_login,
    silent,
)
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult

LOGIN_LIMIT = 15.0  # seconds for a BMC to answer at all
SETTLE = 20.0  # seconds for a power state to change
TRANSPORT = "UDP"
POWER_DOWN, POWER_UP, POWER_CYCLE, HARD_RESET = 0, 1, 2, 3  # Chassis Control (IPMI 2.0, table 28-4)
# boot device selectors of parameter 5 (IPMI 2.0, table 28-14), and the bits of its first byte
SELECTORS = {0: "default", 1: "network", 2: "hd", 3: "safe", 5: "optical", 6: "setup"}
SELECTOR_OF: dict[BootDevice, int] = {"network": 1, "disk": 2}
VALID, PERSISTENT, EFI = 0x80, 0x40, 0x20
# what pyghmi says, in small letters: no more sessions (RMCP+ status codes 0x01 and 0x0b), a lost session
FULL = ("insufficient resources", "no session slots", "node busy", "initialization")
WRONG_LOGIN = ("Incorrect password", "Unauthorized", "Incorrect user", "Invalid user", "RAKP")
BROKEN = "Session no longer connected"
SILENCE = ("timeout", "no answer", "not reachable")


class IpmiDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    module = "provisioner.power.ipmi"
    limit = 90.0


DRIVER = PowerDriver(
    name="ipmi",
    title="IPMI",
    port=623,  # IPMI 2.0, 13.1.2: primary RMCP port
    recorder="provisioner.power.sol",
    connect=IpmiDriver,
)


# below: the short-lived process


class RawResponse(TypedDict, total=False):
    """What pyghmi gives back of a raw command: completion code, the bytes behind it, the error in words."""

    code: int
    data: bytes
    error: str


class IpmiCommand(Protocol):
    """The calls of `pyghmi.ipmi.command.Command` that are used: pyghmi ships no types.

    Its calls for power and boot device ask for the device's id first and end where that is refused.
    """

    ipmi_session: object

    def raw_command(self, netfn: int, command: int, data: tuple[int, ...] = ()) -> RawResponse:
        """Any request by its numbers."""


@contextmanager
def session(request: process.ActRequest) -> Iterator["IpmiSession"]:
    """A login for one act. Raises PowerError for whatever pyghmi says of it."""
    from pyghmi.exceptions import PyghmiException

    try:
        yield IpmiSession(_log_in(request.bmc), request.bmc)
    except PyghmiException as fault:
        raise explained(request.bmc, request.action, fault) from fault


def _log_in(bmc: BmcAddress) -> IpmiCommand:
    from pyghmi.ipmi import command

    with process.within(LOGIN_LIMIT, silent(bmc, TRANSPORT)):
        made: IpmiCommand = command.Command(
            bmc=bmc.address, userid=bmc.user, password=bmc.password, port=bmc.port, keepalive=False
        )
        return made


def explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    """pyghmi's words as an error of ours: PV-202 a login, PV-201 silence, PV-211 a bad moment; PV-203."""
    reason = str(fault)
    if any(word in reason.lower() for word in FULL):
        return not_yet(bmc, f"takes no login now: {reason}")
    if any(word.lower() in reason.lower() for word in WRONG_LOGIN):
        return refused_login(bmc)
    if BROKEN in reason:
        return not_yet(bmc, f"stopped to answer in the middle of {action}")
    if reason in ("", "None") or any(word in reason.lower() for word in SILENCE):
        return silent(bmc, TRANSPORT)
    return refused(bmc, action, reason)


class IpmiSession:
    """One logged-in session; pyghmi ends it with the process."""

    def __init__(self, command: IpmiCommand, bmc: BmcAddress) -> None:
        self._command, self._bmc = command, bmc

    def state(self) -> PowerResult:
        """The power state, and the cipher suite: 17 where the session's hash is SHA-256, else 3.

        Get Chassis Status (28.2).
        """
        suite = 17 if getattr(self._command.ipmi_session, "currhashlen", 0) == 16 else 3
        outcome, data = self._ask(0x01)
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "to tell its power state")
        if not data:
            raise not_yet(self._bmc, "gives no power state")
        return PowerResult("on" if data[0] & 1 else "off", suite=suite)

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return process.switch(self.state, lambda: self._order(POWER_UP), "on", SETTLE)

    def off(self) -> PowerResult:
        """Power off and see it off."""
        return process.switch(self.state, lambda: self._order(POWER_DOWN), "off", SETTLE)

    def reset(self) -> PowerResult:
        """Hard reset, else power cycle, else off and on; a host that is off is powered on."""
        first: Outcome | None = None
        for control in (HARD_RESET, POWER_CYCLE):
            if self.state().state != "on":
                return self.on()
            outcome, _ = self._ask(0x02, control)
            if outcome.is_done:
                return process.restarted(self.state, lambda: self._order(POWER_UP), SETTLE)
            if outcome.kind is not Kind.REFUSED:
                raise outcome.fault(self._bmc, "reset")
            first = first or outcome
        if first and first.code != REFUSED:
            raise first.fault(self._bmc, "reset")
        self.off()
        return self.on()

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the boot flags and read them back, which decides whatever the BMC said of the order.

        Set System Boot Options (28.12), table 28-14. Parameter 3, against their lapse, is optional.
        """
        self._ask(0x08, 3, 0x08)
        outcome, often = Outcome(Kind.DONE), VALID | (0 if once else PERSISTENT)
        for flags in dict.fromkeys((often | (EFI if uefi else 0), often)):
            outcome, _ = self._ask(0x08, 5, flags, SELECTOR_OF[device] << 2, 0, 0, 0)
            read_back = self._read_boot_flags()
            if outcome.is_done or read_back in process.ACCEPTED[device]:
                return process.judged(device, read_back)
            if outcome.kind is not Kind.REFUSED:
                break
        raise outcome.fault(self._bmc, "the boot device")

    def get_boot(self) -> BootResult:
        """Read the boot flags."""
        return process.boot_result(self._read_boot_flags())

    def _ask(self, command: int, *data: int) -> tuple[Outcome, bytes]:
        """One request of the network function chassis: what its completion code means, and the bytes."""
        response = self._command.raw_command(netfn=0, command=command, data=data)
        return judge(response.get("code", 0)), bytes(response.get("data", b""))

    def _order(self, control: int) -> None:
        """Chassis Control (28.3). Raises PowerError where it is not taken."""
        outcome, _ = self._ask(0x02, control)
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "power")

    def _read_boot_flags(self) -> str:
        """Boot flags (IPMI 2.0, 28.13), judged by the device alone: some BMCs leave the valid bit at 0."""
        outcome, data = self._ask(0x09, 5, 0, 0)
        if not outcome.is_done or len(data) < 4:
            return "unknown"
        return SELECTORS.get((data[3] >> 2) & 0b1111, "other")


if __name__ == "__main__":
    process.serve(session)
