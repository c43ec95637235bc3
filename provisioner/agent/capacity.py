"""Finds a disk that is smaller than it says: it drops what lies behind its end, or begins anew there."""

import os
from collections.abc import Iterator
from contextlib import suppress

from provisioner.agent.block_device import BlockDevice, is_zero
from provisioner.errors import DiskError

AREA = 1 << 20  # bytes at the disk's end that the writer has emptied before, and that are marked
BLOCK = 4096
UNMARKED = 64 << 10  # bytes at the very end that are zeros again afterwards: the backup table will lie there
MOST_LOOKS = 256  # places in the whole disk at which the mark is looked for


class CapacityCheck:
    """Marks the last bytes of a disk, and sees whether they are where they should be and nowhere else.

    A disk of R bytes that says S and begins anew behind R has what is written at S - x also at (S - x) mod R.
    `begin` finds the mark there where it can be looked for: in the emptied head, anywhere in a small disk,
    and in a large one at the sizes that such disks have. `finish` finds all others whose image was written
    over itself. What lies before `image_end` is not marked, for it is the image's.
    """

    def __init__(self, device: BlockDevice, image_end: int, head: int) -> None:
        """All in bytes. Nothing else is written into the first `head` bytes between `begin` and `finish`."""
        self._device = device
        first = max(image_end, device.size - AREA)
        self._begin = min(device.size, -(-first // BLOCK) * BLOCK)
        self._end = max(self._begin, device.size - UNMARKED)  # of what stays marked
        self._mark = os.urandom(32)
        self._head = device.read(0, min(head, self._begin))

    def begin(self) -> None:
        """Mark the end, and look for the mark elsewhere. Raises DiskError (PV-333, PV-316)."""
        device, size = self._device, self._device.size
        if self._begin == size:
            return
        try:
            device.write(self._begin, self._marked(size))
            device.drop_caches()
            self._find()
        except BaseException:
            with suppress(DiskError):  # wherever it came to lie, nothing shall boot by it
                device.zero(self._begin, size - self._begin)
                device.flush()
            raise
        device.zero(self._end, size - self._end)
        device.drop_caches()

    def _find(self) -> None:
        size = self._device.size
        if self._held(self._begin, size) != self._marked(size):
            raise self._smaller("it does not keep what is written at its end")
        self._check_head()
        for place in self._elsewhere():
            if self._is_marked(place):
                raise self._smaller(f"what is written at its end is at byte {place}, too")

    def _is_marked(self, place: int) -> bool:
        try:
            return self._mark in self._held(place, place + BLOCK)
        except DiskError:  # a bad place that nobody may ever need
            return False

    def check(self) -> None:
        """Whether both ends are as they were left. Raises DiskError (PV-333, PV-316)."""
        self._device.drop_caches()
        rest = self._device.read_direct(self._end, self._device.size - self._end)
        if not is_zero(rest) or self._held(self._begin, self._end) != self._marked(self._end):
            raise self._smaller("its end was written over by what lies before it")
        self._check_head()

    def explain(self) -> None:
        """After another fault of the disk: raises DiskError (PV-333) where its size may be why."""
        try:
            self.check()
        except DiskError as fault:
            if fault.code == 333:
                raise

    def finish(self) -> None:
        """`check`, after the last write but those that make it bootable; then the mark goes away."""
        self.check()
        self._device.zero(self._begin, self._end - self._begin)

    def _check_head(self) -> None:
        if self._held(0, len(self._head)) != self._head:
            raise self._smaller("what was written far behind lies at its beginning")

    def _held(self, begin: int, end: int) -> bytes:
        return bytes(self._device.read_direct(begin, end - begin))

    def _marked(self, end: int) -> bytes:
        """The mark again and again, up to `end`."""
        length = end - self._begin
        return (self._mark * -(-length // len(self._mark)))[:length]

    def _elsewhere(self) -> Iterator[int]:
        """Where to look, in bytes: in a small disk so closely that the mark cannot lie between.

        In any: where it would be if the disk had a half, a quarter, an eighth … of what it says, or a power
        of two.
        """
        width = self._device.size - self._begin
        step = max(width // 2, self._begin // MOST_LOOKS, BLOCK) // BLOCK * BLOCK
        yield from range(0, self._begin - BLOCK, step)
        middle = self._begin + width // 2
        real = [self._device.size >> shift for shift in range(1, 8)]
        real += [1 << shift for shift in range(AREA.bit_length() - 1, self._device.size.bit_length())]
        for size in real:
            place = middle % size // BLOCK * BLOCK
            if place + BLOCK <= self._begin:
                yield place

    def _smaller(self, what: str) -> DiskError:
        return DiskError(
            f"{self._device.path.name} is smaller than the {self._device.size} bytes that it says: {what}",
            hint="it is a fake, or broken: replace it, then provision retry",
            code=333,
        )
