"""The signs that we print, and what stands for them where only ASCII can be read."""

import os
import sys
from typing import TextIO

from provisioner.system.text import escape

# as systemd writes its own where the locale has no others; each is one cell wide where it is a mark
ASCII = str.maketrans(
    {
        **{"✓": "+", "✗": "x", "▸": ">", "·": "-", "│": "|", "─": "-", "–": "-", "—": "-"},
        **{"→": "->", "…": "...", "×": "x", "≥": ">=", "≤": "<=", "µ": "u", "°": "deg", "§": "section "},
        **{"━": "-", "╸": "-", "╺": "-", "“": '"', "”": '"', "‘": "'", "’": "'"},
    }
)
# terminals of serial lines and of the kernel's console: their fonts lack most of these signs
LIMITED = frozenset({"dumb", "unknown", "linux", "vt100", "vt102", "vt220"})


def plain(text: str) -> str:
    """The text in ASCII: each sign as its form, any other letter as Python writes it, `\\xfc`."""
    if text.isascii():
        return text
    return text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def is_ascii(stream: TextIO) -> bool:
    """Whether nothing but ASCII may be written there: by the locale, the encoding, or the terminal."""
    if _locale() in ("C", "POSIX"):
        return True
    try:
        "".join(map(chr, ASCII)).encode(stream.encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return os.environ.get("TERM") in LIMITED and stream.isatty()


def _locale() -> str:
    """That of characters (locale(7)), as it was asked for; empty where nobody did.

    Python sets LC_CTYPE to C.UTF-8 before anything of ours runs, where it was C (PEP 538).
    """
    asked = {name: os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")}
    if asked["LC_CTYPE"] == "C.UTF-8" and asked["LANG"] in ("C", "POSIX"):
        asked["LC_CTYPE"] = ""
    return next(filter(None, asked.values()), "")


def shown(text: str) -> str:
    """What of a text may be shown: escaped (system/text.py), in the letters of our own standard streams."""
    words = escape(text)
    if words.isascii() or not any(getattr(each, "is_ascii", False) for each in (sys.stdout, sys.stderr)):
        return words
    return plain(words)
