"""GRUB's `test` command, where a value may be unknown: True, False, or None for nobody but GRUB knows."""

from collections.abc import Callable, Sequence

from provisioner.agent.grub_script import GrubError

Value = str | None  # None: nobody but GRUB knows it
Truth = bool | None
ReadFile = Callable[[str], str | None]  # a path of the root file system → its text; None where there is none
STRINGS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}


def test(words: Sequence[Value], read: ReadFile) -> Truth:
    """What the words between `[` and `]` come to. Raises GrubError where they are not understood."""
    for sign in ("-o", "-a"):
        if sign in words:
            place = list(words).index(sign)
            first, second = test(words[:place], read), test(words[place + 1 :], read)
            return _either(first, second) if sign == "-o" else _both(first, second)
    if words[:1] == ["!"] or words[:1] == ("!",):
        inner = test(words[1:], read)
        return None if inner is None else not inner
    return _simple(words, read)


def _either(first: Truth, second: Truth) -> Truth:
    if first or second:
        return True
    return None if None in (first, second) else False


def _both(first: Truth, second: Truth) -> Truth:
    if first is False or second is False:
        return False
    return None if None in (first, second) else True


def _simple(words: Sequence[Value], read: ReadFile) -> Truth:
    match list(words):
        case []:
            return False
        case [value]:
            return None if value is None else bool(value)
        case ["-z", value]:
            return None if value is None else not value
        case ["-n", value]:
            return None if value is None else bool(value)
        case ["-e" | "-f" | "-s" as kind, path]:
            return _is_file(str(kind), path, read)
        case [first, str() as sign, second] if sign in STRINGS:
            return None if first is None or second is None else STRINGS[sign](first, second)
        case [first, str() as sign, second] if sign in NUMBERS:
            return None if first is None or second is None else NUMBERS[sign](_whole(first), _whole(second))
    raise GrubError(f"the condition [ {' '.join(word or '?' for word in words)} ] is not understood")


def _is_file(kind: str, path: Value, read: ReadFile) -> Truth:
    """GRUB's -e is true for folders as well; where it is asked for one nobody knows here."""
    if path is None or not path.startswith("/"):
        return None  # on another device, such as (hd0,gpt1)/efi
    text = read(path)
    if kind == "-e" and text is None:
        return None if path.endswith("/") else False
    return text is not None and (kind != "-s" or bool(text))


def _whole(text: str) -> int:
    if not text.strip().lstrip("-").isdecimal():
        raise GrubError(f"{text!r} is compared as a number")
    return int(text)
