"""What a rehearsal found: stages, hosts, checks, as JSON and as a summary for people."""

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from provisioner import __version__, run
from provisioner.system import outputs
from provisioner.system.units import duration, size

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Check:
    """One thing that had to hold, and what was seen."""

    name: str
    ok: bool
    seen: str


@dataclass(frozen=True)
class StageReport:
    """How long a stage of the deployment took, of its last attempt."""

    name: str
    seconds: float


@dataclass(frozen=True)
class ImageReport:
    """What was deployed: NAME@VERSION, bytes unpacked, their SHA-256, bytes packed."""

    name: str = ""
    raw: int = 0
    sha256: str = ""
    pack: int = 0


@dataclass(frozen=True)
class HostReport:
    """How one host fared; `diagnosis` is empty where all is well."""

    name: str
    mac: str
    firmware: str
    disk: str
    result: str
    diagnosis: str = ""
    seconds: float = 0  # from its turn to its end


@dataclass
class Report:
    """One rehearsal. Seconds are of the wall clock."""

    scenario: str
    firmware: str = "uefi"
    result: str = "failed"
    seconds: float = 0
    stages: list[StageReport] = field(default_factory=list)
    hosts: list[HostReport] = field(default_factory=list)
    image: ImageReport = ImageReport()
    accelerator: str = ""
    checks: list[Check] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    label: str = ""
    kept: str = ""

    @property
    def is_good(self) -> bool:
        """Whether every check holds: that it ended as it must is one of them."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_data(self) -> dict[str, object]:
        """As JSON types, with the fields by their names; no image is an empty object."""
        data = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return data if self.image.name else data | {"image": {}}

    def lines(self) -> list[str]:
        """The summary."""
        total = sum(stage.seconds for stage in self.stages)
        shown = [f"{stage.name} {stage.seconds:.0f}" for stage in self.stages]
        image = self.image
        lines = [
            "",
            f"Rehearsal {self.scenario}: {self.result} after {duration(self.seconds)}"
            f" ({self.firmware}, {self.accelerator})",
            f"  stages   {duration(total)}: {', '.join(shown) or 'none'}",
        ]
        if image.name:
            lines.append(f"  image    {image.name}, {size(image.raw)} → {size(image.pack)}")
        for host in self.hosts:
            about = f"{host.name} {host.mac}, {host.disk}: {host.result} {_one_line(host.diagnosis)}"
            lines.append(f"  host     {about.rstrip()}")
        for check in self.checks:
            lines.append(f"  {'✓' if check.ok else '✗'} {check.name}: {_one_line(check.seen)}".rstrip())
        if self.kept:
            lines.append(f"  evidence {self.kept}")
        return lines


def _one_line(text: str) -> str:
    """What a program printed, or an error of several sentences: a line feed would be shown as `\\x0a`."""
    return "; ".join(filter(None, map(str.strip, text.splitlines())))


def write(path: Path, reports: list[Report], planned: int) -> None:
    """One report as an object; where several are planned, those that there are as a list below `runs`.

    Raises FileError (PV-150, PV-151).
    """
    result = "passed" if len(reports) == planned else "unfinished"
    several = {
        "schema_version": SCHEMA_VERSION,
        "result": result if all(report.is_good for report in reports) else "failed",
        "label": reports[0].label if reports else "",
        "runs": [report.as_data() for report in reports],
    }
    body = reports[0].as_data() if planned == 1 else several
    outputs.write(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def versions() -> dict[str, str]:
    """Of what took part."""
    qemu = run.text(["qemu-system-x86_64", "--version"]).splitlines()[0].split()[3]
    return {
        "provisioner": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "qemu": qemu,
        "ansible-core": version("ansible-core"),
        "pyghmi": version("pyghmi"),
    }
