"""Initramfs archives: a tree of files becomes the same compressed cpio every time, and is read back."""

import stat
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

ALIGNMENT = 512  # the kernel wants 4 between concatenated segments; 512 is what cpio tools write
LEVEL = 19  # its window of 8 MiB stays below the 128 MiB that the kernel accepts
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Node:
    """An entry of a newc archive."""

    mode: int  # type and permissions, as in stat(2)
    data: bytes = b""  # a file's content, a link's target
    device: tuple[int, int] = (0, 0)  # major, minor of a device node


Tree = dict[str, Node]  # path without a leading slash → entry


def folder() -> Node:
    """A folder, mode 0755."""
    return Node(stat.S_IFDIR | 0o755)


def file(data: bytes, *, program: bool = False) -> Node:
    """A file; permissions are ours alone, never those of the machine that builds."""
    return Node(stat.S_IFREG | (0o755 if program else 0o644), data)


def link(target: str) -> Node:
    """A symbolic link to `target`."""
    return Node(stat.S_IFLNK | 0o777, target.encode())


def device(major: int, minor: int) -> Node:
    """A character device, mode 0600, by its numbers."""
    return Node(stat.S_IFCHR | 0o600, b"", (major, minor))


def read_tree(root: Path, *, below: str = "") -> Tree:
    """All that lies under `root`, as it would appear under `below`; links are kept, owners are dropped."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(Path(below, path.relative_to(root)))
        if path.is_symlink():
            tree[name] = link(str(path.readlink()))
        elif path.is_dir():
            tree[name] = folder()
        elif path.is_file():
            tree[name] = file(path.read_bytes(), program=bool(path.stat().st_mode & 0o100))
    return tree


def with_parents(tree: Mapping[str, Node]) -> Tree:
    """The tree and every folder above its entries, sorted so that a folder precedes what it holds."""
    parents = {str(parent): folder() for name in tree for parent in Path(name).parents if str(parent) != "."}
    return dict(sorted({**parents, **tree}.items()))


def archive(tree: Mapping[str, Node]) -> bytes:
    """The tree as an uncompressed `newc` archive (Linux Documentation/driver-api/early-userspace)."""
    out = bytearray()
    for number, (name, node) in enumerate(with_parents(tree).items(), start=1):
        out += _entry(number, name, node)
    out += _entry(0, TRAILER, Node(0))
    return _padded(bytes(out), ALIGNMENT)


def segment(tree: Mapping[str, Node]) -> bytes:
    """A compressed archive; segments may be joined, and what a later one holds replaces the earlier."""
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(archive(tree))
    return _padded(packed, ALIGNMENT)


def _entry(number: int, name: str, node: Node) -> bytes:
    links = 2 if stat.S_ISDIR(node.mode) else 1
    fields = (
        *(number, node.mode, 0, 0, links, 0, len(node.data), 0, 0),
        *(*node.device, len(name.encode()) + 1, 0),
    )
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0"
    return _padded(head, 4) + _padded(node.data, 4)


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)


def entries(data: bytes) -> Iterator[tuple[str, Node]]:
    """What joined segments hold, in order, as the kernel would unpack it.

    Raises:
        ValueError: neither zeros, nor a `newc` archive, nor a zstd frame at that place.
    """
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
        elif data[at : at + 6] == b"070701" and at % 4 == 0:
            at = yield from _unpack(data, at)
        elif data[at : at + 4] == b"\x28\xb5\x2f\xfd":
            frame = zstandard.ZstdDecompressor().decompressobj()
            yield from entries(frame.decompress(data[at:]))
            at = len(data) - len(frame.unused_data)
        else:
            raise ValueError(f"byte {at}: no archive starts here ({data[at : at + 6]!r})")


def _unpack(data: bytes, at: int) -> Generator[tuple[str, Node], None, int]:
    while True:
        number = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, device_number, name_size = number[1], number[6], (number[9], number[10]), number[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        start = at + 110 + name_size + -(at + 110 + name_size) % 4
        at = start + size + -size % 4
        if name == TRAILER:
            return at
        yield name, Node(mode, data[start : start + size], device_number)
