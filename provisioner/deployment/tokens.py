"""Tokens: what is kept of them, and whether one fits."""

import hashlib
import hmac


def hash_token(token: str) -> str:
    """What is kept of a token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_fits(token: str, kept: str) -> bool:
    """Constant-time comparison; nothing fits an empty hash."""
    return bool(kept) and hmac.compare_digest(hash_token(token), kept)
