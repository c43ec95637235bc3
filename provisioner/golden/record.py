"""What went into a build and what came of it: the record beside the image, and a line in the journal."""

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import median

from provisioner.errors import InputError, ProgramError
from provisioner.golden import product
from provisioner.run import run
from provisioner.system import file_fault, outputs, shipped
from provisioner.system.checksum import sha256

SCHEMA_VERSION = 1
SUFFIX = ".build.json"
JOURNAL = "builds.jsonl"
CHECKSUMS = "checksums.json"
SOURCES = ("packer", "ansible", "images")
NOT_SOURCES = frozenset({CHECKSUMS, "ramdisk", "README.md", "__pycache__"})
# what shapes the bytes of an image, and how each says its version
TOOLS = {
    "packer": ("packer", "version"),
    "qemu-img": ("qemu-img", "--version"),
    "mke2fs": ("mke2fs", "-V"),
    "grub-mkimage": ("grub-mkimage", "--version"),
    "mkfs.vfat": ("mkfs.vfat", "--help"),
    "sfdisk": ("sfdisk", "--version"),
}
LIBRARIES = ("ansible-core", "zstandard")


def inputs(given: dict[str, Path], variables: Mapping[str, object]) -> dict[str, str]:
    """What the image depends on: name → sha256 of each source file, of what was given, of the variables.

    `product` is what of this program itself is in the image, wherever in the tree that lies. Given are the
    ISO or base image, and the mirror's keyring, which is in the image.
    """
    digests = {}
    for name in SOURCES:
        folder = shipped.folder(name)
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if path.is_file() and not NOT_SOURCES & set(inner.parts):
                digests[f"{name}/{inner}"] = sha256(path)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digests[f"golden/{path.name}"] = sha256(path)
    digests["product"] = hashlib.sha256(product.build()).hexdigest()
    digests |= {name: sha256(path) for name, path in given.items() if path.is_file()}
    digests["variables"] = hashlib.sha256(json.dumps(variables, sort_keys=True).encode()).hexdigest()
    return digests


def key(digests: dict[str, str]) -> str:
    """One digest of all inputs: two builds with the same key must give the same image."""
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def tools() -> dict[str, str]:
    """The versions of the programs that shape the bytes; `missing` where one is not installed."""
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}
    for name, argv in TOOLS.items():
        try:
            done = run(list(argv), check=False, timeout=60)
        except ProgramError:
            versions[name] = "missing"
            continue
        lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        versions[name] = lines[0] if lines else "silent"
    return versions


@dataclass(frozen=True)
class JournalEntry:
    """One build in the journal; seconds, bytes. `result` is built or failed."""

    started: float
    seconds: float
    result: str
    image: str
    builder: str
    raw_sha256: str = ""
    raw_bytes: int = 0
    pack_bytes: int = 0
    download_seconds: float = 0.0
    inputs: str = ""
    commit: str = ""
    error: str = ""


def append(folder: Path, line: JournalEntry) -> None:
    """Append a build, failed or not, to the folder's journal, an object a line: whole, or not at all.

    Raises FileError (PV-150, PV-151).
    """
    path = folder / JOURNAL
    try:
        folder.mkdir(parents=True, exist_ok=True)
        alone = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise file_fault.explained(fault, folder) from fault
    try:
        fcntl.flock(alone, fcntl.LOCK_EX)  # two builds may share a cache
        before = path.read_bytes() if path.is_file() else b""
        outputs.write(path, before + json.dumps(asdict(line), sort_keys=True).encode() + b"\n")
    finally:
        os.close(alone)


def journal(folder: Path) -> list[JournalEntry]:
    """All builds, oldest first. Raises InputError naming a line that is damaged."""
    path = folder / JOURNAL
    if not path.is_file():
        return []
    entries = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entries.append(JournalEntry(**json.loads(text)))
        except (ValueError, TypeError) as fault:
            raise InputError(f"{path}: line {number} is damaged: {fault}", code=663) from fault
    return entries


@dataclass(frozen=True)
class Objective:
    """A measure against the limit that the product has set; `met` is None where nothing was measured."""

    name: str
    value: float | None
    limit: float
    unit: str
    met: bool | None


def targets(lines: list[JournalEntry]) -> list[Objective]:
    """Success rate of all builds, medians of those that were built, against their limits."""
    built = [line for line in lines if line.result == "built"]
    rate = 100 * len(built) / len(lines) if lines else None
    of = {
        "duration, median": (_median([line.seconds for line in built], 60), 45.0, "min"),
        "image size, median": (_median([line.raw_bytes for line in built], 1e9), 50.0, "GB"),
        "download at 1 Gbit/s, median": (_median([line.download_seconds for line in built], 60), 10.0, "min"),
    }
    first = Objective("success rate", rate, 95.0, "%", None if rate is None else rate > 95)
    return [
        first,
        *(
            Objective(name, value, limit, unit, None if value is None else value < limit)
            for name, (value, limit, unit) in of.items()
        ),
    ]


def _median(values: list[float] | list[int], divisor: float) -> float | None:
    return median(values) / divisor if values else None


@dataclass(frozen=True)
class Statistics:
    """What the normalise step has counted; sizes in bytes, as `artefacts.Sizes` and `tree.RebuiltRoot`."""

    raw_bytes: int
    pack_bytes: int
    download_seconds_at_1_gbit: float
    scrubbed: Mapping[str, int]
    bytecode: int
    content: int
    root_size: int
    signed_loaders: bool
    files: int
    packages: int
    normalise_seconds: float


@dataclass(frozen=True)
class BuildRecord:
    """`NAME-VERSION.build.json` beside an image: what it was made from, with what, and its digests."""

    image: str  # NAME@VERSION
    builder: str
    raw_sha256: str
    artefacts: Mapping[str, str]  # file name → SHA-256
    variables: Mapping[str, object]  # of the template, that shape the image
    inputs: Mapping[str, str]  # as `inputs` gives them
    inputs_key: str
    tools: Mapping[str, str]  # program or library → version
    statistics: Statistics
    result: str = "built"

    def write(self, path: Path) -> None:
        """As JSON, the statistics' keys beside the others."""
        body = asdict(self)
        body |= body.pop("statistics")
        text = json.dumps({"schema_version": SCHEMA_VERSION, **body}, indent=1, sort_keys=True)
        path.write_text(text + "\n")


def known(path: Path, inputs_key: str) -> str:
    """The image's sha256 that was recorded for the same inputs; empty for none."""
    entries = json.loads(path.read_text()) if path.is_file() else {}
    return str(entries.get(inputs_key, {}).get("raw_sha256", ""))


def remember(path: Path, inputs_key: str, raw_sha256: str, image: str) -> None:
    """Record the image's sha256 for its inputs, in place of earlier ones: older commits have them.

    Raises FileError (PV-150, PV-151); then the file is as before.
    """
    entries = json.loads(path.read_text()) if path.is_file() else {}
    entries = {key: entry for key, entry in entries.items() if entry["image"] != image}
    entries[inputs_key] = {"image": image, "raw_sha256": raw_sha256}
    outputs.write(path, json.dumps(entries, indent=1, sort_keys=True) + "\n")
