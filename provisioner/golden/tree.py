"""Turns a configured machine's root into the golden image's, in a mount namespace: copy, scrub, remake."""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from provisioner.errors import ProgramError, ProvisionError
from provisioner.golden import accounts, boot, bytecode, filesystem, namespace, scrub
from provisioner.run import run

BLOCK = 4096
MIB = 1 << 20
INODE_RATIO = 16384  # bytes of a file system for each of its inodes, mke2fs.conf(5)
SPARE = 128 * MIB  # journal, tables, and room for the first boot until the host has grown the root
STEP = 64 * MIB
NOT_COPIED = frozenset({"dev", "proc", "sys", "run", "lost+found"})  # the kernel fills them, or mke2fs
SECRET_PLACES = ("etc", "root", "home", "opt", "srv", "var")
SECRET_SIZE = 64 << 10
SECRET = b"PRIVATE KEY-----"
JSON_SECRET = re.compile(
    rb'"kty"\s*:.*"d"\s*:|"d"\s*:.*"kty"\s*:', re.DOTALL
)  # a JWK's private part, RFC 7518


@dataclass(frozen=True)
class RebuildRequest:
    """Which disk's root is rebuilt into which file; paths as texts, so that it travels as JSON."""

    raw: str
    offset: int  # bytes, of its root
    out: str
    ids: boot.FilesystemIds
    epoch: int
    user: str
    rules: str

    def dump(self) -> str:
        """JSON, as the process in the namespace gets it."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """A request from what `dump` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "ids": boot.FilesystemIds(**fields["ids"])})


@dataclass(frozen=True)
class RebuiltRoot:
    """What was done: paths removed by each scrub pattern, byte-code files dated anew, sizes in bytes."""

    scrubbed: dict[str, int]
    bytecode: int
    content: int
    root_size: int


def main(request: RebuildRequest) -> RebuiltRoot:
    """Make `request.out`. Raises ProvisionError: a private key is left (PV-662), or there is no kernel."""
    out = Path(request.out)
    with namespace.filesystem(Path(request.raw), request.offset) as source:
        content = measure(source)
        with namespace.scratch(out.parent, content) as root:
            _copy(source, root)
            removed = scrub.apply(root, scrub.rules(Path(request.rules).read_text()))
            accounts.remove(root, request.user)
            accounts.forget_name(root)
            accounts.date(root, request.epoch)
            refuse_secrets(root)
            boot.write(root, request.ids)
            redated = bytecode.redate(root, request.epoch)
            filesystem.clamp(root, request.epoch)
            size = room(root)
            filesystem.make(root, out, request.ids.root, size, request.epoch)
    return RebuiltRoot(removed, redated, content, size)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118  a hundred thousand of them
            yield path, os.lstat(path)


def measure(root: Path) -> int:
    """Bytes that the tree's files take in whole blocks; a hard link counts once."""
    seen, total = set(), 0
    for _, info in _walk(root):
        if (info.st_dev, info.st_ino) not in seen:
            seen.add((info.st_dev, info.st_ino))
            size = info.st_size if stat.S_ISREG(info.st_mode) else BLOCK
            total += -(-size // BLOCK) * BLOCK
    return total


def room(root: Path) -> int:
    """Bytes of the file system for a tree: depends on its content alone."""
    entries = sum(1 for _ in _walk(root))
    wanted = max(measure(root) * 11 // 10, entries * INODE_RATIO * 6 // 5) + SPARE
    return -(-wanted // STEP) * STEP


def _copy(source: Path, target: Path) -> None:
    """All but what the kernel mounts over: owners, modes, extended attributes, hard links, holes."""
    names = sorted(path.name for path in source.iterdir())
    copied = [source / name for name in names if name not in NOT_COPIED]
    try:
        run(["cp", "--archive", "--", *copied, f"{target}/"], timeout=namespace.TIME_LIMIT)
    except ProgramError as fault:
        if "special file" in str(fault):
            fault.hint = (
                "a device node outside /dev can be copied by root only; better take it out of the image"
            )
        raise
    for name in sorted(NOT_COPIED & set(names) - {"lost+found"}):
        (target / name).mkdir()
        (target / name).chmod(stat.S_IMODE((source / name).stat().st_mode))


def refuse_secrets(root: Path) -> None:
    """Raise ProvisionError naming every private key that the scrub list has left."""
    secrets = [
        path.removeprefix(f"{root}/")
        for place in SECRET_PLACES
        for path, info in _walk(root / place)
        if stat.S_ISREG(info.st_mode) and 0 < info.st_size <= SECRET_SIZE and _holds_secret(path)
    ]
    if secrets:
        raise ProvisionError(
            f"private keys would be in every host: {', '.join(sorted(secrets)[:5])}",
            hint="remove them in the role that made them, or name them in packer/scrub",
            code=662,
        )


def _holds_secret(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(4096)
    return SECRET in head or bool(JSON_SECRET.search(head))


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(main(RebuildRequest.load(sys.argv[1])))))
    except ProvisionError as fault:
        sys.exit(f"{fault}\n{fault.hint}")
