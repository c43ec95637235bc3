"""IPMI 2.0 over RMCP+ (Intel and others, IPMI v2.0 revision 1.1), by pyghmi."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypedDict

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult

LOGIN_LIMIT = 15.0  # seconds for a BMC to answer at all
SETTLE = 20.0  # seconds for a power state to change
DEVICES: dict[BootDevice, str] = {"network": "network", "disk": "hd"}
# boot device selectors of parameter 5, by pyghmi's names (IPMI 2.0, table 28-14)
SELECTORS = {0: "default", 1: "network", 2: "hd", 3: "safe", 5: "optical", 6: "setup"}


class IpmiDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    module = "provisioner.power.ipmi"
    limit = 45.0
    transport = "UDP"


DRIVER = PowerDriver(
    name="ipmi",
    title="IPMI",
    port=623,  # IPMI 2.0, 13.1.2: primary RMCP port
    recorder="provisioner.power.sol",
    connect=IpmiDriver,
)


# below: the short-lived process


class RawResponse(TypedDict, total=False):
    """What pyghmi gives back of a raw command: the bytes behind the completion code, or the error."""

    data: bytes
    error: str


class IpmiCommand(Protocol):
    """The calls of `pyghmi.ipmi.command.Command` that are used: pyghmi ships no types."""

    ipmi_session: object

    def get_power(self) -> dict[str, str]:
        """`powerstate`: `on` or `off` (Get Chassis Status, IPMI 2.0, 28.2)."""

    def set_power(self, powerstate: str) -> object:
        """Chassis Control (28.3)."""

    def set_bootdev(self, bootdev: str, persist: bool, uefiboot: bool) -> object:
        """Set System Boot Options, boot flags (28.12)."""

    def raw_command(self, netfn: int, command: int, data: tuple[int, ...]) -> RawResponse:
        """Any request by its numbers."""


@contextmanager
def session(request: process.ActRequest) -> Iterator["IpmiSession"]:
    """A login for one act. Raises PowerError for whatever pyghmi says of it."""
    from pyghmi.exceptions import PyghmiException

    try:
        yield IpmiSession(_log_in(request.bmc))
    except PyghmiException as fault:
        raise explained(request.bmc, request.action, fault) from fault


def _log_in(bmc: BmcAddress) -> IpmiCommand:
    from pyghmi.ipmi import command

    with process.within(LOGIN_LIMIT, process.silent(bmc, IpmiDriver.transport)):
        made: IpmiCommand = command.Command(
            bmc=bmc.address, userid=bmc.user, password=bmc.password, port=bmc.port, keepalive=False
        )
        return made


def explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    """pyghmi's words as an error of ours: PV-202 a login, PV-201 silence, PV-203 all else."""
    reason = str(fault)
    wrong = ("Incorrect password", "Unauthorized", "Incorrect user", "Invalid user", "RAKP")
    if any(word.lower() in reason.lower() for word in wrong):
        return process.refused(bmc)
    silence = ("timeout", "no answer", "not reachable")
    if reason in ("", "None") or any(word in reason.lower() for word in silence):
        return process.silent(bmc, IpmiDriver.transport)
    return process.failed(bmc, action, reason)


class IpmiSession:
    """One logged-in session; pyghmi ends it with the process."""

    def __init__(self, command: IpmiCommand) -> None:
        self._command = command

    def state(self) -> PowerResult:
        """The power state, and the cipher suite: 17 where the session's hash is SHA-256, else 3."""
        suite = 17 if getattr(self._command.ipmi_session, "currhashlen", 0) == 16 else 3
        return PowerResult(self._command.get_power()["powerstate"], suite=suite)

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return self._switch("on")

    def off(self) -> PowerResult:
        """Power off and see it off."""
        return self._switch("off")

    def reset(self) -> PowerResult:
        """Hard reset; a host that is off is powered on."""
        if self.state().state != "on":
            return self.on()
        self._command.set_power("reset")
        return self.state()

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the boot flags and read them back."""
        self._command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi)
        return process.judged(device, self._read_boot_flags())

    def get_boot(self) -> BootResult:
        """Read the boot flags."""
        return process.boot_result(self._read_boot_flags())

    def _switch(self, wanted: str) -> PowerResult:
        return process.switch(self.state, lambda: self._command.set_power(wanted), wanted, SETTLE)

    def _read_boot_flags(self) -> str:
        """Boot flags (IPMI 2.0, 28.13), judged by the device alone: some BMCs leave the valid bit at 0."""
        response = self._command.raw_command(netfn=0, command=9, data=(5, 0, 0))
        if "error" in response or len(response["data"]) < 4:
            return "unknown"
        return SELECTORS.get((response["data"][3] >> 2) & 0b1111, "other")


if __name__ == "__main__":
    process.serve(session)
