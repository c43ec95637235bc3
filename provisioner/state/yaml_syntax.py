"""What is wrong with a text that is no YAML, in our own words; libyaml's stand where there are none."""

import re
from collections.abc import Callable, Mapping

import yaml

from provisioner.state.inventory_faults import Place, PlacedError

AS_YAML = "the service reads YAML alone: ansible-inventory -i FILE --list --yaml writes another one so"
_INI_SECTION = re.compile(r"^\[[\w:.-]+\]\s*$", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)  # what git merge leaves
_QUOTE_HINT = "put the text in quotes"


class _Slip:
    """A fault of libyaml's, with the text around it; lines and columns from 1."""

    def __init__(self, fault: yaml.MarkedYAMLError, text: str) -> None:
        self.problem, self.context = fault.problem or "", fault.context or ""
        mark = fault.problem_mark or fault.context_mark
        begin = fault.context_mark or mark
        self.line, self.column = _place(mark)
        self.begin_line, self.begin_column = _place(begin)
        self._lines = text.splitlines()

    @property
    def before(self) -> str:
        """What stands in its line before it."""
        return self._text(self.line)[: self.column - 1]

    @property
    def rest(self) -> str:
        """What stands in its line from there."""
        return self._text(self.line)[self.column - 1 :]

    @property
    def begin(self) -> str:
        """What stands where that began in which it is."""
        return self._text(self.begin_line)[self.begin_column - 1 :]

    @property
    def is_tab(self) -> bool:
        """Whether its line is indented with a tab."""
        line = self._text(self.line)
        return "\t" in line[: len(line) - len(line.lstrip())]

    def move_to_begin(self) -> None:
        """It is told of where it began: it was noticed far below."""
        self.line, self.column = self.begin_line, self.begin_column

    def _text(self, line: int) -> str:
        return self._lines[line - 1] if line <= len(self._lines) else ""


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def explain(fault: yaml.MarkedYAMLError, text: str, name: str) -> PlacedError:
    """The fault with the line of the file that has this name, and what to do where that is known."""
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        words = f"not YAML: a merge left its marks ({conflict[0][:7]})"
        return PlacedError(Place(name, line), words, hint="keep one side of each, and take the marks away")
    slip = _Slip(fault, text)
    if slip.is_tab or "found a tab character" in slip.problem:
        words, hint = "a tab where blanks are expected", "indent with blanks, never with a tab"
        return PlacedError(Place(name, slip.line), f"not YAML: {words}", hint=hint)
    words, hint = _told(slip)
    is_other = text.startswith("#!") or _INI_SECTION.search(text)
    sentence = f"not YAML: {words} (column {slip.column})"
    return PlacedError(Place(name, slip.line), sentence, hint=AS_YAML if is_other else hint)


def _told(slip: _Slip) -> tuple[str, str]:
    for beginning, tell in _TOLD.items():
        if beginning in (slip.problem, slip.context):
            return tell(slip)
    return " ".join(filter(None, (slip.context, slip.problem))), ""


def _colon(slip: _Slip) -> tuple[str, str]:
    if re.search(r":\s", slip.before):
        return "a second colon in one line", 'put a text that holds ": " in quotes'
    words = "a key where none can stand: the line above has a value, or is no key"
    return words, "keys of one mapping begin in one column; a key whose value is below ends with its colon"


def _colon_within(_: _Slip) -> tuple[str, str]:
    return "a text within brackets that holds a colon", _QUOTE_HINT


def _no_colon(slip: _Slip) -> tuple[str, str]:
    slip.move_to_begin()
    return f"{slip.rest[:40]!r} is a key without a colon", "write KEY: VALUE; or KEY: with its value below"


def _no_key(slip: _Slip) -> tuple[str, str]:
    if slip.before.strip():
        return f"{slip.rest[:40]!r} stands behind a value that has ended", "put the whole value in quotes"
    if slip.column != slip.begin_column:
        words = f"indented as nothing above it: the keys of line {slip.begin_line} begin in column"
        return f"{words} {slip.begin_column}", "keys of one mapping begin in one column"
    if slip.rest.startswith("-"):
        words = f"an item of a list among the keys of line {slip.begin_line}"
        return words, "a list has a key of its own: KEY: with the items below"
    return f"{slip.rest[:40]!r} is no key", "write KEY: VALUE"


def _no_item(slip: _Slip) -> tuple[str, str]:
    words = f"no item of the list that begins in line {slip.begin_line}"
    return words, "items begin with - in one column; what belongs to an item is indented deeper"


def _item(_: _Slip) -> tuple[str, str]:
    return "a list cannot begin in the line of its key", "begin it in the next line, or write KEY: [A, B]"


def _not_closed(slip: _Slip) -> tuple[str, str]:
    opened, closed = ("[", "]") if "sequence" in slip.context else ("{", "}")
    where = "" if slip.begin_line == slip.line else f" of line {slip.begin_line}"
    words = f"the {opened}{where} is not closed by {closed}, or a comma is missing"
    return words, f"separate by commas, close by {closed}; put a text that holds one of , [ ] {{ }} in quotes"


def _no_value(slip: _Slip) -> tuple[str, str]:
    return f"{slip.rest[:1]!r} stands where a value is expected", f"leave it out, or {_QUOTE_HINT}"


def _open_quote(slip: _Slip) -> tuple[str, str]:
    slip.move_to_begin()
    quote = slip.rest[:1]
    within = "a ' within is written ''" if quote == "'" else 'a " within is written \\"'
    return f"the quote {quote} is not closed", f"close it where the text ends; {within}"


def _backslash(slip: _Slip) -> tuple[str, str]:
    escape = slip.rest if slip.rest.startswith("\\") else slip.before[slip.before.rfind("\\") :]
    words = f"{escape[:2]} begins no sign that there is within double quotes"
    return words, "write \\\\ for a backslash, or put the text in single quotes"


def _sign(slip: _Slip) -> tuple[str, str]:
    return f"no text begins with {slip.rest[:1]}", _QUOTE_HINT


def _nameless(slip: _Slip) -> tuple[str, str]:
    kind = "an alias" if slip.begin.startswith("*") else "an anchor"
    return f"{slip.begin[:1]} begins {kind}, and no name follows", _QUOTE_HINT


def _unknown_alias(slip: _Slip) -> tuple[str, str]:
    name = slip.rest[1:].split(maxsplit=1)[0].rstrip(",]}") if slip.rest[1:].strip() else ""
    return f"the alias *{name} means nothing: there is no &{name} above it", f"correct it, or {_QUOTE_HINT}"


def _other_document(_: _Slip) -> tuple[str, str]:
    return "a second document begins here (---)", "a file of an inventory is one document"


def _behind_document(slip: _Slip) -> tuple[str, str]:
    return (
        f"{slip.rest[:40]!r} stands behind the end of the document",
        "it is one mapping, from top to bottom",
    )


def _block_text(slip: _Slip) -> tuple[str, str]:
    words = f"{slip.begin[:1]} begins a text that stands in the lines below"
    return words, f"begin it in the next line, indented deeper; or {_QUOTE_HINT}"


def _tag(_: _Slip) -> tuple[str, str]:
    return "! begins a tag, and this is none", _QUOTE_HINT


def _directive(slip: _Slip) -> tuple[str, str]:
    return "a line that begins with % is a directive, and this is none", _QUOTE_HINT


def _anchor_twice(slip: _Slip) -> tuple[str, str]:
    return f"this anchor is there twice, first in line {slip.begin_line}", "give it another name"


def _version(_: _Slip) -> tuple[str, str]:
    return "%YAML names a version that Ansible does not read", "leave the line out"


# libyaml's problem, or what it was doing → our words and what to do; the first that fits counts
_TOLD: Mapping[str, Callable[[_Slip], tuple[str, str]]] = {
    "mapping values are not allowed in this context": _colon,
    "could not find expected ':'": _no_colon,
    "did not find expected key": _no_key,
    "did not find expected '-' indicator": _no_item,
    "block sequence entries are not allowed in this context": _item,
    "did not find expected ',' or ']'": _not_closed,
    "did not find expected ',' or '}'": _not_closed,
    "did not find expected node content": _no_value,
    "while scanning a quoted scalar": _open_quote,
    "while parsing a quoted scalar": _backslash,
    "found character that cannot start any token": _sign,
    "did not find expected alphabetic or numeric character": _nameless,
    "found undefined alias": _unknown_alias,
    "but found another document": _other_document,
    "did not find expected <document start>": _behind_document,
    "while scanning a block scalar": _block_text,
    "while scanning a tag": _tag,
    "while parsing a tag": _tag,
    "found undefined tag handle": _tag,
    "while scanning a plain scalar": _colon_within,
    "while scanning a directive": _directive,
    "second occurrence": _anchor_twice,
    "found incompatible YAML document": _version,
}
