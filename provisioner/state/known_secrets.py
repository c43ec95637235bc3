"""Takes secrets that are known out of a text, however it writes them: quoted, escaped, encoded, broken."""

import base64
import bisect
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

GONE = "[removed]"
SHORTEST = 4  # characters of a password that can be looked for in any text
# all is bounded: no text may take for ever
ESCAPES = re.compile(
    r"(?P<utf16>(?:\\{1,9}u[0-9A-Fa-f]{4})+)"
    r"|(?P<octets>(?:(?:\\{1,9}x|%)[0-9A-Fa-f]{2})+)"
    r"|&#(?P<decimal>[0-9]{2,7});|&#x(?P<hexadecimal>[0-9A-Fa-f]{2,6});"
    r"|&(?P<entity>amp|lt|gt|quot|apos);"
    r"|\\{1,9}(?P<quoted>[\"'/$!&`])"
    r"|[ \t]{0,80}(?:\\{1,9}[nr]|[\\=]?\r?\n)[ \t]{0,80}"  # a broken line, which stands for nothing
)
DIGITS = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s:,-]{0,3}){4,}")  # `5a 71 39 2d`, `0x5a, 0x71`, `5a:71`
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class KnownSecrets:
    """The secrets to look for; of fewer than SHORTEST characters there are too many in any text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({word for word in secrets if len(word) >= SHORTEST}, key=len, reverse=True)
        forms = {form for secret in self._secrets for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)  # one may hold another
        self._forms = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._digits = tuple(secret.encode().hex() for secret in self._secrets)

    def cut(self, text: str) -> str:
        """The text with GONE in their places."""
        if not self._forms:
            return text
        text = DIGITS.sub(self._cut_digits, self._forms.sub(GONE, text))
        plain = _Plain.of(text)
        looked_for = {each for word in self._secrets for each in (*_broken(word), _base64(word))}
        spans = sorted(span for word in looked_for for span in plain.find(word))
        for begin, end in reversed(list(_joined(spans))):
            text = f"{text[:begin]}{GONE}{text[end:]}"
        return text

    def _cut_digits(self, found: re.Match[str]) -> str:
        """A row of hexadecimal digits, unless it holds a secret."""
        run = found.group()
        digits = re.sub(r"0x|[^0-9A-Fa-f]", "", run).lower()
        if not any(secret in digits for secret in self._digits):
            return run
        return GONE + run[len(run.rstrip()) :]


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as JSON, a URL, base64 and hexadecimal digits would have it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield _base64(secret)
    yield secret.encode().hex()


def _broken(secret: str) -> Iterator[str]:
    """As it is, and where a line was broken at one of its blanks."""
    yield secret
    yield from (secret[:at] + secret[at + 1 :] for at, letter in enumerate(secret) if letter == " ")


def _base64(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()


@dataclass(frozen=True)
class _Plain:
    """A text without escapes and line breaks, and where each of its pieces stands in the text itself."""

    text: str
    begins: list[int]  # of the pieces, in the plain text
    spans: list[tuple[int, int]]  # of the pieces, in the text itself
    literal: list[bool]  # whether a piece is the text itself, letter by letter

    @classmethod
    def of(cls, text: str) -> "_Plain":
        """Undo the escapes of a text."""
        plain, words, position, end = cls("", [], [], []), list[str](), 0, 0

        def add(word: str, span: tuple[int, int], *, literal: bool) -> int:
            if word:
                plain.begins.append(position)
                plain.spans.append(span)
                plain.literal.append(literal)
                words.append(word)
            return len(word)

        for found in ESCAPES.finditer(text):
            position += add(text[end : found.start()], (end, found.start()), literal=True)
            position += add(_unescaped(found), found.span(), literal=False)
            end = found.end()
        add(text[end:], (end, len(text)), literal=True)
        return cls("".join(words), plain.begins, plain.spans, plain.literal)

    def find(self, secret: str) -> Iterator[tuple[int, int]]:
        """The spans of the text itself in which it stands."""
        at = self.text.find(secret)
        while at >= 0:
            yield self._place(at)[0], self._place(at + len(secret) - 1)[1]
            at = self.text.find(secret, at + len(secret))

    def _place(self, position: int) -> tuple[int, int]:
        """The span of the letter at a position of the plain text; of an escape all of it."""
        number = bisect.bisect_right(self.begins, position) - 1
        begin, end = self.spans[number]
        if not self.literal[number]:
            return begin, end
        place = begin + position - self.begins[number]
        return place, place + 1


def _unescaped(found: re.Match[str]) -> str:
    """What an escape stands for; of a broken line nothing."""
    if units := found["utf16"]:
        raw = bytes.fromhex("".join(re.findall(r"u([0-9A-Fa-f]{4})", units)))
        return raw.decode("utf-16-be", errors="replace")
    if octets := found["octets"]:
        return bytes.fromhex(re.sub(r"\\+x|%", "", octets)).decode(errors="replace")
    if number := found["decimal"] or "":
        return _letter(int(number))
    if number := found["hexadecimal"] or "":
        return _letter(int(number, 16))
    return ENTITIES.get(found["entity"] or "", found["quoted"] or "")


def _letter(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else ""


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans, in order, where one overlaps another as one."""
    last: tuple[int, int] | None = None
    for begin, end in spans:
        if last and begin < last[1]:
            last = last[0], max(end, last[1])
            continue
        if last:
            yield last
        last = begin, end
    if last:
        yield last
