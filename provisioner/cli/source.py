"""What people give as an image: a raw disk, or a qcow2 that is made raw first; nothing is guessed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.cli.output import info
from provisioner.errors import InputError
from provisioner.golden import qcow2
from provisioner.imaging.source import LARGEST
from provisioner.run import run
from provisioner.system import file_fault
from provisioner.system.text import escape

SUFFIXES = {".raw": "raw", ".img": "raw", ".qcow2": "qcow2"}
FORMATS = ("raw", "qcow2")
LIMIT = 3600.0  # seconds for making a qcow2 raw


def check_file(path: Path) -> None:
    """Raises InputError (PV-320, PV-327) for what is missing, or is a folder, a device or a pipe."""
    if not path.exists():
        raise InputError(f"{path}: no such file", code=320)
    if not path.is_file():
        raise InputError(f"{path} is no regular file", hint="give a finished image", code=327)


def format_of(path: Path, wanted: str) -> str:
    """`raw` or `qcow2`: as `wanted`, else by the file's name; what is inside of it is not asked.

    A format that is guessed from the content lets the content choose (CVE-2024-44082): a raw disk may begin
    like a qcow2 that names any file of this machine. Raises InputError (PV-327).
    """
    form = wanted or SUFFIXES.get(path.suffix.lower(), "")
    if not form:
        raise InputError(
            f"{path.name}: its name does not say what it is",
            hint="give --format raw|qcow2; make others raw first: qemu-img convert -O raw",
            code=327,
        )
    return form


@contextmanager
def as_raw(path: Path, form: str) -> Iterator[Path]:
    """The raw image of these bytes, as long as the block lasts. Raises InputError, FileError (PV-151)."""
    check_file(path)
    if form == "raw":
        yield path
        return
    whole = path.resolve()
    qcow2.check(whole, LARGEST, info)
    with tempfile.TemporaryDirectory(dir=whole.parent, prefix=".raw-") as folder:
        raw = Path(folder) / f"{path.stem}.raw"
        info(f"making {path.name} raw")
        _convert(whole, raw)
        yield raw


def _convert(path: Path, raw: Path) -> None:
    done = run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=False, timeout=LIMIT)
    if done.returncode:
        words = escape(done.stderr.decode(errors="replace").strip()[-200:])
        raise file_fault.no_room(path.parent) or InputError(
            f"{path.name} cannot be read to its end: {words}", hint="take it from its source again", code=327
        )
