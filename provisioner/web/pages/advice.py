"""Advice as a person at a desk takes it: its steps, what there is in place of one, and commands to copy."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# words behind a command that tell of it and are no part of it
_TOLD = "|".join(
    (
        "shows|says|prints|names|lists|gives|reads|draws|writes|completes|needs|tells|tests|finds|keeps|puts",
        "once|again|where|when|if|which|it|until|first|or|and|then|an?|the|on the|by|also|with|while",
    )
)
COMMAND = re.compile(
    r"(?<![\w/.`-])(?:(?:provision|systemctl|dcgmi)(?= [a-z])|ssh(?= provision@)|ping(?= [\w.:-]))"
    rf"(?: (?!(?:{_TOLD})(?:[\s,;:?)]|\.?$))[^\s;,?()]*[^\s;,:?().](?=[\s;,:?().]|$))+"
)
PROGRAMS = frozenset(
    ("provision", "systemctl", "journalctl", "ssh", "dcgmi", "ping", "ip", "ss", "fuser", "date")
)
GAP = re.compile(r"(?<![\w-])[A-Z]{2,}(?![\w-])")
OTHERWISE = re.compile(r"or:? ", re.IGNORECASE)


class Piece(NamedTuple):
    """A part of a sentence; a command is to be run on the service's machine, or where one has logged in."""

    text: str
    is_command: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it has to be filled in: only then it is worth copying."""
        return self.is_command and not GAP.search(self.text)


Sentence = tuple[Piece, ...]


def sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name or a command."""
    word = text.partition(" ")[0].rstrip(",:;")
    is_word = word.isalpha() and word not in PROGRAMS
    return text[:1].upper() + text[1:] if is_word else text


def of_host(text: str, host: str) -> str:
    """What is said of any host, of this one."""
    return re.sub(r"(?<![\w-])HOST(?![\w-])", lambda _: host, text)


def pieces(text: str) -> Sentence:
    """What is read, and what is run."""
    return tuple(_pieces(sentence(text)))


def _pieces(text: str) -> Iterator[Piece]:
    at = 0
    for found in COMMAND.finditer(text):
        if found.start() > at:
            yield Piece(_after(text[at : found.start()], at))
        yield Piece(found[0], is_command=True)
        at = found.end()
    if text[at:] not in ("", "."):
        yield Piece(_after(text[at:], at))


def _after(text: str, at: int) -> str:
    """What stands behind a command, or begins: the colon between is told by how the command looks."""
    return text.removeprefix(":") if at else text


def steps(actions: Iterable[str]) -> list[list[Sentence]]:
    """One after the other; each with what may be done in its place, which is no step of its own."""
    made: list[list[Sentence]] = []
    for action in actions:
        instead = OTHERWISE.match(action)
        if instead and made:
            made[-1].append(pieces(action[instead.end() :]))
        else:
            made.append([pieces(action)])
    return made
