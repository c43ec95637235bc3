"""Finds what travels with the program: the data folders, edited copies first."""

from pathlib import Path

from provisioner.errors import ServiceError

FOLDERS = ("pxe", "images", "packer", "ansible", "inventory", "systemd")
EDITED = Path("/etc/provisioner")
_PACKAGE = Path(__file__).resolve().parents[1]


def folder(name: str, *, edited: Path = EDITED) -> Path:
    """`/etc/provisioner/NAME` where it exists, else the wheel's copy, else the checkout's folder.

    `name` is one of FOLDERS. Raises ServiceError: it is in none of these.
    """
    for place in (edited / name, _PACKAGE / "share" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise ServiceError(f"the data folder {name!r} is missing", hint="install the package again")


def file(name: str, path: str, *, edited: Path = EDITED) -> Path:
    """One file of a data folder, `path` within it; an edited copy wins file by file. Raises ServiceError."""
    for place in (edited / name, _PACKAGE / "share" / name, _PACKAGE.parent / name):
        if (place / path).is_file():
            return place / path
    raise ServiceError(f"the file {name}/{path} is missing", hint="install the package again")
