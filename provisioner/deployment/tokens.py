"""Tokens: only their hashes are stored."""

import hmac

from provisioner.system.checksum import sha256_text


def token_fits(token: str, hashed: str) -> bool:
    """Constant-time comparison; nothing fits an empty hash."""
    return bool(hashed) and hmac.compare_digest(sha256_text(token), hashed)
