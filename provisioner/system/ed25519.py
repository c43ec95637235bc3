"""Ed25519 (RFC 8032) by the cryptography package; keys and signatures as lower-case hexadecimal digits."""

import re

DIGITS = re.compile(r"[0-9a-f]+")
KEY, SIGNATURE = 64, 128  # hexadecimal digits


def make() -> tuple[str, str]:
    """A new key: its private and its public half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return key.private_bytes_raw().hex(), key.public_key().public_bytes_raw().hex()


def make_ssh(comment: str) -> tuple[str, str]:
    """A new SSH key: the private half as OpenSSH writes it (PEM, no passphrase), the public one as a line."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}"


def sign(private: str, data: bytes) -> str:
    """The signature of some bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).sign(data).hex()


def has_signed(public: str, data: bytes, signature: str) -> bool:
    """Whether that key has signed these bytes; False for what is no key or no signature, too."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not is_key(public) or not DIGITS.fullmatch(signature) or len(signature) != SIGNATURE:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_key(text: str) -> bool:
    """Whether a text is a key as it is written here."""
    return len(text) == KEY and DIGITS.fullmatch(text) is not None
