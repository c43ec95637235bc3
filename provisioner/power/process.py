"""One act of a BMC driver as one short-lived process: JSON in, JSON out, a time limit, errors in words.

pyghmi keeps global state, threads and caches; none of it outlives the act, and a hanging BMC ends with it.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

from provisioner import run
from provisioner.errors import PowerError, ProgramError
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerResult

Result = PowerResult | BootResult
# what a BMC may call the device when it is read back: some drop the override instead
MEANS = {"network": {"network"}, "disk": {"hd", "default"}}


class Driver:
    """The service's side; a driver names its module, which must call `serve`, and its limits."""

    module: ClassVar[str]
    limit: ClassVar[float]  # seconds for one act in all
    transport: ClassVar[str]  # UDP or TCP, for sentences

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
        """Set and read back. The firmware's mode is asked for but not judged: several BMCs drop it."""
        return BootResult(**self._act("set_boot", device=device, uefi=uefi, once=once))

    def get_boot(self) -> BootResult:
        """Read what is set."""
        return BootResult(**self._act("get_boot"))

    def _act(self, action: str, **arguments: Any) -> dict[str, Any]:
        order = {"bmc": asdict(self._bmc), "action": action, "arguments": arguments}
        try:
            done = run.run(
                [sys.executable, "-m", self.module],
                stdin=json.dumps(order).encode(),
                timeout=self.limit,
                check=False,
            )
        except ProgramError as slow:
            raise silent(self._bmc, self.transport) from slow
        return self._result(done.stdout, done.stderr)

    def _result(self, stdout: bytes, stderr: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(stdout.splitlines()[-1])
        except (ValueError, IndexError) as fault:
            said = stderr.decode(errors="replace").strip().splitlines()[-1:]
            name = self.module.rpartition(".")[2]
            raise PowerError(f"the {name} process broke: {' '.join(said)[:200]}", code=203) from fault
        if "error" in answer:
            raise PowerError(answer["error"], hint=answer["hint"], code=answer["code"])
        return dict(answer)


def silent(bmc: BmcAddress, transport: str) -> PowerError:
    """The error of a BMC that does not answer."""
    return PowerError(
        f"BMC {bmc.address} does not answer on {transport} port {bmc.port}",
        hint=f"is it cabled, is the address right? ping {bmc.address}; provision bmc test {bmc.name}",
        code=201,
    )


def refused(bmc: BmcAddress) -> PowerError:
    """The error of a BMC that does not take the login."""
    return PowerError(
        f"BMC {bmc.address} refuses the login of user {bmc.user!r}",
        hint="provision bmc secret NAME --user USER sets another password",
        code=202,
    )


def failed(bmc: BmcAddress, action: str, said: str) -> PowerError:
    """The error of a BMC that answers with one."""
    return PowerError(
        f"BMC {bmc.address} refuses {action}: {said[:300]}", hint=f"provision bmc test {bmc.name}", code=203
    )


# below: for the short-lived process


def serve(perform: Callable[[BmcAddress, str, dict[str, Any]], Result]) -> None:
    """One order as JSON on standard input, one result as JSON on standard output."""
    order = json.load(sys.stdin)
    bmc = BmcAddress(**order["bmc"])
    try:
        answer = asdict(perform(bmc, order["action"], order["arguments"]))
    except PowerError as fault:
        answer = {"error": str(fault), "hint": fault.hint, "code": fault.code}
    print(json.dumps(answer), flush=True)


@contextmanager
def within(seconds: float, late: PowerError) -> Iterator[None]:
    """Raise `late` in the block when the time is over: pyghmi tries a silent BMC for long."""

    def ring(*_: object) -> None:
        raise late

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def switch(
    read: Callable[[], PowerResult], act: Callable[[], object], wanted: str, settle: float
) -> PowerResult:
    """Read, act, then read until it is so. Raises PowerError (PV-207) after `settle` seconds."""
    if read().state != wanted:
        act()
    until = time.monotonic() + settle
    while (found := read()).state != wanted:
        if time.monotonic() > until:
            raise PowerError(
                f"the BMC took the order, but power is still {found.state} after {settle:.0f} s", code=207
            )
        time.sleep(0.5)  # a BMC has no event to wait for
    return found


def judged(device: str, found: str) -> BootResult:
    """What was asked for beside what was read back."""
    confirmed = found in MEANS[device]
    note = "" if confirmed else f"asked for {device}, the BMC says {found}"
    return BootResult(device if confirmed else found, confirmed, note)
