"""Bytes, seconds, counts and lists of names as people read them."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

MOST_NAMES = 10  # of a list, in a sentence

EXACT = {
    f"{prefix}{end}": base**power
    for power, prefix in ((4, "T"), (3, "G"), (2, "M"))
    for end, base in (("iB", 1024), ("B", 1000))
}


def size(number: float) -> str:
    """Bytes for people, in powers of 1000: `18.4 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.2f} TB"


def exact_size(number: int) -> str:
    """Bytes in the largest unit of which they are a whole number, as people wrote them: `1 TiB`, `480 GB`."""
    for name, unit in EXACT.items():
        if number and number % unit == 0:
            return f"{number // unit} {name}"
    return f"{number} B"


def duration(seconds: float) -> str:
    """Seconds for people: `5 m 43 s`; `?` for what is no number of them."""
    if not math.isfinite(seconds):
        return "? s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def timestamp(seconds: float) -> str:
    """A moment as RFC 3339, in the reader's own time zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def counted(number: int, noun: str) -> str:
    """So many of a thing, for people: `1 host`, `3 hosts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """Names in a sentence, so many at most: `vc-1, vc-2 and 3 more`."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" {rest}" if (rest := and_more(len(listed), most)) else "")


def first(lines: Sequence[str], most: int) -> list[str]:
    """The first lines of a list, so many at most, and how many more there are as the last."""
    return [*lines[:most], *filter(None, [and_more(len(lines), most)])]


def and_more(number: int, shown: int) -> str:
    """How many of a list are not among those that are shown: `and 3 more`; empty where all are."""
    return f"and {number - shown} more" if number > shown else ""
