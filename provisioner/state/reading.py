"""Rows that cannot be read: lists go on without them and say so, who asks for one is told why."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import ValidationError

from provisioner.errors import UnreadableError
from provisioner.system.text import clean
from provisioner.validation import sentences

# what parsing damaged JSON, a value out of its type or a word that nobody knows raises
FAULTS = (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError)
LONGEST = 160  # characters of a reason, and 40 of a key
_Row = TypeVar("_Row")
_Item = TypeVar("_Item")


def read(noun: str, key: object, row: _Row, make: Callable[[_Row], _Item], *, hint: str = "") -> _Item:
    """`make(row)`. Raises UnreadableError (PV-612) that names `noun` and `key` of the row, and says why."""
    try:
        return make(row)
    except FAULTS as fault:
        name = clean(str(key), 40)
        raise UnreadableError(
            f"{noun} {name} cannot be read: {_why(fault)}", hint=hint.format(name)
        ) from fault


def sift(
    noun: str,
    rows: Iterable[_Row],
    make: Callable[[_Row], _Item],
    key: Callable[[_Row], object],
    *,
    hint: str = "",
) -> tuple[list[_Item], list[UnreadableError]]:
    """Every row that can be read, in order, and why the others cannot."""
    items: list[_Item] = []
    faults: list[UnreadableError] = []
    for row in rows:
        try:
            items.append(read(noun, key(row), row, make, hint=hint))
        except UnreadableError as fault:
            faults.append(fault)
    return items, faults


def check_types(row: Iterable[object], kinds: Iterable[type | tuple[type, ...]]) -> None:
    """SQLite keeps a value of any type in any column. Raises TypeError where one is not of its kind."""
    for number, (value, kind) in enumerate(zip(row, kinds, strict=True)):
        if not isinstance(value, kind):
            raise TypeError(f"column {number} holds a {type(value).__name__}")


def text_or_bytes(value: bytes) -> str | bytes:
    """A text of the database as SQLite hands it out; as bytes where it is no UTF-8 any more."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _why(fault: Exception) -> str:
    text = sentences(fault) if isinstance(fault, ValidationError) else f"{fault}" or type(fault).__name__
    return clean(text, LONGEST)
