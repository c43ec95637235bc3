"""The one way in which signed and hashed JSON is written: two that say the same are the same bytes."""

import json
from typing import NoReturn

from pydantic import JsonValue


def dump(value: JsonValue) -> bytes:
    """One line of JSON in UTF-8: keys sorted, no blanks, a line feed at the end.

    Numbers are as Python's json has them: a whole number without a point, any other as the shortest text that
    reads back as the same IEEE 754 double. Raises ValueError, RecursionError for what JSON cannot hold.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def read(data: bytes) -> JsonValue:
    """The value of which these bytes are the rendering. Raises ValueError, RecursionError for any other."""
    value: JsonValue = json.loads(data.decode(), parse_constant=no_number)
    if dump(value) != data:
        raise ValueError("it is written otherwise: blanks, order, a key twice, or a number")
    return value


def no_number(name: str) -> NoReturn:
    """For `parse_constant`: NaN and the infinities are none."""
    raise ValueError(f"{name} is no number of JSON")
