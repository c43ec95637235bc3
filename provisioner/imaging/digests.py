"""What the bytes of an image are known by: SHA-256, which nobody can forge, and XXH3, which costs nothing.

The digest decides what may be written. The checksum, which the same signed manifest carries, is held against
what a disk reads back: there nobody forges, but disks and memory fail.
"""

import hashlib
from collections.abc import Iterable
from functools import cache

ROOT = b"pack/2 root\0"  # no chunk begins like that, so no chunk's digest is an image's root hash

Bytes = bytes | bytearray | memoryview


def digest(data: Bytes) -> str:
    """The SHA-256 of a chunk, hexadecimal (FIPS 180-4)."""
    return hashlib.sha256(data).hexdigest()


def checksum(data: Bytes) -> str:
    """The XXH3 of a chunk, 128 bits, hexadecimal, in the canonical order of its specification."""
    import xxhash  # here: what only names an image's files, as a finished cube does, has no use for it

    return xxhash.xxh3_128_hexdigest(data)


@cache
def digest_of_zeros(length: int) -> str:
    """The digest of `length` zero bytes."""
    return digest(bytes(length))


def root_hash(raw_size: int, chunk_size: int, digests: Iterable[str]) -> str:
    """What the whole image is known by, hexadecimal: a SHA-256 of its chunks' digests in order.

    `raw_size` and `chunk_size` in bytes; they are hashed first, as eight bytes each, big-endian.
    """
    whole = hashlib.sha256(ROOT + raw_size.to_bytes(8) + chunk_size.to_bytes(8))
    whole.update(bytes.fromhex("".join(digests)))
    return whole.hexdigest()
