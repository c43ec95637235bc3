"""IPMI 2.0 by pyghmi."""

from collections.abc import Callable
from typing import Any

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.protocol import BmcAddress, BootResult, PowerResult

LOGIN_LIMIT = 15.0  # seconds for a BMC to answer at all
SETTLE = 20.0  # seconds for a power state to change
DEVICES = {"network": "network", "disk": "hd"}


class Ipmi(process.Driver):
    """The driver; each call is one process."""

    module = "provisioner.power.ipmi"
    limit = 45.0
    transport = "UDP"


# below: the short-lived process


def perform(bmc: BmcAddress, action: str, arguments: dict[str, Any]) -> process.Result:
    """Log in and do one act. Raises PowerError."""
    from pyghmi.exceptions import PyghmiException

    try:
        command = _log_in(bmc)
        return ACTIONS[action](command, **arguments)
    except PyghmiException as fault:
        raise explained(bmc, action, fault) from fault


def _log_in(bmc: BmcAddress) -> Any:
    """A session."""
    from pyghmi.ipmi import command

    with process.within(LOGIN_LIMIT, process.silent(bmc, Ipmi.transport)):
        return command.Command(
            bmc=bmc.address, userid=bmc.user, password=bmc.password, port=bmc.port, keepalive=False
        )


def explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    """pyghmi's words as an error of ours."""
    said = str(fault)
    wrong = ("Incorrect password", "Unauthorized", "Incorrect user", "Invalid user", "RAKP")
    if any(word.lower() in said.lower() for word in wrong):
        return process.refused(bmc)
    if said in ("", "None") or "timeout" in said.lower() or "No answer" in said or "not reachable" in said:
        return process.silent(bmc, Ipmi.transport)
    return process.failed(bmc, action, said)


def _state(command: Any) -> PowerResult:
    suite = 17 if getattr(command.ipmi_session, "currhashlen", 0) == 16 else 3
    return PowerResult(str(command.get_power()["powerstate"]), suite=suite)


def _switch(command: Any, wanted: str) -> PowerResult:
    return process.switch(lambda: _state(command), lambda: command.set_power(wanted), wanted, SETTLE)


def _reset(command: Any) -> PowerResult:
    before = _state(command)
    if before.state != "on":
        return _switch(command, "on")
    command.set_power("reset")
    return _state(command)


def _set_boot(command: Any, device: str, uefi: bool, once: bool) -> BootResult:
    command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi)
    return process.judged(device, _read_boot_flags(command))


def _read_boot_flags(command: Any) -> str:
    """Boot flags (IPMI 2.0, 28.13), judged by the device alone: some BMCs leave the valid bit at 0."""
    response = command.raw_command(netfn=0, command=9, data=(5, 0, 0))
    if "error" in response or len(response["data"]) < 4:
        return "unknown"
    codes = {0: "default", 1: "network", 2: "hd", 3: "safe", 5: "optical", 6: "setup"}
    return codes.get((response["data"][3] >> 2) & 0b1111, "other")


def _boot_result(command: Any) -> BootResult:
    found = _read_boot_flags(command)
    return BootResult({"hd": "disk"}.get(found, found))


ACTIONS: dict[str, Callable[..., process.Result]] = {
    "state": _state,
    "on": lambda command: _switch(command, "on"),
    "off": lambda command: _switch(command, "off"),
    "reset": _reset,
    "set_boot": _set_boot,
    "get_boot": _boot_result,
}

if __name__ == "__main__":
    process.serve(perform)
