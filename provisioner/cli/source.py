"""What people give as an image: a raw disk, or a qcow2 that is made raw first; nothing is guessed."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.cli.output import info
from provisioner.errors import InputError
from provisioner.imaging.source import LARGEST
from provisioner.run import run

SUFFIXES = {".raw": "raw", ".img": "raw", ".qcow2": "qcow2"}
FORMATS = ("raw", "qcow2")
LIMIT = 3600.0  # seconds for making a qcow2 raw


def format_of(path: Path, wanted: str) -> str:
    """`raw` or `qcow2`: as `wanted`, else by the file's name; what is inside of it is not asked.

    A format that is guessed from the content lets the content choose (CVE-2024-44082): a raw disk may begin
    like a qcow2 that names any file of this machine. Raises InputError (PV-327).
    """
    form = wanted or SUFFIXES.get(path.suffix.lower(), "")
    if not form:
        raise InputError(
            f"{path.name}: its name does not say what it is", hint="give --format raw|qcow2", code=327
        )
    return form


@contextmanager
def as_raw(path: Path, form: str) -> Iterator[Path]:
    """The raw image of these bytes, as long as the block lasts. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", code=320)
    if form == "raw":
        yield path
        return
    whole = path.resolve()  # an absolute path can be no protocol of qemu's, such as nbd:…
    _check_qcow2(whole)
    with tempfile.TemporaryDirectory(dir=whole.parent, prefix=".raw-") as folder:
        raw = Path(folder) / f"{path.stem}.raw"
        info(f"making {path.name} raw")
        run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", whole, raw], timeout=LIMIT)
        yield raw


def _check_qcow2(path: Path) -> None:
    """It must stand alone: no backing file, no data file, not encrypted, not larger than any image."""
    done = run(["qemu-img", "info", "-f", "qcow2", "--output=json", path], check=False)
    if done.returncode:
        raise InputError(
            f"{path.name} is no qcow2: {done.stderr.decode(errors='replace').strip()[-200:]}", code=327
        )
    facts = json.loads(done.stdout)
    special = facts.get("format-specific", {}).get("data", {})
    others = facts.get("backing-filename") or facts.get("full-backing-filename") or special.get("data-file")
    if others:
        raise InputError(
            f"{path.name} does not stand alone: it reads {others!r:.100}",
            hint="flatten it where it was made: qemu-img convert -f qcow2 -O qcow2",
            code=327,
        )
    if facts.get("encrypted") or int(facts["virtual-size"]) > LARGEST:
        raise InputError(f"{path.name} is encrypted, or larger than any image", code=327)
