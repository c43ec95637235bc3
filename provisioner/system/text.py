"""What machines, disks and BMCs say, made fit for a terminal, a page and a log: the one rule for all of it.

What shows nothing, moves the cursor or turns the line round (Unicode's categories C and Z, fillers) is shown
as Python writes it, `\\x1b` or `\\u202e`: in ASCII, which every terminal can print; and what differed before
still differs, as it would not if one sign stood for all. Standard library only: the ramdisk has it too.
"""

import re
import unicodedata

LONGEST = 200  # characters of words, unless it is said otherwise
MOST_MARKS = 2  # combining marks on a letter (Vietnamese needs two); a pile of them covers the lines above
EXCESS = 4  # times the characters that are kept, of which no more are even looked at
# white space (Unicode's White_Space), but not the separators U+001C to U+001F, which Python counts too
BLANKS = re.compile(r"[^\S\x1c-\x1f]+")
FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols by category that show nothing
MARKS = ("Mn", "Me")
UNREADABLE = "\ufffd"  # what a decoder leaves in place of bytes, whichever they were


def clean(text: str, longest: int = LONGEST) -> str:
    """A stranger's words on one line: blanks collapsed, nothing hidden, at most `longest` characters.

    What is clean stays as it is.
    """
    words = escape(BLANKS.sub(" ", text[: EXCESS * longest]).strip(" "))
    if len(words) <= longest and len(text) <= EXCESS * longest:
        return words
    return words[: longest - 1] + "…"


def escape(text: str) -> str:
    """The same text with an escape for each character that must not reach a terminal, line feeds too."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = MOST_MARKS  # one at the beginning would stand on what is written before
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in MARKS else 0
        is_shown = letter.isprintable() and letter not in FILLERS and marks <= MOST_MARKS
        shown.append(letter if is_shown else _code(letter))
    return "".join(shown)


def escape_lines(text: str) -> str:
    """Text that is laid out in lines: as `escape`, but its line feeds and tabs stay."""
    return re.sub(r"[^\t\n]+", lambda words: escape(words[0]), text)


def is_identifier(text: str) -> bool:
    """Whether all of it can be read, so that two that look the same are the same."""
    return escape(text) == text and UNREADABLE not in text


def _code(letter: str) -> str:
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
