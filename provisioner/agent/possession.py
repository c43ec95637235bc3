"""The pack cut into pieces that hosts give each other, and which of them a host holds."""

import base64
import binascii
import threading
from collections.abc import Iterable, Iterator, Sequence

from provisioner.imaging import layout
from provisioner.imaging.manifest import Chunk, Manifest

SMALLEST_PIECE, LARGEST_PIECE = 512 << 10, 4 << 20  # bytes of the pack
MOST_PIECES = 2048  # of an image that is no larger than so many of the largest
MOST_CHUNKS = 64  # of a piece
GAP = 16 << 10  # unwanted bytes of the pack that are read over rather than asked anew


def neighbours(
    manifest: Manifest, numbers: Iterable[int], most: int, most_chunks: int = 1 << 30
) -> Iterator[list[int]]:
    """Chunks, in rising order, in groups of at most `most` bytes of the pack that one request fetches."""
    group: list[int] = []
    begin = end = 0
    for number in numbers:
        chunk = manifest.chunks[number]
        behind = chunk.pack_offset + chunk.pack_length
        is_far = chunk.pack_offset - end > GAP or behind - begin > most
        if group and (is_far or len(group) == most_chunks):
            yield group
            group = []
        if not group:
            begin = chunk.pack_offset
        group.append(number)
        end = behind
    if group:
        yield group


class PieceMap:
    """The pieces of one pack, the same on every host that has its manifest.

    `pieces` are the numbers of each one's chunks, `piece_of` the piece of a chunk. Chunks that are not on
    every disk as the image has them (boot sectors, the seed's partition) or hold no data are in none.
    """

    def __init__(self, manifest: Manifest) -> None:
        numbers = [n for n, chunk in enumerate(manifest.chunks) if _is_shared(manifest, chunk)]
        total = sum(manifest.chunks[number].pack_length for number in numbers)
        most = min(LARGEST_PIECE, max(SMALLEST_PIECE, total // MOST_PIECES))
        self.pieces: tuple[tuple[int, ...], ...] = tuple(
            tuple(group) for group in neighbours(manifest, numbers, most, MOST_CHUNKS)
        )
        self.piece_of = {number: place for place, piece in enumerate(self.pieces) for number in piece}

    def __len__(self) -> int:
        return len(self.pieces)


def _is_shared(manifest: Manifest, chunk: Chunk) -> bool:
    if chunk.kind != "data":
        return False
    seed, esp = manifest.partition("cidata"), manifest.partition("esp").offset
    is_seed = chunk.offset < seed.offset + seed.length and seed.offset < chunk.offset + chunk.length
    return not is_seed and not layout.is_held(chunk.offset, chunk.length, esp, manifest.raw_size)


class Possession:
    """The pieces that lie verified on this host's disk. May be used by several threads at once."""

    def __init__(self, pieces: PieceMap) -> None:
        self._pieces = pieces
        self._lock = threading.Lock()
        self._missing = {place: set(piece) for place, piece in enumerate(pieces.pieces)}
        self._mask = 0

    @property
    def mask(self) -> int:
        """A bit for each piece that is held, the first piece's the lowest."""
        return self._mask

    def add(self, numbers: Iterable[int]) -> None:
        """These chunks are on the disk."""
        with self._lock:
            for number in numbers:
                place = self._pieces.piece_of.get(number, -1)
                missing = self._missing.get(place)
                if missing is None:
                    continue
                missing.discard(number)
                if not missing:
                    del self._missing[place]
                    self._mask |= 1 << place

    def holds(self, numbers: Sequence[int]) -> bool:
        """Whether all of these chunks are on the disk."""
        with self._lock:
            for number in numbers:
                place = self._pieces.piece_of.get(number, -1)
                if place < 0 or number in self._missing.get(place, ()):
                    return False
        return True


def encode(mask: int, count: int) -> str:
    """The mask of `count` pieces in letters."""
    return base64.b64encode(mask.to_bytes(-(-count // 8), "little")).decode()


def decode(text: str, count: int) -> int:
    """The mask of `encode`. Raises ValueError where it is none of so many pieces."""
    try:
        body = base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise ValueError(f"no mask of pieces: {fault}") from fault
    mask = int.from_bytes(body, "little")
    if len(body) != -(-count // 8) or mask >> count:
        raise ValueError(f"a mask of other pieces than these {count}")
    return mask


def places(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
