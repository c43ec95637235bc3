"""The checksum of a file, and of a text."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """The SHA-256 (FIPS 180-4) of a file, hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text in UTF-8, hexadecimal: what is kept of a token in its place."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(der: bytes) -> str:
    """SHA-256 of a certificate in DER: 64 hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()
