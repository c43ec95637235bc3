"""Reads GRUB's script language as far as grub-mkconfig writes it; what it does not know is refused.

Grammar: GRUB manual, "Writing full configuration files directly"; its lexer in grub-core/script/yylex.l.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LARGEST = 1 << 20  # characters; a menu of a hundred kernels has 200,000
DEEPEST = 32  # blocks within each other
BLOCKS = ("menuentry", "submenu", "function")
REFUSED = ("for", "while", "until", "select", "case")
PLAIN = "?#"  # variables of one sign: the last command's status, the number of arguments


class GrubError(ValueError):
    """What of a menu is not understood, as a sentence."""


@dataclass(frozen=True)
class Part:
    """A piece of a word: text as it stands, or the name of a variable."""

    text: str
    is_variable: bool = False
    is_quoted: bool = False


Word = tuple[Part, ...]


@dataclass(frozen=True)
class Command:
    """A command with its arguments; for `menuentry` and the like also the block behind them."""

    words: tuple[Word, ...]
    block: tuple["Statement", ...] | None = None
    line: int = 0


@dataclass(frozen=True)
class Choice:
    """`if`, each `elif` as condition and block, and what `else` has."""

    branches: tuple[tuple[tuple["Statement", ...], tuple["Statement", ...]], ...]
    otherwise: tuple["Statement", ...] = ()


Statement = Command | Choice


@dataclass
class _Token:
    """A word, or one of the signs that stand alone: newline and `;` as `;`, `{`, `}`."""

    line: int
    sign: str = ""
    parts: list[Part] = field(default_factory=list)

    @property
    def plain(self) -> str:
        """Its text where nothing of it is quoted or a variable: only such words are keywords."""
        if any(part.is_variable or part.is_quoted for part in self.parts):
            return ""
        return "".join(part.text for part in self.parts)


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a whole file. Raises GrubError, which names the line."""
    if len(text) > LARGEST:
        raise GrubError(f"the menu has {len(text)} characters")
    return _Parser([*_tokens(text)]).whole()


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        sign = text[place]
        if sign in "\n;":
            yield _Token(line, ";")
        elif sign in "{}":
            yield _Token(line, sign)
        elif text.startswith("\\\n", place):
            place += 1
        elif sign == "#":
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
            continue
        elif not sign.isspace():
            parts, end = _word(text, place, line)
            yield _Token(line, parts=parts)
            line += text.count("\n", place, end)
            place = end
            continue
        line += text[place] == "\n"
        place += 1


def _word(text: str, place: int, line: int) -> tuple[list[Part], int]:
    """A word from `place` on, and where it ends."""
    parts: list[Part] = []
    while place < len(text):
        sign = text[place]
        if sign in "|&<>":
            raise GrubError(f"line {line}: {sign} is not understood")
        if sign.isspace() or sign in ";{}":
            break
        if sign == "'":
            end = _end(text, place + 1, "'", line)
            parts.append(Part(text[place + 1 : end], is_quoted=True))
            place = end + 1
        elif sign == '"':
            place = _double_quoted(text, place + 1, line, parts)
        elif sign == "$":
            part, place = _variable(text, place, line, is_quoted=False)
            parts.append(part)
        elif sign == "\\":
            if text[place + 1 : place + 2] != "\n":
                parts.append(Part(text[place + 1 : place + 2], is_quoted=True))
            place += 2
        else:
            parts.append(Part(sign))
            place += 1
    return parts, min(place, len(text))


def _end(text: str, place: int, quote: str, line: int) -> int:
    end = text.find(quote, place)
    if end < 0:
        raise GrubError(f"line {line}: a {quote} is never closed")
    return end


def _double_quoted(text: str, place: int, line: int, parts: list[Part]) -> int:
    """Adds what stands in double quotes from `place` on; the place behind them."""
    parts.append(Part("", is_quoted=True))  # "" is a word, too
    while place < len(text) and text[place] != '"':
        if text[place] == "$":
            part, place = _variable(text, place, line, is_quoted=True)
            parts.append(part)
            continue
        if text[place] == "\\" and text[place + 1 : place + 2] in ("$", '"', "\\", "\n"):
            place += 1
            if text[place] == "\n":
                place += 1
                continue
        parts.append(Part(text[place], is_quoted=True))
        place += 1
    return _end(text, place, '"', line) + 1


def _variable(text: str, place: int, line: int, *, is_quoted: bool) -> tuple[Part, int]:
    """The variable at a `$`, and the place behind it."""
    if text.startswith("${", place):
        end = _end(text, place, "}", line)
        name = text[place + 2 : end]
        end += 1
    else:
        end = place + 1
        while end < len(text) and (text[end] == "_" or (text[end].isascii() and text[end].isalnum())):
            end += 1
        if end == place + 1 and text[end : end + 1] in tuple(PLAIN):
            end += 1
        name = text[place + 1 : end]
    if not name or not (name in PLAIN or (name.isascii() and name.replace("_", "a").isalnum())):
        raise GrubError(f"line {line}: ${name or text[place + 1 : place + 2]} is no variable")
    return Part(name, is_variable=True, is_quoted=is_quoted), end


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0

    def whole(self) -> tuple[Statement, ...]:
        found = self._statements(())
        if self._place < len(self._tokens):
            raise self._wrong("has nothing to end")
        return found

    @property
    def _next(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _wrong(self, why: str) -> GrubError:
        token = self._next
        return GrubError(
            f"line {token.line}: {token.sign or token.plain!r} {why}" if token else "it ends early"
        )

    def _statements(self, ends: tuple[str, ...]) -> tuple[Statement, ...]:
        """Until one of the keywords in `ends`, a `}` or the end, which is left where it is."""
        found: list[Statement] = []
        self._depth += 1
        if self._depth > DEEPEST:
            raise GrubError(f"blocks within each other are too deep, more than {DEEPEST}")
        while token := self._next:
            if token.sign == ";":
                self._place += 1
            elif token.sign == "}" or (not token.sign and token.plain in ends):
                break
            else:
                found.append(self._statement(token))
        self._depth -= 1
        return tuple(found)

    def _statement(self, token: _Token) -> Statement:
        if token.sign == "{" or token.plain in ("then", "elif", "else", "fi", *REFUSED):
            raise self._wrong("is not expected here")
        if token.plain == "if":
            return self._choice()
        words: list[Word] = []
        while (now := self._next) and now.sign == "":
            words.append(tuple(now.parts))
            self._place += 1
        is_block = token.plain in BLOCKS
        if is_block != bool(self._next and self._next.sign == "{"):
            raise self._wrong("is not expected here")
        return Command(tuple(words), self._block() if is_block else None, token.line)

    def _block(self) -> tuple[Statement, ...]:
        self._place += 1
        inside = self._statements(())
        self._take("}")
        return inside

    def _choice(self) -> Choice:
        branches = []
        otherwise: tuple[Statement, ...] = ()
        keyword = "if"
        while keyword in ("if", "elif"):
            self._place += 1
            condition = self._statements(("then",))
            self._take("then")
            if not condition:
                raise self._wrong("stands behind no condition")
            branches.append((condition, self._statements(("elif", "else", "fi"))))
            keyword = self._next.plain if self._next else ""
        if keyword == "else":
            self._place += 1
            otherwise = self._statements(("fi",))
        self._take("fi")
        return Choice(tuple(branches), otherwise)

    def _take(self, wanted: str) -> None:
        if not self._next or wanted not in (self._next.sign, self._next.plain):
            raise self._wrong(f"stands where {wanted} was expected")
        self._place += 1
