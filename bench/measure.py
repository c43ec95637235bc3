"""Times whole programs, with the processor time of all their children, and keeps each round's figures."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from provisioner import run

LIMIT = 900.0  # seconds for one command


@dataclass
class Measurement:
    """One way of doing a thing, round by round: seconds, processor seconds, and whether it was right."""

    name: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # in words, one for each round that was wrong
    bytes: list[int] = field(default_factory=list)  # on the wire, where that is known

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def summary(self) -> "Summary":
        """Its medians, as the table and the JSON show them."""
        summary: Summary = {
            "name": self.name,
            "seconds": round(self.median, 3),
            "fastest": round(min(self.seconds), 3),
            "slowest": round(max(self.seconds), 3),
            "cpu_seconds": round(statistics.median(self.cpu), 3),
            "rounds": len(self.seconds),
            "result": f"WRONG in {len(self.faults)}: {self.faults[0]}" if self.faults else "verified",
        }
        if self.bytes:
            summary["wire_bytes"] = int(statistics.median(self.bytes))
        return summary


class Summary(TypedDict):
    """A measurement's medians in the JSON; seconds, and bytes where they are known."""

    name: str
    seconds: float
    fastest: float
    slowest: float
    cpu_seconds: float
    rounds: int
    result: str
    wire_bytes: NotRequired[int]


def timed(argv: Sequence[str | Path]) -> tuple[float, float, str]:
    """Run to its end: seconds, processor seconds of it and its children, what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = run.run(argv, timeout=LIMIT)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, (done.stdout + done.stderr).decode(errors="replace")


def alternate(
    ways: Sequence[tuple[str, Sequence[str | Path]]],
    rounds: int,
    *,
    before: Callable[[str], None],
    check: Callable[[str, str], str],
    log: Callable[[str], None],
) -> list[Measurement]:
    """A B A B …: every way once in every round. `check(name, output)` says in words what is wrong."""
    measured = {name: Measurement(name) for name, _ in ways}
    for number in range(rounds):
        for name, argv in ways:
            before(name)
            os.sync()
            seconds, cpu, output = timed(argv)
            measurement = measured[name]
            measurement.seconds.append(seconds)
            measurement.cpu.append(cpu)
            if fault := check(name, output):
                measurement.faults.append(fault)
            words = f"{name} {seconds:.2f} s, cpu {cpu:.2f} s" + (f", {fault}" if fault else "")
            log(f"  round {number + 1}: {words}")
    return list(measured.values())


def shell(line: str) -> list[str]:
    """A pipeline that fails when any part of it does."""
    return ["bash", "-c", f"set -euo pipefail; {line}"]
