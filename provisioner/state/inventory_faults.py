"""What is wrong with an inventory: every fault with its file and line, all of them in one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provisioner.errors import InventoryError, raise_together


@dataclass(frozen=True, order=True)
class Place:
    """A line (from 1; 0: none of them) of a file, which has the name that sentences call it."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}" if self.line else self.file


class PlacedError(InventoryError):
    """One fault. `subject` is the host or profile that it is about; empty where the line says it all.

    `is_read`: what it is about was read all the same, so nothing is missing because of it.
    """

    def __init__(
        self, place: Place, sentence: str, *, hint: str = "", subject: str = "", is_read: bool = False
    ) -> None:
        super().__init__(": ".join(filter(None, (str(place), subject, sentence))), hint=hint)
        self.place = place
        self.subject = subject
        self.sentence = sentence
        self.is_read = is_read


class Faults:
    """Gathers faults, so that people can mend all of them at once."""

    def __init__(self) -> None:
        self._found: list[PlacedError] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """A fault that is raised inside is kept, and what comes behind goes on."""
        try:
            yield
        except PlacedError as fault:
            self.add(fault)

    def add(self, fault: PlacedError) -> None:
        """Keep a fault."""
        self._found.append(fault)

    def leave_all_read(self) -> bool:
        """Whether everything could be read, so that what is not there is missing."""
        return all(fault.is_read for fault in self._found)

    def end(self) -> None:
        """Raise the first fault, in the order of files and lines, with all others behind it (`also`).

        Hosts of one range or group have a fault of its line together: it is told once.
        """
        alike: dict[tuple[Place, str, str], list[str]] = {}
        for fault in sorted(self._found, key=lambda fault: fault.place):
            alike.setdefault((fault.place, fault.sentence, fault.hint), []).append(fault.subject)
        faults = [
            PlacedError(place, sentence, hint=hint, subject=_together(subjects))
            for (place, sentence, hint), subjects in alike.items()
        ]
        raise_together(faults)


def _together(subjects: list[str]) -> str:
    names = list(dict.fromkeys(subjects))
    if len(names) < 3:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} others"


def not_utf8(data: bytes) -> list[int]:
    """The lines (from 1) that are no UTF-8: all are told, so that nobody mends one after the other."""
    return [number for number, line in enumerate(data.split(b"\n"), 1) if not _is_utf8(line)]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def gathering(faults: Faults | None) -> Iterator[Faults]:
    """`faults`; without any, new ones, which end with the first of them raised (`Faults.end`)."""
    found = faults or Faults()
    yield found
    if faults is None:
        found.end()
