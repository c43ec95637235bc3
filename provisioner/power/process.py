"""One act of a BMC driver as one short-lived process: JSON in, JSON out, a time limit, errors in words.

pyghmi keeps global state, threads and caches; none of it outlives the act, and a hanging BMC ends with it.
A driver's module has two halves: in the service a `ProcessDriver`, which starts the module as a process for
each act; in that process a session, which is a `Power` too and does the act on the wire (`serve`). How an
order that was taken is seen to be done is said in `power/read_back.py`.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal, TypeAlias, TypedDict, TypeVar

from provisioner import run
from provisioner.errors import NotYetError, PowerError, ProgramError
from provisioner.power.outcome import not_yet
from provisioner.power.patience import outlast
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, Power, PowerResult
from provisioner.system.text import clean

# what a BMC may call the device when it is read back: some drop the override instead
ACCEPTED: dict[BootDevice, set[str]] = {"network": {"network"}, "disk": {"hd", "default"}}
PowerAction = Literal["state", "on", "off", "reset"]
WORDS = {  # of each act, as sentences have it
    "state": "the look at its power",
    "on": "power on",
    "off": "power off",
    "reset": "reset",
    "set_boot": "the boot device",
    "get_boot": "the look at its boot device",
}
LONGEST_ERROR = 500  # characters
Result = TypeVar("Result", PowerResult, BootResult)


@dataclass(frozen=True)
class ActRequest:
    """One act on one BMC; `device`, `uefi` and `once` are for `set_boot` alone."""

    bmc: BmcAddress
    action: PowerAction | Literal["set_boot", "get_boot"]
    device: BootDevice = "network"
    uefi: bool = True
    once: bool = True

    def to_json(self) -> bytes:
        """One JSON object, which the process reads from standard input."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "ActRequest":
        """The request that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "bmc": BmcAddress(**fields["bmc"])})


class ProcessDriver:
    """The service's side; a driver names its module, which must call `serve`, and its limits."""

    module: ClassVar[str]
    limit: ClassVar[float]  # seconds for one act in all

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc

    def state(self) -> PowerResult:
        """Read the power state."""
        return self._power("state")

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return self._power("on")

    def off(self) -> PowerResult:
        """Power off and see it off."""
        return self._power("off")

    def reset(self) -> PowerResult:
        """Reset; it stays on, so there is nothing more to see."""
        return self._power("reset")

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set and read back. The firmware's mode is asked for but not judged: several BMCs drop it."""
        return self._boot(ActRequest(self._bmc, "set_boot", device=device, uefi=uefi, once=once))

    def get_boot(self) -> BootResult:
        """Read the boot device that is set."""
        return self._boot(ActRequest(self._bmc, "get_boot"))

    def _power(self, action: PowerAction) -> PowerResult:
        return self._run(ActRequest(self._bmc, action), PowerResult)

    def _boot(self, request: ActRequest) -> BootResult:
        return self._run(request, BootResult)

    def _run(self, request: ActRequest, kind: type[Result]) -> Result:
        return outlast(lambda: self._run_once(request, kind), self._bmc.patience)

    def _run_once(self, request: ActRequest, kind: type[Result]) -> Result:
        argv = [sys.executable, "-m", self.module]
        try:
            done = run.run(argv, stdin=request.to_json(), timeout=self.limit, check=False)
        except ProgramError as late:
            raise not_yet(self._bmc, f"did not end {request.action} within {self.limit:.0f} s") from late
        try:
            answer = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError) as fault:
            stderr = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            name = self.module.rpartition(".")[2]
            raise NotYetError(f"the {name} process broke: {' '.join(stderr)[:200]}", code=203) from fault
        if "error" in answer:
            raise error_of(answer)
        words = {key: clean(value) for key, value in answer.items() if isinstance(value, str)}
        return kind(**{**answer, **words})


class Failure(TypedDict):
    """A PowerError as a line of JSON between a process and the service."""

    error: str
    hint: str
    code: int
    pause: float | None


def failure(fault: PowerError) -> Failure:
    """The error as a process writes it; `pause` is None where it is no use to ask again."""
    pause = fault.pause if isinstance(fault, NotYetError) else None
    return {"error": str(fault), "hint": fault.hint, "code": fault.code, "pause": pause}


def error_of(answer: Failure) -> PowerError:
    """The PowerError that `failure` described; it may have words of a BMC."""
    sentence, hint, code = clean(answer["error"], LONGEST_ERROR), answer["hint"], answer["code"]
    if (pause := answer.get("pause")) is not None:
        return NotYetError(sentence, hint=hint, code=code, pause=pause)
    return PowerError(sentence, hint=hint, code=code)


# below: for the short-lived process


LogIn: TypeAlias = Callable[[ActRequest], AbstractContextManager[Power]]


def serve(log_in: LogIn) -> None:
    """One request as JSON on standard input, one result or error as JSON on standard output.

    `log_in` logs in, gives what performs the act, and logs out. It raises PowerError.
    """
    print(answer_to(sys.stdin.buffer.read(), log_in), flush=True)


def answer_to(request: bytes, log_in: LogIn) -> str:
    """The line of JSON that answers the request."""
    wanted = ActRequest.from_json(request)
    try:
        with log_in(wanted) as power:
            return json.dumps(asdict(_perform(power, wanted)))
    except PowerError as fault:
        return json.dumps(failure(fault))


def _perform(power: Power, request: ActRequest) -> PowerResult | BootResult:
    if request.action == "set_boot":
        return power.set_boot(request.device, uefi=request.uefi, once=request.once)
    acts: dict[str, Callable[[], PowerResult | BootResult]] = {
        "state": power.state,
        "on": power.on,
        "off": power.off,
        "reset": power.reset,
        "get_boot": power.get_boot,
    }
    return acts[request.action]()


@contextmanager
def within(seconds: float, late: Callable[[], PowerError]) -> Iterator[None]:
    """Raise what `late` gives in the block when the time is over: pyghmi tries a silent BMC for long."""

    def expire(*_: object) -> None:
        raise late()

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def judged(device: BootDevice, read_back: str) -> BootResult:
    """What was asked for beside what was read back."""
    confirmed = read_back in ACCEPTED[device]
    note = "" if confirmed else f"asked for {device}, the BMC says {read_back}"
    return BootResult(device if confirmed else read_back, confirmed, note)


def boot_result(read_back: str) -> BootResult:
    """What was read, by the names of our own devices."""
    return BootResult({"hd": "disk"}.get(read_back, read_back))
