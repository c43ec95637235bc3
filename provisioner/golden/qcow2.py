"""Says whether a qcow2 may be believed: it stands alone and is whole (QEMU, docs/interop/qcow2.txt)."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputError
from provisioner.run import find, run
from provisioner.system.text import escape

LIMIT = 3600.0  # seconds for going through the tables of a large one
LEAKS = 3  # exit code of `qemu-img check`: clusters that nothing uses, and no error
_L1_PLACE, _L1 = 36, struct.Struct(">IQ")  # in the header: entries of the first table, and where they lie
_OFFSET = 0x00FFFFFFFFFFFE00  # of an entry: where a table of the second level lies


@dataclass(frozen=True)
class Header:
    """What qemu-img says of it, sizes in bytes; `others` is the file that it reads beside itself."""

    size: int
    cluster: int
    others: str
    is_encrypted: bool
    is_corrupt: bool


def check(path: Path, largest: int, tell: Callable[[str], None]) -> None:
    """Whether the qcow2 at the absolute `path` can be made raw without loss, and is no larger than `largest`.

    An absolute path can be no protocol of qemu's, such as nbd:…. `tell` is given a sentence about clusters
    that are lost in it. Raises InputError (PV-327), ProgramError.
    """
    find("qemu-img", "qemu-utils")
    header = _header(path)
    if header.others:
        raise InputError(
            f"{path.name} does not stand alone: it reads {header.others!r:.100}",
            hint="flatten it where it was made: qemu-img convert -f qcow2 -O qcow2",
            code=327,
        )
    if header.is_encrypted:
        raise InputError(
            f"{path.name} is encrypted", hint="give it without: qemu-img convert where the key is", code=327
        )
    if header.size > largest:
        raise InputError(f"{path.name} holds {header.size} bytes, more than any image ({largest})", code=327)
    if header.is_corrupt:
        raise _damaged(path, "QEMU has marked it as corrupt while it was used")
    _check_tables(path, header, tell)
    _check_end(path, header)


def _header(path: Path) -> Header:
    done = run(["qemu-img", "info", "-f", "qcow2", "--output=json", path], check=False)
    if done.returncode:
        words = escape(done.stderr.decode(errors="replace").strip()[-200:])
        raise InputError(f"{path.name} is no qcow2: {words}", code=327)
    facts = json.loads(done.stdout)
    special = facts.get("format-specific", {}).get("data", {})
    return Header(
        size=int(facts["virtual-size"]),
        cluster=int(facts["cluster-size"]),
        others=str(
            facts.get("backing-filename")
            or facts.get("full-backing-filename")
            or special.get("data-file")
            or ""
        ),
        is_encrypted=bool(facts.get("encrypted") or special.get("encrypt")),
        is_corrupt=bool(special.get("corrupt")),
    )


def _check_tables(path: Path, header: Header, tell: Callable[[str], None]) -> None:
    """qemu-img reads zeros where a broken table leaves a cluster out.

    A leaked cluster is one that a machine lost when its power went, or one whose entry in a table was lost.
    """
    done = run(["qemu-img", "check", "-f", "qcow2", "--output=json", path], check=False, timeout=LIMIT)
    if done.returncode not in (0, LEAKS):
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise _damaged(path, f"qemu-img check says {escape(lines[0] if lines else 'nothing')[:160]!r}")
    if done.returncode == LEAKS:
        leaks = int(json.loads(done.stdout)["leaks"])
        if path.stat().st_size % header.cluster:  # the lost entries lay behind the end
            raise _damaged(path, f"it ends within a cluster, and {leaks} others belong to nothing")
        tell(
            f"{path.name} has {leaks} clusters that belong to nothing (a machine that lost its power leaves "
            "such), which are not packed"
        )


def _check_end(path: Path, header: Header) -> None:
    """What lies behind the file's end reads as zeros: lost data, and tables by which data is not found.

    `qemu-img check` says nothing where tables lie there, or a part of the last cluster.
    """
    done = run(["qemu-img", "map", "-f", "qcow2", "--output=json", path], timeout=LIMIT)
    rows = [row for row in json.loads(done.stdout) if row["data"] and "offset" in row]
    end = max((row["offset"] + row["length"] for row in rows), default=0)
    length = path.stat().st_size
    if (end := max(end, _end_of_tables(path, header.cluster))) > length:
        raise _damaged(path, f"it ends at byte {length}, and what it holds at {end}")


def _end_of_tables(path: Path, cluster: int) -> int:
    """The byte behind the last table that says where data lies, of both levels."""
    with path.open("rb") as file:
        count, begin = _L1.unpack(file.read(_L1_PLACE + _L1.size)[_L1_PLACE:])
        file.seek(begin)
        entries = struct.iter_unpack(">Q", file.read(8 * count).ljust(8 * count, b"\0"))
    seconds = max((entry & _OFFSET for (entry,) in entries), default=0)
    return int(max(begin + 8 * count, seconds + cluster if seconds else 0))


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path.name} is damaged: {why}", hint="take it from its source again", code=327)
