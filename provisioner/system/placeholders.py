"""What makers leave in place of a serial, a name or a WWN: the one list of it, for machines and for disks.

Standard library only: the ramdisk has it too.
"""

import re

# a text that consists of these words only says that here a serial should be
_ONLY_WORDS = re.compile(
    r"""(?: to|be|filled|defined|set|by|oem|default|string|value|field|blank|not|no|none|null|nil|na|nothing
        |empty|unknown|unknow|undefined|unset|bad|specified|unspecified|applicable|available|unavailable|present
        |provided|invalid|assigned|programmed|index|enter|insert|input|your|system|sys|chassis|enclosure|base|main
        |mother|board|product|machine|server|type[0-9]?|serial|number|numb|num|sn|ssn|bsn
        |mb|name|version|asset|tag|service|manufacturer|manufacture|vendor|more|settable|out|of|spec|test
        |dummy|sample|placeholder|reserved|here|tbd )+""",
    re.VERBOSE,
)
_COUNTING = ("0123456789abcdef", "1234567890abcdef", "0123456789" * 4, "9876543210" * 4)
_SHORTEST_COUNT = 5  # characters: 123 may be a maker's own number
_LONG_COUNT = 8  # characters, behind which zeros may follow
_UNFILLED = re.compile(r"(?<=[a-z])([a-z])\1{3,}$")  # SNXXXXXXXX
# of a WWN's digits: zeros or Fs, also behind the first, which is the kind of number (NAA; SPC-4, 7.8.6.6), or
# behind the maker's own number (EUI-64: 24 of its bits), as of disks that all have the same
_NOBODYS_WWN = re.compile("0+|f{8,}|[56](0{15,}|f{15,})|[0-9a-f]{6}0{10}|0*[1-9a-f]0{14,}")


def is_placeholder(text: str) -> bool:
    """Whether a text stands where a serial should be, and is none: `To be filled by O.E.M.`, `0123456789`."""
    letters = re.sub(r"[\W_]", "", text.lower())
    if len(set(letters)) <= 1:  # nothing, dots, 0, 0000000000, XXXXXXXX
        return len(letters) != 1 or letters == "0"
    letters = _UNFILLED.sub("", letters)
    words = letters.rstrip("0123456789")
    digits = letters[len(words) :]
    if words and not _ONLY_WORDS.fullmatch(words):
        return _is_counting(letters)
    is_repeated = len(digits) >= _SHORTEST_COUNT and len(set(digits)) == 1
    return not digits or is_repeated or _is_counting(digits)


def is_nobodys_wwn(digits: str) -> bool:
    """Whether the digits of a WWN, in lower case, are those of a disk that was given none."""
    is_sample = len(digits) >= 16 and _is_counting(digits)
    return is_sample or _NOBODYS_WWN.fullmatch(digits) is not None


def _is_counting(text: str) -> bool:
    counted = text.rstrip("0")
    whole = counted if len(counted) >= _LONG_COUNT else text
    return len(text) >= _SHORTEST_COUNT and any(whole in count for count in _COUNTING)
