"""Tokens: only their hashes are stored."""

import hashlib
import hmac


def hash_token(token: str) -> str:
    """The SHA-256 of a token, hexadecimal: only the hash is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_fits(token: str, hashed: str) -> bool:
    """Constant-time comparison; nothing fits an empty hash."""
    return bool(hashed) and hmac.compare_digest(hash_token(token), hashed)
