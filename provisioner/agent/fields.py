"""What a value in the agent's messages may be: words are made readable, all else is right or is refused.

Words are evidence for people. A MAC, a serial, a nonce decides something: one that was repaired could equal
another, so it is right to the letter or refused. Standard library only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Annotated, get_args, get_origin

from provisioner.system.text import LONGEST, clean, is_identifier

LIMIT = 1 << 63  # below it lies every size, count and number: SQLite and other JSON readers hold no more
WRONG_KIND = "is not of the right kind"
LoadPart = Callable[[type[object], object], object]  # a dataclass and its JSON


@dataclass(frozen=True)
class Most:
    """So many characters of words, the rest is cut; or entries of a list, more are refused."""

    count: int


@dataclass(frozen=True)
class First:
    """So many entries of a list that is evidence; the rest is left out."""

    count: int


@dataclass(frozen=True)
class Syntax:
    """What a text must be from its first character to its last, as `re` has it (ASCII)."""

    expression: str


class Identity:
    """A text that must be readable to its last character, of which there are at most LONGEST."""


Sentence = Annotated[str, Most(2000)]
Location = Annotated[str, Most(2000)]  # a URL, or a path on the server
Serial = Annotated[str, Identity()]  # also a WWN, a place at a bus: whatever its maker wrote
Mac = Annotated[str, Syntax(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")]
# of any interface: InfiniBand's has twenty bytes, and some have none
HardwareAddress = Annotated[str, Syntax(r"([0-9a-f]{2}(:[0-9a-f]{2}){0,31})?")]
Uuid = Annotated[str, Syntax(r"[0-9A-Fa-f-]{0,36}")]
Nonce = Annotated[str, Syntax(r"[\w-]{1,128}")]
BootId = Annotated[str, Syntax(r"[\w:-]{1,64}")]
Ident = Annotated[str, Syntax(r"[\w-]{1,64}")]  # of a deployment
Ipv4 = Annotated[str, Syntax(r"(\d{1,3}\.){3}\d{1,3}")]
DiskName = Annotated[str, Syntax(r"[\w.:!-]{1,64}")]  # below /sys/block: nvme0n1, cciss!c0d0
PciId = Annotated[str, Syntax(r"[0-9a-f]{4}:[0-9a-f]{4}")]
PciClass = Annotated[str, Syntax(r"[0-9a-f]{0,6}")]
Lines = Annotated[list[Sentence], First(5000)]  # of a log


def read(wanted: object, value: object, load: LoadPart) -> object:
    """A field's value from JSON; `wanted` is the field's type, `load` reads a nested dataclass.

    Raises ValueError with the reason, as the end of a sentence that begins with the value.
    """
    kind, rule = _rule(wanted)
    if isinstance(kind, type) and is_dataclass(kind):
        return load(kind, value)
    if get_origin(kind) is list:
        return [read(get_args(kind)[0], entry, load) for entry in _entries(rule, value)]
    if kind is float and type(value) is int:
        return float(_number(value))
    if not _fits(kind, value):
        raise ValueError(WRONG_KIND)
    if kind is str:
        return _text(rule, str(value))
    return _number(value) if kind in (int, float) else value


def shown(value: object) -> str:
    """A value that is refused, in few words."""
    if isinstance(value, str):
        return f'"{clean(value, 40)}"'
    if value is None or isinstance(value, float | bool):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < LIMIT else f"a number of {value.bit_length()} bits"
    return f"a {'list' if isinstance(value, list) else 'structure'}"


def _rule(wanted: object) -> tuple[object, object]:
    """The plain type, and what is asked of its values."""
    if get_origin(wanted) is Annotated:
        kind, rule = get_args(wanted)
        return kind, rule
    return wanted, Most(LONGEST)


def _entries(rule: object, value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(WRONG_KIND)
    if isinstance(rule, First):
        return value[: rule.count]
    if isinstance(rule, Most) and len(value) > rule.count:
        raise ValueError(f"of {len(value)} entries cannot be meant: {rule.count} are the most")
    return value


def _fits(kind: object, value: object) -> bool:
    if kind in (str, bool, int, float):
        return type(value) is kind
    if kind == dict[str, str]:
        return isinstance(value, dict) and all(isinstance(x, str) for pair in value.items() for x in pair)
    if kind == (bool | None):
        return value is None or isinstance(value, bool)
    return value in get_args(kind)  # a Literal's words


def _text(rule: object, value: str) -> str:
    if isinstance(rule, Most):
        return clean(value, rule.count)
    if isinstance(rule, Syntax):
        is_right = re.fullmatch(rule.expression, value, re.ASCII) is not None
    else:
        is_right = len(value) <= LONGEST and is_identifier(value)
    if not is_right:
        raise ValueError("is not what it must be to the letter")
    return value


def _number(value: object) -> int | float:
    """Neither infinite nor no number at all: those are not below LIMIT."""
    if isinstance(value, int | float) and 0 <= value < LIMIT:
        return value
    raise ValueError(f"{WRONG_KIND}: a number from 0 to {LIMIT - 1} is meant")
