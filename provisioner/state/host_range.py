"""The hosts that a key of an inventory's `hosts` names: one, or a range as Ansible writes it."""

import re
from itertools import product
from string import ascii_letters

MOST = 10_000  # hosts of one range
_PORT = re.compile(r"(?:[^:\[\]]|\[[^\]]*\])+:[0-9]+")
_PARTS = re.compile(r"[^\[\]]+|\[[^\[\]]*\]")


def expand(pattern: str) -> list[str]:
    """`vc-[01:16]`, `vc-[a:f]` and `r[1:2]-[0:8:2]` (begin, end, step) as the names that are meant.

    A port behind the name is left out: it is where Ansible's SSH goes. Raises ValueError for what is no range
    or names more than 10,000.
    """
    ported = _PORT.fullmatch(pattern)
    name = pattern.rpartition(":")[0] if ported else pattern
    parts = _PARTS.findall(name)
    if "".join(parts) != name or not name:
        raise ValueError(f"{pattern!r} is no name and no range of hosts")
    choices = [_range(part[1:-1]) if part.startswith("[") else [part] for part in parts]
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > MOST:
        raise ValueError(f"{pattern!r} names {size} hosts")
    return ["".join(words) for words in product(*choices)]


def _range(text: str) -> list[str]:
    words = text.split(":")
    if len(words) == 2:
        words.append("1")
    if len(words) != 3 or not (words[2].isascii() and words[2].isdigit()) or int(words[2][-9:]) == 0:
        raise ValueError(f"[{text}] is no range: begin, end and perhaps a step are expected")
    begin, end, step = words[0] or "0", words[1], int(words[2][-9:])
    if len(begin) == len(end) == 1 and begin in ascii_letters and end in ascii_letters:
        chosen = list(ascii_letters[ascii_letters.index(begin) : ascii_letters.index(end) + 1 : step])
    else:
        chosen = _numbers(text, begin, end, step)
    if not chosen:
        raise ValueError(f"[{text}] is empty: it begins behind its end")
    return chosen


def _numbers(text: str, begin: str, end: str, step: int) -> list[str]:
    if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in (begin, end)):
        raise ValueError(f"[{text}] is no range: two numbers or two letters are expected")
    padded = len(begin) if len(begin) > 1 and begin.startswith("0") else 0
    if padded and padded != len(end):
        raise ValueError(f"[{text}] begins with {padded} digits, its end has {len(end)}")
    numbers = range(int(begin), int(end) + 1, step)
    if len(numbers) > MOST:
        raise ValueError(f"[{text}] names {len(numbers)} hosts")
    return [str(number).zfill(padded) for number in numbers]
