"""Takes secrets out of what is written down, wherever they stand."""

import hashlib
import json
from typing import Any

SECRET_KEYS = frozenset({"nonce", "token", "password", "seed", "phone_token", "private_key"})


def redact(data: dict[str, Any]) -> dict[str, Any]:
    """The data with secrets replaced by the head of their hash, at any depth."""
    return {key: _redacted(key, value) for key, value in data.items()}


def _redacted(key: str, value: Any) -> Any:
    if key in SECRET_KEYS:
        return "sha256:" + hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
    if isinstance(value, dict):
        return redact(value)
    return value
