"""How far the writing of a disk is, or the burn-in of a host."""

from typing import Self

from pydantic import BaseModel, ConfigDict

from provisioner.domain.stage import Stage
from provisioner.system.units import duration, size

WRITES = "writing"  # the agent's phase in which bytes of the image move
QUEUED = "waiting for our turn"  # how its note begins while other hosts are served first
BURN_IN_REPORTS_END = 150.0  # likewise of a burn-in, which gives a GPU up after 120 silent ones
REPORTS_END = 30.0  # seconds after a report for which its speed still holds; one comes every two
MINUTE = 60.0  # seconds over which its speed is taken
UNFLUSHED = 512 << 20  # bytes that a disk is given before it must have them: batches, and its own cache
FLUSH_LEAST, FLUSH_MOST = 15.0, 300.0  # seconds for which a disk may flush, by whatever speed


class Progress(BaseModel):
    """The last report of who writes the disk: `done` and `total` in bytes of the image, `rate` in bytes/s.

    `speed`, of its writing, is smoothed over a minute. `reported` is when this came, `moved` when bytes moved
    last, `steady` since when it is in this phase and waits for no other host, in seconds since 1970.

    Of an installer only `phase` is known, its last event in words; `failed` is its first step that failed,
    and `unwinds` says that the failure is being handed up through the steps that had called it.

    Of a burn-in `test` is what is made, `gpu` the UUID of the GPU that told last (empty: all of them), `done`
    and `total` are parts of the test, and `left` are the seconds of everything.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    seq: int = -1  # of the agent's report; each is taken once
    phase: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0
    note: str = ""
    disk: str = ""  # the disk's name
    origin: str = ""  # the part of the installer that reports
    failed: str = ""
    unwinds: bool = False
    speed: float = 0
    reported: float = 0
    moved: float = 0
    steady: float = 0
    test: str = ""
    gpu: str = ""
    left: float = 0

    def is_of(self, stage: Stage) -> bool:
        """Whether it is what this stage does."""
        if stage == Stage.VERIFYING:
            return bool(self.test)
        return stage == Stage.WRITING and bool(self.phase) and not self.test

    @property
    def is_queued(self) -> bool:
        """Whether other hosts are served first."""
        return self.note.startswith(QUEUED)

    @property
    def seconds_left(self) -> float:
        """Seconds until all is written at the present rate, or tested; 0 where nobody can say."""
        if self.left:
            return self.left
        return (self.total - self.done) / self.rate if self.rate and self.total > self.done else 0.0

    @property
    def flush_seconds(self) -> float:
        """Seconds in which the disk may take what it was given, at the speed at which it was written; nothing
        is heard of a machine that waits for that.
        """
        speed = self.speed or self.rate
        return min(max(FLUSH_LEAST, min(self.done, UNFLUSHED) / speed if speed else 0.0), FLUSH_MOST)

    def after(self, before: "Progress", now: float) -> Self:
        """This report, with what it says of times and speed beside the one `before`."""
        is_same = before.phase == self.phase and before.reported > 0
        moved = before.moved if is_same and self.done <= before.done else now
        is_steady = is_same and not self.is_queued and not before.is_queued
        steady, speed = (before.steady if is_steady else now), before.speed
        if is_steady and self.phase == WRITES and now > before.reported:
            rate = (self.done - before.done) / (now - before.reported)
            share = min(1.0, (now - before.reported) / MINUTE) if speed else 1.0
            speed += (max(0.0, rate) - speed) * share
        return self.model_copy(update={"reported": now, "moved": moved, "steady": steady, "speed": speed})

    def describe(self, now: float = 0.0) -> str:
        """`writing 41 %, 290.1 MB of 712.0 MB, 12.3 MB/s, 34 s left`, or `silent for 4 m 10 s` at `now`.

        Of a burn-in `burn-in: load 40 % on GPU-5d1f…, 3 m left`.
        """
        if self.test:
            return self._burn_in(now)
        amount = [f"{size(self.done)} of {size(self.total)}"] if self.total > 1 else []
        return ", ".join([self._share(), *amount, *self._speed(now)])

    def summary(self, now: float = 0.0) -> str:
        """`writing 41 %, 12.3 MB/s, 34 s left`, likewise."""
        if self.test:
            return self._burn_in(now)
        return ", ".join([self._share(), *self._speed(now)])

    def _burn_in(self, now: float) -> str:
        share = f" {100 * self.done // self.total} %" if self.total else ""
        words = f"burn-in: {self.test}{share}{f' on {self.gpu}' if self.gpu else ''}"
        if self.reported and now - self.reported >= BURN_IN_REPORTS_END:
            return f"{words}, silent for {duration(now - self.reported)}"
        return f"{words}, {duration(self.left)} left"

    def _share(self) -> str:
        share = f" {100 * self.done // self.total} %" if self.total > 1 else ""
        return f"{self.phase or 'writing'}{share}"

    def _speed(self, now: float) -> list[str]:
        if self.reported and now - self.reported >= REPORTS_END:
            return [f"silent for {duration(now - self.reported)}"]
        parts = [f"{size(self.rate)}/s"] if self.rate else []
        if self.rate and self.total > self.done:
            parts.append(f"{duration((self.total - self.done) / self.rate)} left")
        return [*parts, self.note] if self.note else parts
