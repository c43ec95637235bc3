"""Holds a disk against a manifest while what was found to be wrong is fetched and written already."""

import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from provisioner.agent.block_device import BlockDevice
from provisioner.agent.read_back import THREADS, is_right
from provisioner.imaging.manifest import Manifest

Tell = Callable[[int, int], None]


class Comparison:
    """As long as the block lasts, threads look at these chunks. `tell(seen, total)`, in bytes, may raise."""

    def __init__(
        self,
        device: BlockDevice,
        manifest: Manifest,
        numbers: Sequence[int],
        tell: Callable[[int, int], None],
    ) -> None:
        self._device, self._chunks, self._tell = device, manifest.chunks, tell
        self._places = iter(numbers)
        self._total = sum(self._chunks[number].length for number in numbers)
        self._seen = 0
        self._changed = threading.Condition()
        self._new: list[int] = []  # wrong, and in no batch yet
        self._fault: BaseException | None = None
        self._threads = [threading.Thread(target=self._look, name="compare") for _ in range(THREADS)]
        self._at_work = len(self._threads)
        self.wrong: set[int] = set()  # what the disk does not hold, as far as it is known

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._places = iter(())  # each thread ends at its next chunk
        for thread in self._threads:
            thread.join()

    def batches(self, enough: int) -> Iterator[list[int]]:
        """What is wrong, in rising order, at least `enough` bytes at a time; all was looked at when it ends.

        Raises DiskError, and what `tell` raises.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._fault or not self._at_work or self._is_due(enough))
                if self._fault:
                    raise self._fault
                batch, self._new = sorted(self._new), []
                has_ended = not self._at_work
            if batch:
                yield batch
            if has_ended:
                return

    def _is_due(self, enough: int) -> bool:
        return sum(self._chunks[number].length for number in self._new) >= enough

    def _look(self) -> None:
        try:
            while (number := self._next()) is not None:
                self._judge(number, is_same=is_right(self._device, self._chunks[number]))
        except BaseException as fault:
            with self._changed:
                self._fault = self._fault or fault
                self._places = iter(())
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            return next(self._places, None)

    def _judge(self, number: int, *, is_same: bool) -> None:
        with self._changed:
            if not is_same:
                self.wrong.add(number)
                self._new.append(number)
                self._changed.notify_all()
            self._seen += self._chunks[number].length
            self._tell(self._seen, self._total)
