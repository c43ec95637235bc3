"""What Pydantic finds wrong with data, in words for people: what is expected, and what stands there."""

from collections.abc import Callable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

LONGEST = 60  # characters of a value that are shown
# what a text must be → in words; a test holds that every pattern of hosts, profiles and images is here
FORMS: Mapping[str, str] = {
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "a to z, 0 to 9, and - within, 63 at most, and no domain",
    r"^[^\x00-\x1f\x7f]*$": "one line, without control characters",
    r"^[\w.-]*$": "letters, digits, _, . and - alone",
    r"^[\w./:-]*$": "letters, digits, _, ., /, : and - alone",
    r"^http://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?$": "a URL as http://mirror.example/ubuntu",
    r"^[a-z0-9][a-z0-9.+-]{1,99}$": "a Debian package's name: a to z, 0 to 9, ., + and -, two at least",
    r"^[0-9a-f]{4}:[0-9a-f]{4}$": "vendor:device, as 10de:2330 (lspci -nn)",
    r"^[a-z0-9-]{0,60}$": "a to z, 0 to 9 and - alone, 60 letters at most",
    r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$": "a locale, as C.UTF-8 or en_US.UTF-8",
    r"^([0-9]{3,4})?$": "three or four digits, as 580",
    r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$": "letters, digits, ., _, + and -, 64 at most; the first is no sign",
    r"^[A-Za-z0-9_ .:+/-]{0,64}$": "letters, digits, blanks and _.:+/-, 64 at most",
    r"^[0-9A-Fa-f-]{0,36}$": "hexadecimal digits and -, 36 at most",
    r"^[a-z0-9_]{0,16}$": "a to z, 0 to 9 and _, 16 at most",
    r"^[\w.@ -]+$": "letters, digits, blanks, _, ., @ and - alone",
    r"^([0-9a-fA-F]{64})?$": "64 hexadecimal digits",
    r"^[0-9a-f]{64}$": "64 of 0 to 9 and a to f, as sha256sum prints them",
    r"^([0-9a-f]{64})?$": "64 of 0 to 9 and a to f, as sha256sum prints them",
    r"^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$": "a check's id, as gpu.link-width",
    r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$": "letters, digits, _, . and -, 32 at most; the first a letter or _",
    r"^a-[a-z0-9-]{8,60}$": "a report's id: a- and 8 to 60 of a to z, 0 to 9 and -",
}
# kind of fault → what is said; a field may be a secret, so only what is no text at all is ever shown
_WORDS: Mapping[str, str | Callable[[ErrorDetails], str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "string_type": lambda error: f"a text is expected, {_found(error)}",
    "int_from_float": "a whole number is expected",
    "finite_number": "a finite number is expected",
    "none_required": "nothing may stand here",
    "path_type": "a path is expected",
    "greater_than": lambda error: f"must be more than {_limit(error, 'gt')}",
    "greater_than_equal": lambda error: f"must be at least {_limit(error, 'ge')}",
    "less_than": lambda error: f"must be less than {_limit(error, 'lt')}",
    "less_than_equal": lambda error: f"must be at most {_limit(error, 'le')}",
    "string_too_short": lambda error: f"at least {_characters(error, 'min_length')} needed",
    "string_too_long": lambda error: f"at most {_characters(error, 'max_length')} allowed",
    "string_pattern_mismatch": lambda error: _form(str(_limit(error, "pattern"))),
    "too_short": lambda error: f"at least {_limit(error, 'min_length')} needed",
    "too_long": lambda error: f"at most {_limit(error, 'max_length')} allowed",
    "literal_error": lambda error: f"{_shown(error['input'])} is none of {_limit(error, 'expected')}",
    "enum": lambda error: f"{_shown(error['input'])} is none of {_limit(error, 'expected')}",
}
_EXPECTED = {  # the beginning of a kind → what is expected
    "int_": "a whole number",
    "float_": "a number",
    "decimal_": "a number",
    "bool_": "true or false",
    "bytes_": "bytes",
    "tuple_": "a list",
    "list_": "a list",
    "set_": "a list",
    "frozen_set_": "a list",
    "iterable_": "a list",
    "dict_": "a mapping",
    "mapping_": "a mapping",
    "model_": "a mapping",
    "dataclass_": "a mapping",
    "ip_v4_address": "an IPv4 address",
    "ip_v4_interface": "an IPv4 address with its prefix length, as 10.77.0.1/24,",
    "ip_v4_network": "an IPv4 network, as 10.77.0.0/24,",
    "url_": "a URL",
    "date": "a date",
    "time": "a time",
}


def sentences(fault: ValidationError) -> str:
    """All complaints as one line."""
    return "; ".join(map(sentence_of, fault.errors()))


def sentence_of(error: ErrorDetails) -> str:
    """One complaint, with the keys that lead to what is meant."""
    place = ".".join(str(part) for part in error["loc"] if part != "[key]")
    text = _in_words(error)
    return f"{place}: {text}" if place else text


def _in_words(error: ErrorDetails) -> str:
    kind = error["type"]
    if words := _WORDS.get(kind):
        return words if isinstance(words, str) else words(error)
    for beginning, expected in _EXPECTED.items():
        if kind.startswith(beginning):
            return f"{expected} is expected"
    return error["msg"].removeprefix("Value error, ")


def _limit(error: ErrorDetails, key: str) -> object:
    return error["ctx"][key]


def _form(pattern: str) -> str:
    words = FORMS.get(pattern)
    return f"is not of the form that is needed: {words}" if words else "is not of the form that is needed"


def _characters(error: ErrorDetails, key: str) -> str:
    number = _limit(error, key)
    return "1 character is" if number == 1 else f"{number} characters are"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _found(error: ErrorDetails) -> str:
    """What stands where a text should: a number or a truth value as it is, what is larger by its kind."""
    value = error["input"]
    if value is None:
        return "and nothing stands there"
    if isinstance(value, bool | int | float):
        return f"not {str(value).lower()}"
    return f"not {'a mapping' if isinstance(value, Mapping) else 'a list'}"
