"""Takes secrets out of what is written down, wherever they stand."""

import hashlib
import json
import re
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


# where text that is not ours, as a console's, shows a nonce or a password: kernel arguments, a seed's address
SHOWN = re.compile(
    r"(?i)(pv\.nonce=|/autoinstall/[0-9a-f:-]{17}/|\b\w*(?:password|passwd|token|secret)\w*[=:]\s*)[^\s/;&\"']+"
)


def redact_text(text: str, *known: str) -> str:
    """A line of text without the secrets in it: those that are `known`, and what looks like one."""
    for secret in filter(None, known):
        text = text.replace(secret, "…")
    return SHOWN.sub(r"\1…", text)
