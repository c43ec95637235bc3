"""Removes the build user and machine from an image's tree, and the day on which passwords were set."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

DAY = 86400
Fields: TypeAlias = list[str]
# file → the fields, counted from 0, that list names of users, separated by commas
TABLES = {
    "etc/passwd": (),
    "etc/shadow": (),
    "etc/subuid": (),
    "etc/subgid": (),
    "etc/group": (3,),
    "etc/gshadow": (2, 3),
}


def remove(root: Path, user: str) -> None:
    """Take the user, the group of the same name, and the home out of the tree, where they are there."""
    if not user:
        return
    for name, lists in TABLES.items():
        _rewrite(root / name, partial(_without, user, lists))
    home = root / "home" / user
    if home.is_dir() and not home.is_symlink():
        shutil.rmtree(home)


def forget_name(root: Path) -> None:
    """Take the build machine's own name (127.0.1.1) out of etc/hosts."""

    def unnamed(fields: Fields) -> Fields:
        return [] if fields[0].split()[:1] == ["127.0.1.1"] else fields

    _rewrite(root / "etc/hosts", unnamed)


def date(root: Path, epoch: int) -> None:
    """Set the day of each password's last change to that of `epoch`, in seconds."""

    def dated(fields: Fields) -> Fields:
        return [*fields[:2], str(epoch // DAY), *fields[3:]] if len(fields) > 2 and fields[2] else fields

    _rewrite(root / "etc/shadow", dated)


def _without(user: str, lists: tuple[int, ...], fields: Fields) -> Fields:
    if fields[0] == user:
        return []
    for number in lists:
        if number < len(fields):
            fields[number] = ",".join(name for name in fields[number].split(",") if name != user)
    return fields


def _rewrite(path: Path, change: Callable[[Fields], Fields]) -> None:
    if path.is_symlink() or not path.is_file():
        return
    lines = [
        ":".join(fields) for line in path.read_text().splitlines() if (fields := change(line.split(":")))
    ]
    path.write_text("".join(f"{line}\n" for line in lines))  # in place: owner and mode stay
