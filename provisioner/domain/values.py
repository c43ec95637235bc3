"""The kinds of values that models are made of: addresses, sizes, names."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from provisioner.errors import InputError
from provisioner.system.text import clean, escape

LONGEST_READABLE = 4000  # characters before the escapes, each up to ten; every use sets a limit of its own


def parse_mac(text: str) -> str:
    """Any usual notation of a MAC as `aa:bb:cc:dd:ee:ff`.

    Raises:
        InputError: PV-101, not twelve hexadecimal digits, or an address that no network card has.
    """
    digits = re.sub(r"[:.\-\s]", "", str(text)).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise InputError(
            f"{str(text)[:40]!r} is not a MAC address",
            hint="twelve hexadecimal digits, as AC:1F:6B:0A:42:10, ac-1f-6b-0a-42-10 or ac1f.6b0a.4210",
            code=101,
        )
    if digits == "0" * 12 or int(digits[1], 16) & 1:
        raise InputError(
            f"{text} is a group address or all zeros, no network card has it",
            hint="read the MAC from the label again",
            code=101,
        )
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _mac(value: object) -> str:
    try:
        return parse_mac(str(value))
    except InputError as fault:
        raise ValueError(f"{fault} ({fault.hint})") from fault


_SIZE = re.compile(r"(\d+(?:,\d{3})*)(\.\d+)?\s*([KMGTP]?)(i?B|bytes)?", re.IGNORECASE)
LARGEST = 1 << 63  # bytes: SQLite and the agent hold no more
_POWERS = ("", "K", "M", "G", "T", "P")


def _size(value: object) -> int:
    """In bytes. G and GiB are 2^30, as lsblk has them; GB is 10^9, as disks are sold."""
    parts = _SIZE.fullmatch(str(value).strip())
    if not parts:
        raise ValueError(f"{value!r} is not a size; write 64G, 480GB or 480103981056")
    whole, fraction, unit, suffix = parts.groups(default="")
    if "," in whole and unit:
        raise ValueError(f"{value!r}: is the comma a decimal point? Write 3.84TB, or all of the bytes")
    factor = (1000 if suffix.upper() in ("B", "BYTES") else 1024) ** _POWERS.index(unit.upper())
    size = int(Decimal(whole.replace(",", "") + fraction) * factor)
    if size >= LARGEST:
        raise ValueError(f"{value!r} is more than any machine has")
    return size


def fingerprint_digits(value: object) -> str:
    """A SHA-256 in lower case and without colons. Raises ValueError for what is none."""
    digits = str(value).replace(":", "").lower()
    if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a fingerprint is a certificate's SHA-256, 64 hexadecimal digits")
    return digits


def _no_boolean(value: object) -> object:
    """A number, or an inventory's word for one; Python takes true for 1."""
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


def _no_number(value: object) -> object:
    """A boolean, or an inventory's word for one; pydantic takes 0 for false."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("true or false is expected, not a number")
    return value


# as people write them in an inventory, whose reader leaves words as they are
Whole = Annotated[int, BeforeValidator(_no_boolean)]
Real = Annotated[float, BeforeValidator(_no_boolean)]
Boolean = Annotated[bool, BeforeValidator(_no_number)]

Fingerprint = Annotated[str, BeforeValidator(fingerprint_digits)]

Mac = Annotated[str, BeforeValidator(_mac)]

Size = Annotated[int, BeforeValidator(_size)]

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]  # a DNS label, RFC 1123

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _words(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _readable(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > LONGEST_READABLE:
        raise ValueError(f"a text of {len(value)} characters cannot be meant")
    return escape(value)


# what machines say: on one line for people; or as it is but for escapes, where equal must stay equal
Words = Annotated[str, BeforeValidator(_words)]
Readable = Annotated[str, BeforeValidator(_readable)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]  # a size or number that a machine says, as SQLite holds it


class FrozenModel(BaseModel):
    """Frozen, and strict about unknown keys.

    What validates it is built at its first use (under pydantic's lock, since 2.14): most commands need a few
    models of hundreds, and all of them took a quarter of a command's time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


Url = Annotated[
    str, Field(max_length=200, pattern=r"^http://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?$")
]

Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{1,99}$")]  # Debian policy, 5.6.7
