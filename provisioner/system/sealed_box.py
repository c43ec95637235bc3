"""Text that anybody may encrypt for one reader, as libsodium's sealed box: X25519, HKDF-SHA-256, AES-256-GCM.

A box is `pv1.KEYID.BASE64`: which private key opens it, then a public key that was made for this box alone
(32 bytes), the nonce (12) and the ciphertext with its tag. It is bound to its place: a box that is put into
another row or column does not open there.
"""

import base64
import hashlib
import os
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "pv1"
KEY, NONCE, KEY_ID = 32, 12, 16  # bytes, bytes, hexadecimal digits
ROOT_INFO = b"vaultcube provisioner worker x25519 pv1"
BOX_INFO = b"vaultcube provisioner box aes-256-gcm pv1"


class BoxError(ValueError):
    """It does not open: by another key, from another place, or changed since."""


class Place(NamedTuple):
    """Where a box lies; it opens nowhere else."""

    table: str
    row: str
    column: str

    def bound(self, key_id: str) -> bytes:
        """The associated data."""
        return "\0".join((VERSION, key_id, *self)).encode()


def key_id(public: bytes) -> str:
    """The name of a key, in each of its boxes."""
    return hashlib.sha256(public).hexdigest()[:KEY_ID]


def id_of(box: str) -> str:
    """The name of the key that opens a box; empty for what is none."""
    parts = box.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == VERSION else ""


def seal(text: str, public: bytes, place: Place) -> str:
    """The box of a text, which only the owner of this public key opens; two of one text differ."""
    own, nonce, name = X25519PrivateKey.generate(), os.urandom(NONCE), key_id(public)
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    ephemeral = own.public_key().public_bytes_raw()
    cipher = AESGCM(_derive(shared, BOX_INFO + ephemeral + public))
    data = ephemeral + nonce + cipher.encrypt(nonce, text.encode(), place.bound(name))
    return f"{VERSION}.{name}.{base64.urlsafe_b64encode(data).decode()}"


class Opener:
    """The private keys: the first is the one that new boxes are for, the others open older ones."""

    def __init__(self, roots: Iterable[bytes]) -> None:
        """`roots` are secrets of 32 bytes, each of which makes one key pair."""
        self._roots = tuple(roots)
        keys = [X25519PrivateKey.from_private_bytes(_derive(root, ROOT_INFO)) for root in self._roots]
        self._keys = {key_id(key.public_key().public_bytes_raw()): key for key in keys}
        self.public = keys[0].public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def __repr__(self) -> str:
        return f"Opener({', '.join(self._keys)})"

    @classmethod
    def from_text(cls, text: str) -> "Opener":
        """As `to_text` has written it. Raises ValueError."""
        return cls(map(bytes.fromhex, text.split()))

    def to_text(self) -> str:
        """For the one process that is given the keys: hexadecimal digits, a line for each."""
        return "".join(f"{root.hex()}\n" for root in self._roots)

    def has(self, name: str) -> bool:
        """Whether boxes of the key of that name are opened."""
        return name in self._keys

    def open(self, box: str, place: Place) -> str:
        """The text. Raises BoxError."""
        name = id_of(box)
        if name not in self._keys:
            raise BoxError(f"it was encrypted for the key {name or '(none)'}, which is not here")
        key = self._keys[name]
        try:
            data = base64.b64decode(box.rpartition(".")[2], altchars=b"-_", validate=True)
            ephemeral, nonce, sealed = data[:KEY], data[KEY : KEY + NONCE], data[KEY + NONCE :]
            shared = key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
            cipher = AESGCM(_derive(shared, BOX_INFO + ephemeral + key.public_key().public_bytes_raw()))
            return cipher.decrypt(nonce, sealed, place.bound(name)).decode()
        except (InvalidTag, ValueError) as fault:
            raise BoxError("it was changed, or belongs to another place") from fault


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=info).derive(secret)
