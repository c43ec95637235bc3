"""How quickly a disk was written: samples over time, a file of the deployment in the state folder.

The log of events keeps the last report of what a machine repeats; this keeps the way there, at most LIMIT
bytes of it. It is evidence: a full disk loses it and hinders nothing.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from provisioner.state.disk_usage import is_full

LIMIT = 512 << 10  # bytes; some 14,000 reports, eight hours of them
MOST = 240  # samples that are given back
log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """At `time` (seconds since 1970), in this attempt, so many bytes of the image were `done`.

    `rate` is in bytes per second, over the time since the sample before.
    """

    time: float
    attempt: int
    done: int
    rate: float


class ThroughputFile:
    """The samples of one deployment; there may be none."""

    def __init__(self, state: Path, deployment: str) -> None:
        self.path = state / "logs" / f"{deployment}.throughput"

    def add(self, now: float, attempt: int, done: int, rate: float) -> None:
        """Append what was reported at `now`."""
        line = f"{now:.1f} {attempt} {done} {rate:.0f}\n".encode()
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            with self.path.open("ab") as out:
                if out.tell() + len(line) <= LIMIT:
                    out.write(line)
        except OSError as fault:
            if not is_full(fault):
                raise
            log.warning("the throughput of %s is not kept: %s", self.path.name, fault.strerror)

    def read(self, most: int = MOST) -> list[Sample]:
        """The samples, oldest first; of more than `most` neighbours are one, with their mean rate."""
        try:
            lines = self.path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = list(_parsed(lines))
        step = -(-len(found) // most) or 1
        return [_together(found[start : start + step]) for start in range(0, len(found), step)]


def _parsed(lines: Sequence[str]) -> Iterator[Sample]:
    """Those that can be read: a line may have been cut."""
    for line in lines:
        words = line.split(" ")
        try:
            moment, attempt, done, rate = words
            yield Sample(float(moment), int(attempt), int(done), float(rate))
        except ValueError:
            continue


def _together(samples: Sequence[Sample]) -> Sample:
    return samples[-1]._replace(rate=sum(each.rate for each in samples) / len(samples))
