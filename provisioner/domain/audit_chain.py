"""Whether lines of an audit follow one another as they were written: none changed, lost, added, moved."""

from pydantic import ValidationError

from provisioner.domain.audit import NOTHING, Forgotten, Line, hash_of
from provisioner.errors import AuditError
from provisioner.system import canonical_json

MOST_WORDS = 300  # characters of what is wrong with a line
LARGEST = 16 << 10  # bytes of a line; one has ten texts of 200 characters at most


class Chain:
    """Takes the lines in their order and says the first that does not fit.

    A chain begins with line 1, or after lines that were forgotten: then one of the lines that follow says so,
    with the hash of the last that is gone.
    """

    def __init__(self) -> None:
        self.first = self.count = 0  # the first line's number, and how many there are
        self.previous = NOTHING  # the hash before the first line
        self.number, self.hash = 0, NOTHING  # of the last line
        self._is_vouched = True  # that the first line is the first

    def resume(self, *, first: int, previous: str, number: int, hash_: str, count: int) -> None:
        """Go on after lines that were looked at before: a signed head says what they came to."""
        self.first, self.previous = first, previous
        self.number, self.hash, self.count = number, hash_, count

    def add(self, raw: bytes) -> Line:
        """The next line, with its line feed. Raises AuditError (PV-690)."""
        line = _read(raw, self.number + 1)
        if not self.count:
            self._begin(line)
        elif line.number != self.number + 1:
            raise _broken(self.number + 1, f"line {line.number} stands in its place")
        if line.previous != (self.hash if self.count else self.previous):
            raise _broken(line.number, "the line before it is not the one that was there")
        self.number, self.hash, self.count = line.number, hash_of(raw), self.count + 1
        if line.forgotten == Forgotten.model_construct(number=self.first - 1, hash=self.previous):
            self._is_vouched = True
        return line

    def _begin(self, line: Line) -> None:
        self.first, self.previous = line.number, line.previous
        self._is_vouched = line.number == 1
        if line.number == 1 and line.previous != NOTHING:
            raise _broken(1, "something is said to have been before it")

    def forget(self, first: int, previous: str) -> None:
        """The lines before number `first` are gone since; `previous` is the hash of the last of them."""
        self.count -= first - self.first
        self.first, self.previous = first, previous

    def end(self) -> None:
        """No line follows. Raises AuditError (PV-690) where lines at the beginning are missing unsaid."""
        if not self._is_vouched:
            raise AuditError(
                f"the lines before number {self.first} are missing, and no line says why",
                hint="somebody has taken them away: compare with an earlier export",
            )


def _read(raw: bytes, number: int) -> Line:
    """Raises AuditError (PV-690)."""
    if len(raw) > LARGEST:
        raise _broken(number, "it is longer than any line")
    try:
        return Line.model_validate(canonical_json.read(raw))
    except ValidationError as fault:
        words = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in fault.errors())
        raise _broken(number, words[:MOST_WORDS]) from fault
    except (ValueError, RecursionError) as fault:
        raise _broken(number, str(fault)[:MOST_WORDS]) from fault


def _broken(number: int, why: str) -> AuditError:
    return AuditError(
        f"line {number} of the audit is not as it was written: {why}",
        hint="what stands before it is whole; compare with an earlier export, and ask who could write there",
    )
