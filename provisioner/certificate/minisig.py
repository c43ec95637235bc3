"""A signature file of minisign (minisign(1), "Signature format"), and the one way in which we write it.

minisign itself looks neither at the first line nor at unused bits of base64, so an edit there would go
unnoticed. Here a file that says the same in another way is refused.
"""

import base64
from typing import NamedTuple

COMMENT = "signature of a GPU acceptance"  # the first line, which nobody has signed
FIRST, THIRD = "untrusted comment: ", "trusted comment: "
VALUE, COMMENT_VALUE = 74, 64  # bytes: algorithm (2), key id (8), Ed25519; Ed25519 of it and the comment
LONGEST = 8192  # characters of a file


class Signature(NamedTuple):
    """`value` is of the file, `comment_value` of `value` and the trusted `comment`."""

    value: bytes
    comment: str
    comment_value: bytes

    @property
    def key_id(self) -> str:
        """The key's number, as minisign prints it."""
        return printed_id(self.value)

    def text(self) -> str:
        """The file."""
        encoded = (base64.b64encode(value).decode() for value in (self.value, self.comment_value))
        first, second = encoded
        return f"{FIRST}{COMMENT}\n{first}\n{THIRD}{self.comment}\n{second}\n"


def printed_id(data: bytes) -> str:
    """The number in a public key or a signature: hexadecimal digits without leading zeros."""
    return f"{int.from_bytes(data[2:10], 'little'):X}"


def of_values(values: bytes, comment: str) -> Signature | None:
    """The signature of both values, one after the other, and of a comment that is known."""
    if len(values) != VALUE + COMMENT_VALUE:
        return None
    return Signature(values[:VALUE], comment, values[VALUE:])


def read(text: str) -> Signature | None:
    """The signature of a file that is written as `Signature.text` does; None for any other."""
    lines = text.split("\n") if len(text) <= LONGEST else []
    if len(lines) != 5 or not lines[2].startswith(THIRD):
        return None
    try:
        values = [base64.b64decode(line, validate=True) for line in (lines[1], lines[3])]
    except ValueError:
        return None
    if [len(value) for value in values] != [VALUE, COMMENT_VALUE]:
        return None
    found = Signature(values[0], lines[2].removeprefix(THIRD), values[1])
    return found if found.text() == text else None
