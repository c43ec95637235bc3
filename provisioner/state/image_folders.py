"""The folders of images: where each lies, what belongs to none, who may change them."""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import RefusedError

ISO = "installer.iso"


def image_folder(state: Path, ident: str) -> Path:
    return state / "images" / ident.replace("@", "-")


@contextmanager
def changing(state: Path, *, alone: bool = False) -> Iterator[None]:
    """While images are added; `alone` while files are removed. Raises RefusedError."""
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


def garbage(state: Path, known: Collection[str]) -> list[dict[str, str | int]]:
    """What lies in images/ and belongs to no image of the ids `known`: `name`, `size` in bytes, `why`."""
    folders = {image_folder(state, ident).name for ident in known}
    found: list[dict[str, str | int]] = []
    for path in sorted((state / "images").iterdir()):
        if path.name not in folders:
            is_whole = any((path / name).exists() for name in ("pack.json", ISO))
            why = "no image of the catalogue" if is_whole else "half of a broken copy"
            found.append({"name": path.name, "size": disk_usage(path), "why": why})
        elif path.is_dir():
            partial = [p for p in sorted(path.iterdir()) if p.name.endswith(".partial")]
            rows = ((f"{path.name}/{p.name}", disk_usage(p)) for p in partial)
            found += [{"name": name, "size": size, "why": "half of a broken copy"} for name, size in rows]
    return found


def remove_garbage(state: Path, known: Collection[str], names: Collection[str]) -> list[dict[str, str | int]]:
    """Remove what is both in `names` and garbage now; what was removed."""
    gone = [row for row in garbage(state, known) if row["name"] in names]
    for row in gone:
        path = state / "images" / str(row["name"])
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def disk_usage(path: Path) -> int:
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return sum(item.lstat().st_blocks * 512 for item in inside if not item.is_dir())
