"""The per-file manifest of an image: what every path is, so that two images can be compared file by file."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from provisioner.errors import InputError
from provisioner.system.checksum import sha256

FORMAT = "files/1"
SUFFIX = ".files.jsonl"
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}
BLOCK = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """One path. `owner` is UID:GID, `mtime` seconds, `size` and `sha256` of files only, `target` of links.

    `same` is the first path, in sorted order, of those that are hard links of one file; `device` MAJOR:MINOR.
    """

    path: str
    type: str
    mode: str
    owner: str
    mtime: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    same: str = ""
    device: str = ""
    xattrs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Area:
    """A partition, or what lies outside of all: name, byte length, sha256."""

    name: str
    length: int
    sha256: str


@dataclass(frozen=True)
class FileManifest:
    """All of it: the image's name and digest, its areas, its root's paths in sorted order."""

    image: str
    raw_sha256: str
    areas: tuple[Area, ...]
    entries: tuple[FileEntry, ...]

    def dump(self) -> str:
        """JSON lines: a head, then a line for each path without what is empty."""
        head = {
            "format": FORMAT,
            "image": self.image,
            "raw_sha256": self.raw_sha256,
            "areas": [asdict(area) for area in self.areas],
        }
        lines = [
            head,
            *({k: v for k, v in asdict(entry).items() if v not in ("", {})} for entry in self.entries),
        ]
        return "".join(json.dumps(line, sort_keys=True, ensure_ascii=True) + "\n" for line in lines)


def load(path: Path) -> FileManifest:
    """Read a manifest as `FileManifest.dump` writes it. Raises InputError (PV-663) where it is none."""
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(file.readline())
            if head.get("format") != FORMAT:
                raise ValueError(f"its format is {head.get('format')!r}")
            areas = tuple(Area(**area) for area in head["areas"])
            entries = tuple(FileEntry(**json.loads(line)) for line in file)
            return FileManifest(head["image"], head["raw_sha256"], areas, entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InputError(
            f"{path} is no per-file manifest: {fault}",
            hint=f"a *{SUFFIX} of a build, or a raw image",
            code=663,
        ) from fault


def scan(root: Path) -> tuple[FileEntry, ...]:
    """Every path below `root`, and `.` for itself, sorted by the bytes of their names; files are hashed."""
    first: dict[tuple[int, int], str] = {}
    return tuple(_entry(root, path, first) for path in sorted(_paths(root), key=os.fsencode))


def _paths(root: Path) -> Iterator[str]:
    yield "."
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118  they need not be valid text


def _entry(root: Path, path: str, first: dict[tuple[int, int], str]) -> FileEntry:
    place = os.path.join(root, path)  # noqa: PTH118
    info = os.lstat(place)
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    same = ""
    if kind != "folder" and info.st_nlink > 1:
        same = first.setdefault((info.st_dev, info.st_ino), shown)
    regular = kind == "file"
    return FileEntry(
        path=shown,
        type=kind,
        mode=f"{stat.S_IMODE(info.st_mode):04o}",
        owner=f"{info.st_uid}:{info.st_gid}",
        mtime=int(info.st_mtime),
        size=info.st_size if regular else 0,
        sha256=sha256(Path(place)) if regular else "",
        target=os.readlink(place) if kind == "link" else "",  # noqa: PTH115
        same=same,
        device=f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}" if "device" in kind else "",
        xattrs={name: os.getxattr(place, name, follow_symlinks=False).hex() for name in _xattrs(place)},
    )


def _xattrs(place: str) -> list[str]:
    return sorted(os.listxattr(place, follow_symlinks=False))


def areas(raw: Path, partitions: list[tuple[str, int, int]]) -> tuple[Area, ...]:
    """The digest of each `(name, offset, length)`, then of what no partition covers, as `outside`."""
    digested, outside, place, rest = [], hashlib.sha256(), 0, 0
    size = raw.stat().st_size
    with raw.open("rb") as file:
        for name, offset, length in sorted(partitions, key=lambda part: part[1]):
            outside.update(_read(file.fileno(), place, offset - place))
            rest += offset - place
            digested.append(Area(name, length, _digest(file.fileno(), offset, length)))
            place = offset + length
        outside.update(_read(file.fileno(), place, size - place))
    return (*digested, Area("outside", rest + size - place, outside.hexdigest()))


def _read(descriptor: int, offset: int, length: int) -> bytes:
    return os.pread(descriptor, max(0, length), offset)


def _digest(descriptor: int, offset: int, length: int) -> str:
    whole = hashlib.sha256()
    for place in range(offset, offset + length, BLOCK):
        whole.update(os.pread(descriptor, min(BLOCK, offset + length - place), place))
    return whole.hexdigest()


FIELDS = tuple(entry.name for entry in fields(FileEntry) if entry.name != "path")
