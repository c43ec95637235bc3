"""One act of a BMC driver as one short-lived process: JSON in, JSON out, a time limit, errors in words.

pyghmi keeps global state, threads and caches; none of it outlives the act, and a hanging BMC ends with it.
A driver's module has two halves: in the service a `ProcessDriver`, which has each act done by a process of
its own (`power/acts.py`); in that process `session`, which gives a `Power` too that does the act on the wire.
How an order that was taken is seen to be done is said in `power/read_back.py`.
"""

import json
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict, TypeVar

from provisioner.errors import NotYetError, PowerError, ProgramError
from provisioner.power.acts import ACTS, START
from provisioner.power.outcome import not_yet, unreadable
from provisioner.power.patience import outlast
from provisioner.power.protocol import (
    Accounts,
    AccountsResult,
    BmcAccount,
    BmcAddress,
    BmcStatus,
    BootDevice,
    BootResult,
    Chassis,
    IdentifyResult,
    PasswordResult,
    Power,
    PowerResult,
    SensorReading,
    SensorsResult,
)
from provisioner.system.processes import seconds_without_processor
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
    "identify": "its light",
    "sensors": "the look at its sensors",
    "status": "the look at its power",
    "accounts": "the look at its users",
    "set_password": "another password",
}
LONGEST_ERROR = 500  # characters
SOON = 0.01  # seconds
AGAIN = 1.0  # seconds after its time is over in which an act may still log out
ActResult: TypeAlias = (
    PowerResult | BootResult | IdentifyResult | SensorsResult | BmcStatus | AccountsResult | PasswordResult
)
Result = TypeVar(
    "Result",
    PowerResult,
    BootResult,
    IdentifyResult,
    SensorsResult,
    BmcStatus,
    AccountsResult,
    PasswordResult,
)


@dataclass(frozen=True)
class ActRequest:
    """One act on one BMC; `device`, `uefi` and `once` are for `set_boot` alone, `seconds` for `identify`.

    `password` is the new one of `set_password`.
    """

    bmc: BmcAddress
    action: (
        PowerAction
        | Literal["set_boot", "get_boot", "identify", "sensors", "status", "accounts", "set_password"]
    )
    device: BootDevice = "network"
    uefi: bool = True
    once: bool = True
    seconds: int = 0
    password: str = field(default="", repr=False)

    def to_json(self) -> bytes:
        """One JSON object, which the process reads from standard input."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "ActRequest":
        """The request that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "bmc": BmcAddress(**fields["bmc"])})


class ProcessDriver:
    """The service's side; a driver has the name of its module, and its limits."""

    name: ClassVar[str]
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

    def identify(self, seconds: int) -> IdentifyResult:
        """Switch the light and read it back, where the BMC tells."""
        return self._run(ActRequest(self._bmc, "identify", seconds=seconds), IdentifyResult)

    def sensors(self) -> SensorsResult:
        """Read all sensors."""
        return self._run(ActRequest(self._bmc, "sensors"), SensorsResult)

    def status(self) -> BmcStatus:
        """Read power state and boot device."""
        return self._run(ActRequest(self._bmc, "status"), BmcStatus)

    def accounts(self) -> AccountsResult:
        """Who may log in."""
        return self._run(ActRequest(self._bmc, "accounts"), AccountsResult)

    def set_password(self, password: str) -> PasswordResult:
        """Another password for the user that logs in."""
        return self._run(ActRequest(self._bmc, "set_password", password=password), PasswordResult)

    def _power(self, action: PowerAction) -> PowerResult:
        return self._run(ActRequest(self._bmc, action), PowerResult)

    def _boot(self, request: ActRequest) -> BootResult:
        return self._run(request, BootResult)

    def _run(self, request: ActRequest, kind: type[Result]) -> Result:
        return outlast(lambda: self._run_once(request, kind), self._bmc.patience)

    def _run_once(self, request: ActRequest, kind: type[Result]) -> Result:
        within = self._bmc.done_within
        limit = min(self.limit, within + START) if within else self.limit
        try:
            answer = json.loads(ACTS.perform(self.name, request.to_json(), limit))
        except TimeoutError as late:
            raise _late(request, limit) from late
        except ProgramError as fault:
            raise NotYetError(
                f"the {self.name} process for BMC {self._bmc.address} broke: {fault}",
                hint=f"provision bmc test {self._bmc.name}; if it stays so: provision support-dump",
                code=203,
            ) from fault
        if "error" in answer:
            raise error_of(answer)
        return kind(**_read(answer))


def _late(request: ActRequest, seconds: float) -> NotYetError:
    what = f"did not end {WORDS[request.action]} within {seconds:.0f} s"
    return not_yet(request.bmc, f"{what}: it answers too slowly, or not any more")


Fields: TypeAlias = dict[str, Any]  # as json gives them


def _read(answer: Fields) -> Fields:
    """What a process answered, its words made readable, its sensors as models."""
    words = {key: clean(value) if isinstance(value, str) else value for key, value in answer.items()}
    if isinstance(found := words.get("sensors"), list):
        words["sensors"] = tuple(
            SensorReading(**{**_read(each), "states": tuple(map(clean, each["states"]))}) for each in found
        )
    if isinstance(listed := words.get("accounts"), list):
        words["accounts"] = tuple(BmcAccount(**_read(each)) for each in listed)
    return words


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


def answer_to(request: bytes, log_in: LogIn) -> str:
    """One result or error as JSON, which answers the request.

    `log_in` logs in, gives what performs the act, and logs out. It raises PowerError.
    """
    wanted = ActRequest.from_json(request)
    limit = wanted.bmc.done_within
    try:
        with within(limit, lambda: _late(wanted, limit)), log_in(wanted) as power:
            return json.dumps(asdict(_perform(power, wanted)))
    except PowerError as fault:
        return json.dumps(failure(fault))
    except Exception as fault:  # what a BMC says may break whatever reads it
        traceback.print_exc()
        return json.dumps(failure(unreadable(wanted.bmc, fault)))


def _perform(power: Power, request: ActRequest) -> ActResult:
    if isinstance(power, Chassis) and request.action == "identify":
        return power.identify(request.seconds)
    if isinstance(power, Chassis) and request.action == "sensors":
        return power.sensors()
    if isinstance(power, Accounts) and request.action == "accounts":
        return power.accounts()
    if isinstance(power, Accounts) and request.action == "set_password":
        return power.set_password(request.password)
    if request.action == "status":
        power_state, boot = power.state(), power.get_boot()
        return BmcStatus(power_state.state, boot.device, power_state.note, power_state.suite)
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
    """Raise what `late` gives in the block when the time is over: pyghmi tries a silent BMC for long.

    No `seconds` are no limit. Inside another block the time that is over first counts. The time for which
    this machine had no processor for us is not the BMC's: it is not counted. After it what cleans up has
    AGAIN seconds, then it is raised once more.
    """
    outer, _ = signal.getitimer(signal.ITIMER_REAL)
    if not seconds or 0 < outer <= seconds:
        yield
        return

    began, without = time.monotonic(), seconds_without_processor()

    def expire(*_: object) -> None:
        lost = seconds_without_processor() - without
        if (left := began + seconds + lost - time.monotonic()) > SOON:
            signal.setitimer(signal.ITIMER_REAL, left, AGAIN)
            return
        raise late()

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - began), SOON), AGAIN)


def judged(device: BootDevice, read_back: str) -> BootResult:
    """What was asked for beside what was read back."""
    confirmed = read_back in ACCEPTED[device]
    note = "" if confirmed else f"asked for {device}, the BMC says {read_back}"
    return BootResult(device if confirmed else read_back, confirmed, note)


def boot_result(read_back: str) -> BootResult:
    """What was read, by the names of our own devices."""
    return BootResult({"hd": "disk"}.get(read_back, read_back))
