"""The folders of images: where each lies, what belongs to none, who may change them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import RefusedError

ISO = "installer.iso"


@dataclass(frozen=True)
class Garbage:
    """A file or folder below images/ that belongs to no image: its path there, bytes on the disk, and why."""

    name: str
    size: int
    why: str


def image_folder(state: Path, ident: str) -> Path:
    """Where the files of an image (`vault-os@2026.11.2`) lie, or would."""
    return state / "images" / ident.replace("@", "-")


@contextmanager
def changing(state: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold the catalogue while images are added (shared), or `alone` while files are removed.

    Raises RefusedError (PV-130) where another process does the other.
    """
    folder = os.open(state / "images", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
    except BlockingIOError as fault:
        raise RefusedError(
            "files of the catalogue are being added or removed", hint="try again when that is done"
        ) from fault
    finally:
        os.close(folder)


@contextmanager
def incoming(folder: Path) -> Iterator[Path]:
    """A new folder for an image's files, on the file system of `folder`; it is gone at the block's end."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(work) / "image"
        made.mkdir()
        made.chmod(0o755)  # for nginx; the state folder itself lets nobody in
        yield made


@contextmanager
def in_place(made: Path, folder: Path) -> Iterator[None]:
    """`made` in the place of `folder`; where the block fails, what was there before is there again."""
    before = made.with_name("before")
    if folder.exists():
        folder.rename(before)
    try:
        made.rename(folder)
        yield
    except BaseException:
        if not made.exists():
            folder.rename(made)
        if before.exists():
            before.rename(folder)
        raise


def garbage(state: Path, known: Collection[str]) -> list[Garbage]:
    """What lies in images/ and belongs to no image of the ids `known`, by name; nothing if it is gone."""
    folder = state / "images"
    folders = {image_folder(state, ident).name for ident in known}
    items: list[Garbage] = []
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name not in folders:
            is_whole = any((path / name).exists() for name in ("pack.json", ISO))
            why = "no image of the catalogue" if is_whole else "half of a broken copy"
            items.append(Garbage(path.name, _disk_usage(path), why))
        elif path.is_dir():
            partial = [p for p in sorted(path.iterdir()) if p.name.endswith(".partial")]
            items += [
                Garbage(f"{path.name}/{p.name}", _disk_usage(p), "half of a broken copy") for p in partial
            ]
    return items


def remove_garbage(state: Path, known: Collection[str], names: Collection[str]) -> list[Garbage]:
    """Remove what is both in `names` and garbage now; what was removed."""
    gone = [item for item in garbage(state, known) if item.name in names]
    for item in gone:
        path = state / "images" / item.name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def remove_folder(state: Path, ident: str) -> int:
    """Remove the files of an image that the catalogue no longer has; the bytes that are free now."""
    folder, freed = image_folder(state, ident), used_by(state, ident)
    shutil.rmtree(folder, ignore_errors=True)  # what is left is garbage, which `garbage` lists
    return freed


def used_by(state: Path, ident: str) -> int:
    """The bytes that the files of an image take on the disk; 0 where it has none."""
    folder = image_folder(state, ident)
    return _disk_usage(folder) if folder.exists() else 0


def _disk_usage(path: Path) -> int:
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return sum(item.lstat().st_blocks * 512 for item in inside if not item.is_dir())
