"""Burns in one host's GPUs: places the program by Ansible, runs it over SSH, tells its progress meanwhile.

Why not by Ansible alone: a task's output comes at its end, and a task that runs in the background (`async`)
is a daemon on the host, which goes on when we are gone. So the play `burnin.yml` places the program and takes
it away, and between the two it runs on an SSH connection of its own, whose output is read line by line. Its
standard input is a lease: a byte every few seconds, or the program ends itself and all of its processes. So
it ends when the connection does, when this process is killed, hangs or loses its network, and when the host
no longer hears us, whatever sshd does. The play that takes it away fails where a process of it is left.
"""

import base64
import json
import math
import os
import platform
import select
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from provisioner import run as programs
from provisioner.domain import requirements
from provisioner.domain.acceptance import Level
from provisioner.system.text import clean
from provisioner.verify import ansible, burnin_archive, ssh
from provisioner.verify.evidence_burnin import LONGEST
from provisioner.verify.model import SshTarget

PLACE_TASK = "place the burn-in"
PLACE_LIMIT = 120  # seconds for the play
BEAT, LEASE = 5.0, 60.0  # seconds between two signs of life, and without one until the program ends itself
GRACE = 30.0  # seconds for the program's last words after it was told to end
LIMITS = requirements.LIMITS
_MERGED = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh")  # standard error with the rest
STATES = ("ok", "no torch", "no gpu", "cancelled", "error")


@dataclass(frozen=True)
class BurnInProgress:
    """How far a test is on the GPU of this UUID (empty: on all); `seconds_left` is that of everything."""

    test: str
    gpu: str
    done: float
    of: float
    seconds_left: float


@dataclass(frozen=True)
class BurnInOutcome:
    """How the run ended; `report` is the program's last line, JSON, empty where there was none.

    `ended` says only that there is a report: its states and counts of errors decide. `sentence` says why it
    is not `ended`.
    """

    result: Literal["ended", "cancelled", "unreachable", "failed"]
    sentence: str = ""
    report: str = ""


OnProgress = Callable[[BurnInProgress], None]


def burn_in(
    target: SshTarget,
    level: Level,
    *,
    work: Path,
    on_progress: OnProgress = lambda progress: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    seconds: int = 0,
    limit: float = math.inf,
    options: Sequence[str] = (),
) -> BurnInOutcome:
    """Run the burn-in; nothing of it is left on the host, however this ends.

    `seconds` are those of a soak; the program is ended after `limit` seconds, or after those of its level
    where they are fewer. `is_cancelled` is asked about once a second; what `on_progress` raises ends
    the run, too, and is raised again. `options` are further arguments of the program. Raises ServiceError
    where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ssh.route(target, work) as route:
        placed = _play(route, work, "")
        place = placed.outputs.get(PLACE_TASK, "").strip()
        if placed.result != "ok" or not place:
            # an unreachable host is tried again by whoever called
            reason = placed.sentence or f"{target.name} did not say where the burn-in was placed"
            return BurnInOutcome("unreachable" if placed.result == "unreachable" else "failed", reason)
        try:
            words = _command(place, level, seconds, options)
            ended_after = min(limit, LIMITS[level] + seconds)
            session = _over_ssh(route, words, work / "burnin.ssh.log", ended_after)
            outcome = session.run(on_progress, is_cancelled)
        finally:
            removed = _play(route, work, place)
    if removed.result != "ok":
        sentence = f"the burn-in could not be taken away from {target.name}: {removed.sentence}"
        return BurnInOutcome("failed", sentence, outcome.report)
    return outcome


def _play(route: ssh.Route, work: Path, place: str) -> ansible.PlayResult:
    variables = {
        "place": place,
        "archive": "" if place else base64.b64encode(burnin_archive.build()).decode(),
    }
    return ansible.run_playbook("burnin", route, folder=work, seconds=PLACE_LIMIT, variables=dict(variables))


def burn_in_here(
    level: Level,
    *,
    on_progress: OnProgress = lambda progress: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    seconds: int = 0,
    options: Sequence[str] = (),
) -> BurnInOutcome:
    """Likewise on this very machine: the program lies in its memory, and ends with this process."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of ours below it, which nobody else can read
    with tempfile.TemporaryDirectory(prefix="provision-", dir=memory if memory.is_dir() else None) as place:
        (Path(place) / burnin_archive.NAME).write_bytes(burnin_archive.build())
        words = _command(place, level, seconds, options)
        return _Session(platform.node(), [*_MERGED, *words], LIMITS[level] + seconds).run(
            on_progress, is_cancelled
        )


def _command(place: str, level: Level, seconds: int, options: Sequence[str]) -> list[str]:
    program = ["/usr/bin/python3", f"{place}/{burnin_archive.NAME}", "--level", level.value]
    lasting = ["--seconds", str(seconds)] * (level is Level.SOAK)
    return [*program, "--lease", f"{LEASE:g}", *lasting, *options]


def _over_ssh(route: ssh.Route, words: Sequence[str], log: Path, limit: float) -> "_Session":
    """A session on a connection of its own; what ssh itself says of it comes into `log`."""
    log.unlink(missing_ok=True)
    argv: list[str | Path] = ["ssh", "-E", log, *ssh.login(route), f"exec {shlex.join(words)} 2>&1"]

    def explain() -> str:
        complaint = log.read_text(errors="replace") if log.exists() else ""
        return ssh.explain_unreachable(route.target, complaint)

    return _Session(route.target.name, argv, limit, explain)


class _Session:
    """The program: reads its lines, renews its lease, ends it.

    What it writes to its standard error is no JSON, and tells why there is no report; so it has to come with
    the rest. Where it runs on a connection, `explain` says why that was lost.
    """

    def __init__(
        self, name: str, argv: Sequence[str | Path], limit: float, explain: Callable[[], str] | None = None
    ) -> None:
        self._name, self._explain = name, explain
        self._process = programs.start(argv, stdin=programs.PIPE, stdout=programs.PIPE)
        self._limit, self._until = limit, time.monotonic() + limit
        self._next_beat, self._part = 0.0, b""
        self._ended: BurnInOutcome | None = None  # it was told to end: cancelled, or over its limit
        self._report, self._last = "", ""

    def run(self, on_progress: OnProgress, is_cancelled: Callable[[], bool]) -> BurnInOutcome:
        try:
            for line in self._lines(is_cancelled):
                self._take(line, on_progress)
            self._wait()
        finally:
            self._hang_up()
            code = programs.stop(self._process, grace=5)
            if self._process.stdout:
                self._process.stdout.close()
        return self._outcome(code)

    def _lines(self, is_cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Whole lines until the output ends; one that is cut off at its end is none."""
        assert self._process.stdout  # noqa: S101  it is a pipe
        number, poll = self._process.stdout.fileno(), select.poll()
        poll.register(number, select.POLLIN)
        while time.monotonic() < self._until:
            if not self._ended:
                self._beat()
                if is_cancelled():
                    self._end("cancelled", "it was cancelled")
            if not poll.poll(1000):  # milliseconds
                continue
            data = os.read(number, 1 << 16)
            if not data:
                return
            *lines, self._part = (self._part + data).split(b"\n")
            yield from lines
            if len(self._part) > LONGEST:
                self._end("failed", "it printed a line without end")
                return
        if not self._ended:
            self._end("failed", f"it did not end within {self._limit:g} s")
            yield from self._lines(lambda: False)

    def _wait(self) -> None:
        """Let it end by itself, for its code tells whether ssh had a fault."""
        descriptor, poll = os.pidfd_open(self._process.pid), select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(GRACE * 1000)  # milliseconds
        os.close(descriptor)

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat and self._process.stdin:
            self._next_beat = time.monotonic() + BEAT
            try:
                os.write(self._process.stdin.fileno(), b"\n")
            except OSError:  # the connection is gone; its output ends, too
                self._next_beat = float("inf")

    def _end(self, result: Literal["cancelled", "failed"], why: str) -> None:
        """Let the lease end, and wait for the last words."""
        self._ended = BurnInOutcome(result, f"the burn-in of {self._name} was ended: {why}")
        self._until = time.monotonic() + GRACE
        self._hang_up()

    def _hang_up(self) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def _take(self, line: bytes, on_progress: OnProgress) -> None:
        text = line.decode(errors="replace")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            self._last = clean(text, 300) or self._last
        elif said.get("state") in STATES:
            self._report = text
        elif (progress := _progress(said.get("progress"))) and not self._ended:
            on_progress(progress)

    def _outcome(self, code: int) -> BurnInOutcome:
        if self._ended:
            return replace(self._ended, report=self._report)
        if self._report:
            return BurnInOutcome("ended", report=self._report)
        if code == 255 and self._explain:  # ssh's own
            return BurnInOutcome("unreachable", self._explain())
        reason = self._last or f"code {code}"
        return BurnInOutcome("failed", f"the burn-in of {self._name} gave no report: {reason}")


def _progress(said: object) -> BurnInProgress | None:
    """A line of progress; None where it is not what the program prints."""
    if not isinstance(said, dict):
        return None
    done, of, left = (_number(said.get(name)) for name in ("done", "of", "seconds_left"))
    if done is None or of is None or left is None:
        return None
    test, gpu = (clean(str(said.get(name, "")), 100) for name in ("test", "gpu"))
    return BurnInProgress(test, gpu, done, of, left)


def _number(value: object) -> float | None:
    """None: it is no number, or none that a clock or a counter gives."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return float(value)
