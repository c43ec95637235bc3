"""IPMI 2.0 by pyghmi: one short-lived process per act, so that its global state never outlives a fault."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from provisioner import run
from provisioner.errors import PowerError, ProgramError
from provisioner.power import BmcAddress, BootDevice, BootResult, PowerResult

LIMIT = 45.0  # seconds for one act in all
LOGIN_LIMIT = 15.0  # seconds for a BMC to answer at all
SETTLE = 20.0  # seconds for a power state to change
DEVICES = {"network": "network", "disk": "hd"}
# what a BMC may call the disk when it is read back: some drop the override instead
MEANS = {"network": {"network"}, "disk": {"hd", "default"}}


class Ipmi:
    """The driver; each call is one process."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc

    def state(self) -> PowerResult:
        """Read the power state."""
        return PowerResult(**self._act("state"))

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return PowerResult(**self._act("on"))

    def off(self) -> PowerResult:
        """Power off and see it off."""
        return PowerResult(**self._act("off"))

    def reset(self) -> PowerResult:
        """Reset; it stays on, so there is nothing more to see."""
        return PowerResult(**self._act("reset"))

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set and read back. The EFI flag is asked for but not judged: several BMCs drop it."""
        return BootResult(**self._act("set_boot", device=device, uefi=uefi, once=once))

    def get_boot(self) -> BootResult:
        """Read what is set."""
        return BootResult(**self._act("get_boot"))

    def _act(self, action: str, **arguments: Any) -> dict[str, Any]:
        order = {"bmc": asdict(self._bmc), "action": action, "arguments": arguments}
        try:
            done = run.run(
                [sys.executable, "-m", "provisioner.power.ipmi"],
                stdin=json.dumps(order).encode(),
                timeout=LIMIT,
                check=False,
            )
        except ProgramError as slow:
            raise _silent(self._bmc) from slow
        return self._result(done.stdout, done.stderr)

    def _result(self, stdout: bytes, stderr: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(stdout.splitlines()[-1])
        except (ValueError, IndexError) as fault:
            said = stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise PowerError(f"the IPMI process broke: {' '.join(said)[:200]}", code=203) from fault
        if "error" in answer:
            raise PowerError(answer["error"], hint=answer["hint"], code=answer["code"])
        return dict(answer)


def _silent(bmc: BmcAddress) -> PowerError:
    return PowerError(
        f"BMC {bmc.address} does not answer on UDP port {bmc.port}",
        hint=f"is it cabled, is the address right? ping {bmc.address}; provision bmc test {bmc.name}",
        code=201,
    )


# below: the short-lived process


def main() -> None:
    """One order as JSON on standard input, one result as JSON on standard output."""
    order = json.load(sys.stdin)
    bmc = BmcAddress(**order["bmc"])
    try:
        answer = _perform(bmc, order["action"], order["arguments"])
    except PowerError as fault:
        answer = {"error": str(fault), "hint": fault.hint, "code": fault.code}
    print(json.dumps(answer), flush=True)


def _perform(bmc: BmcAddress, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from pyghmi.exceptions import PyghmiException

    try:
        command = _log_in(bmc)
        return asdict(ACTIONS[action](command, **arguments))
    except PyghmiException as fault:
        raise _explained(bmc, action, fault) from fault


def _log_in(bmc: BmcAddress) -> Any:
    """A session. pyghmi retries a silent BMC for long: the alarm ends it in time."""
    import signal

    from pyghmi.ipmi import command

    def late(*_: object) -> None:
        raise _silent(bmc)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LOGIN_LIMIT)
    try:
        return command.Command(
            bmc=bmc.address, userid=bmc.user, password=bmc.password, port=bmc.port, keepalive=False
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    said = str(fault)
    wrong = ("Incorrect password", "Unauthorized", "Incorrect user", "Invalid user", "RAKP")
    if any(word.lower() in said.lower() for word in wrong):
        return PowerError(
            f"BMC {bmc.address} refuses the login of user {bmc.user!r}",
            hint="provision bmc secret NAME --user USER sets another password",
            code=202,
        )
    if said in ("", "None") or "timeout" in said.lower() or "No answer" in said or "not reachable" in said:
        return _silent(bmc)
    return PowerError(
        f"BMC {bmc.address} refuses {action}: {said}", hint=f"provision bmc test {bmc.name}", code=203
    )


def _state(command: Any) -> PowerResult:
    suite = 17 if getattr(command.ipmi_session, "currhashlen", 0) == 16 else 3
    return PowerResult(str(command.get_power()["powerstate"]), suite=suite)


def _switch(command: Any, wanted: str) -> PowerResult:
    """Read, act, then read until it is so."""
    if _state(command).state != wanted:
        command.set_power(wanted)
    until = time.monotonic() + SETTLE
    while (found := _state(command)).state != wanted:
        if time.monotonic() > until:
            raise PowerError(
                f"the BMC took the order, but power is still {found.state} after {SETTLE:.0f} s", code=207
            )
        time.sleep(0.5)  # a BMC has no event to wait for
    return found


def _reset(command: Any) -> PowerResult:
    before = _state(command)
    if before.state != "on":
        return _switch(command, "on")
    command.set_power("reset")
    return _state(command)


def _set_boot(command: Any, device: str, uefi: bool, once: bool) -> BootResult:
    command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi)
    found = _read_boot_flags(command)
    confirmed = found in MEANS[device]
    note = "" if confirmed else f"asked for {device}, the BMC says {found}"
    return BootResult(device if confirmed else found, confirmed, note)


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


ACTIONS: dict[str, Callable[..., PowerResult | BootResult]] = {
    "state": _state,
    "on": lambda command: _switch(command, "on"),
    "off": lambda command: _switch(command, "off"),
    "reset": _reset,
    "set_boot": _set_boot,
    "get_boot": _boot_result,
}

if __name__ == "__main__":
    main()
