"""How a verification is told while it goes on, and what its verdict makes of the exit code."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cli.output import MARK, info, local_time, print_field
from provisioner.errors import DeploymentError, NotAcceptedError, ProvisionError
from provisioner.system.units import duration, timestamp

if TYPE_CHECKING:
    from provisioner.api.verifications import OpenVerification

ACCEPTED = ("accepted", "accepted_with_warnings")
INTERVAL = 10.0  # seconds between two lines of a burn-in's progress
SIGNS = {"ok": "", "warning": "warning: ", "unproved": f"{MARK} not proven: ", "deviation": f"{MARK} "}


@dataclass(frozen=True)
class VerificationFinding:
    """A check that did not pass: which, what was found, what to do."""

    check: str
    status: str
    reason: str
    action: str


@dataclass(frozen=True)
class VerificationSummary:
    """What came of it; `report` is empty where none was signed, and `key_id` says whose key it was."""

    host: str
    serial: str
    profile: str
    profile_sha256: str
    level: str
    verdict: str
    findings: tuple[VerificationFinding, ...]
    report: str = ""
    key_id: str = ""
    file: str = ""


def tell_task(result: str, sentence: str, action: str = "", at: float = 0) -> None:
    """One check, a line for people with its time; what to do about it on the next."""
    info(f"{timestamp(at or time.time())} {SIGNS.get(result, f'{result}: ')}{sentence}")
    if action and result != "ok":
        info(f"  → {action}")


def verification_words(row: "OpenVerification") -> str:
    """What goes on with a host by an SSH key, and how far it is: `over SSH as ann since 12:00:00, v-…`."""
    begun = f"over SSH as {row.user} since {local_time(row.created)}, {row.id}"
    one = row.burnin
    return f"{begun}; {_burnin(one.test, one.gpu, one.done, one.of, one.seconds_left)}" if one.test else begun


def _burnin(test: str, gpu: str, done: float, of: float, seconds_left: float) -> str:
    where = f" on {gpu}" if gpu else ""
    share = f" {100 * done / of:.0f} %" if of else ""
    return f"burn-in: {test}{where}{share}, about {duration(seconds_left)} left"


class BurnInLines:
    """A line of a burn-in's progress now and then: it reports several times a second."""

    def __init__(self) -> None:
        self._next, self._test = 0.0, ""

    def tell(self, test: str, gpu: str, done: float, of: float, seconds_left: float) -> None:
        """Where another test has begun, or some seconds have passed."""
        now = time.monotonic()
        if test == self._test and now < self._next:
            return
        self._next, self._test = now + INTERVAL, test
        info(f"{timestamp(time.time())} {_burnin(test, gpu, done, of, seconds_left)}")


def show(found: VerificationSummary) -> None:
    """For people."""
    print_field("Host", found.host)
    print_field("Serial", found.serial or "none")
    print_field("Profile", found.profile)
    print_field("Level", found.level)
    print_field("Verdict", found.verdict.replace("_", " "))
    print_field("Report", found.report or "none: nothing was signed")


def not_accepted(host: str, verdict: str, reason: str, action: str) -> ProvisionError | None:
    """The error of a verdict; None where the host was accepted."""
    if verdict in ACCEPTED:
        return None
    if verdict == "incomplete":
        return NotAcceptedError(f"{host} was not wholly examined: {reason}", hint=action, code=504)
    return NotAcceptedError(f"{host} was rejected: {reason}", hint=action, code=501)


def not_made(sentence: str, hint: str = "", code: int = 502) -> ProvisionError:
    """The error of a verification that came to no verdict."""
    words = sentence or "the verification came to no verdict"
    return DeploymentError(words, hint=hint or "run it again", code=code)
