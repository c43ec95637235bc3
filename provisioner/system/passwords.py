"""Passwords as Argon2id hashes (RFC 9106): made, and compared in the same time whoever is asked about."""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2  # computations, each of which takes 64 MiB and a third of a second
_turns = threading.BoundedSemaphore(AT_ONCE)
_hasher = PasswordHasher()  # RFC 9106, 4, second recommended option


def hashed(password: str) -> str:
    """The hash with its salt and parameters, as the PHC string format has them."""
    with _turns:
        return _hasher.hash(password)


def fits(password: str, known: str) -> bool:
    """Whether the hash is of this password; nothing fits an empty one, which takes as long to find out."""
    try:
        with _turns:
            return _hasher.verify(known or _nobodys(), password) and bool(known)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """A hash of the same cost that nobody knows a password of."""
    return _hasher.hash(b"\x00" * 32)
