"""Tells what happened to a deployment, stage by stage, from its events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from provisioner.domain.lifecycle import STAGES, following
from provisioner.domain.stage import RESTING, Stage
from provisioner.system.units import duration, size

Data = dict[str, Any]
SHOWN: tuple[Stage, ...] = tuple(row.stage for row in STAGES if row.stage != Stage.QUEUED)


@dataclass
class StageRecord:
    """One stage: when it began and ended (seconds since 1970; 0 while it has not), and what is known."""

    stage: Stage
    began: float = 0
    ended: float = 0
    note: str = ""

    def seconds(self, now: float) -> float:
        """How long it took, or takes so far."""
        return max(0.0, (self.ended or now) - self.began) if self.began else 0.0


class Timeline:
    """The events so far, read once each in their order."""

    def __init__(self) -> None:
        self.stage = Stage.QUEUED
        self.chapters: dict[Stage, StageRecord] = {stage: StageRecord(stage) for stage in SHOWN}
        self.attempt = 0
        self.began = 0.0
        self.ended = 0.0
        self.progress: Data = {}
        self.checks = 0  # of the verification, so far

    def add(self, event: Data) -> str:
        """Take one event (as the API gives it); its sentence."""
        kind, when, data = event["kind"], float(event["time"]), event["data"]
        self.attempt = max(self.attempt, int(event["attempt"]))
        self.began = self.began or when
        after = following(self.stage, kind) or self.stage
        sentence = tell(kind, data)
        if kind in PROGRESS:
            self.progress = data
        self.checks += kind == "verify.task"
        # what a stage waited for is said of that stage, what begins another is said of the other
        told = self.stage if kind in CLOSING or after == self.stage or after in RESTING else after
        if after != self.stage:
            self._turn(after, when)
        if kind in NOTED and (chapter := self.chapters.get(told)):
            chapter.note = f"{self.checks} checks: {sentence}" if kind == "verify.passed" else sentence
        self.stage = after
        return sentence

    def _turn(self, after: Stage, when: float) -> None:
        if old := self.chapters.get(self.stage):
            old.ended = when
        if after in RESTING:
            self.ended = when
        elif new := self.chapters.get(after):
            if new.began:  # another attempt: it and what follows begins again
                for stage in SHOWN[SHOWN.index(after) :]:
                    self.chapters[stage] = StageRecord(stage)
            self.chapters[after].began = when

    def seconds(self) -> list[tuple[str, float]]:
        """Each stage's seconds, of the last attempt."""
        return [(c.stage.value, round(c.seconds(c.ended), 1)) for c in self.chapters.values() if c.began]


def read(events: Iterable[Data]) -> Timeline:
    """The story of these events."""
    story = Timeline()
    for event in events:
        story.add(event)
    return story


def describe_progress(data: Data) -> str:
    """`writing 41 %, 290.1 MB of 712.0 MB, 12.3 MB/s, 34 s left`."""
    done, total, rate = data.get("done", 0), data.get("total", 0), data.get("rate", 0)
    parts = [str(data.get("phase", "writing"))]
    if total > 1:
        parts[0] += f" {100 * done // total} %"
        parts.append(f"{size(done)} of {size(total)}")
    if rate:
        parts.append(f"{size(rate)}/s")
        if total > done:
            parts.append(f"{duration((total - done) / rate)} left")
    if data.get("note"):
        parts.append(str(data["note"]))
    return ", ".join(parts)


def tell(kind: str, data: Data) -> str:
    """One event as a sentence."""
    told = SENTENCES.get(kind)
    return told(data) if told else kind


def _powered(data: Data) -> str:
    boot = f"boot device {data.get('boot', '?')}" + (" (read back)" if data.get("confirmed") else "")
    note = f"; {data['note']}" if data.get("note") else ""
    return f"{boot}, power {data.get('act', 'on')}{note}"


def _written(data: Data) -> str:
    took = f" in {duration(data['seconds'])}" if data.get("seconds") else ""
    return f"written, verified and read back{took}: {_disk(data.get('disk', {}))}{_bytes(data)}"


def _bytes(data: Data) -> str:
    """`, 12.6 MB fetched, 31.5 MB written, 648.0 MB were right already`."""
    if "bytes_fetched" not in data:
        return ""
    saved = data.get("bytes_saved", 0)
    words = [f"{size(data['bytes_fetched'])} fetched", f"{size(data.get('bytes_written', 0))} written"]
    return ", ".join(["", *words, *([f"{size(saved)} were right already"] if saved else [])])


def _disk(disk: Data) -> str:
    return f"{disk.get('name', '?')} {disk.get('serial', '')}".rstrip()


def _task(data: Data) -> str:
    return str(data.get("sentence") or f"{data.get('task', '?')}: {data.get('result', '?')}")


def _why(data: Data) -> str:
    return str(data.get("sentence") or data.get("reason") or "no reason was given")


SENTENCES: dict[str, Callable[[Data], str]] = {
    "order.armed": lambda d: f"armed by {d.get('by', '?')}: {d.get('image', '?')}",
    "slot.given": lambda d: "its turn has come",
    "run.stopped": _why,
    "power.began": lambda d: "telling the BMC: boot from the network, power on",
    "power.asked": lambda d: str(d.get("note") or "press the power button"),
    "power.on": _powered,
    "power.failed": _why,
    "dhcp.seen": lambda d: f"first network packet, it gets {d.get('address', '?')}",
    "script.served": lambda d: f"iPXE has its script, loading the {d.get('boots', 'ramdisk')}",
    "agent.hello": lambda d: "the agent in the ramdisk says hello",
    "agent.progress": describe_progress,
    "agent.silent": lambda d: (
        f"no word from the {d.get('who', 'agent')} for {duration(d.get('seconds', 0))}: powering it again"
    ),
    "netboot.again": lambda d: "it booted from the network in the middle of writing: powering it again",
    "agent.written": _written,
    "agent.failed": _why,
    "seed.served": lambda d: "the installer has read its seed",
    "installer.began": lambda d: "the installer reports, its seed is closed now",
    "installer.disk": lambda d: f"the installer may erase {_disk(d.get('disk', {}))}",
    "installer.progress": describe_progress,
    "installer.done": lambda d: "the installer has finished and reboots",
    "installer.failed": _why,
    "disk.chosen": lambda d: str(d.get("note") or "boot device disk (read back)"),
    "agent.rebooting": lambda d: "the agent reboots into the disk",
    "os.phoned": lambda d: f"the system on the disk reports {d.get('image_id')}@{d.get('image_version')}",
    "os.wrong": _why,
    "verify.task": _task,
    "verify.unreachable": lambda d: f"not reachable by SSH yet: {d.get('sentence', '')}",
    "verify.passed": lambda d: "the host is what its profile says",
    "verify.rejected": _why,
    "verify.failed": _why,
    "seal.task": _task,
    "seal.done": lambda d: (
        "sealed" if d.get("mode") == "full" else "sealed, our key stays as the profile says"
    ),
    "seal.failed": _why,
    "console.lost": lambda d: f"the serial console is not recorded for now: {_why(d)}",
    "clock.gap": lambda d: f"nobody watched for {duration(d.get('seconds', 0))}: deadlines moved",
    "stage.held": lambda d: f"stopped after {d.get('stage')}, as ordered",
    "deadline.passed": _why,
    "order.cancelled": lambda d: f"cancelled by {d.get('by', '?')}",
}
NOTED = frozenset(SENTENCES) - {"console.lost", "clock.gap", "slot.given", "power.began"}
PROGRESS = frozenset({"agent.progress", "installer.progress"})
CLOSING = frozenset(
    {"agent.hello", "agent.written", "os.phoned", "verify.passed", "seal.done"}
    | {"installer.began", "installer.done"}
)
