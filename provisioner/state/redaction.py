"""Takes secrets out of what is written down, wherever they stand."""

import json
import re
from collections.abc import Mapping

from provisioner.system.checksum import sha256_text

SECRET_KEYS = frozenset({"nonce", "token", "password", "seed", "phone_token", "private_key"})


def redact(data: Mapping[str, object]) -> dict[str, object]:
    """A copy of JSON data with the value of each of SECRET_KEYS replaced by the head of its SHA-256.

    Mappings, lists and tuples are searched to any depth; tuples come back as lists, as JSON has them.
    """
    return {key: _fingerprint(value) if key in SECRET_KEYS else _inside(value) for key, value in data.items()}


def _inside(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_inside(item) for item in value]
    return value


def _fingerprint(secret: object) -> str:
    """Tells whether two are the same, and nothing else of them."""
    return "sha256:" + sha256_text(json.dumps(secret))[:12]


# where text that is not ours, as a console's, shows a nonce or a password: kernel arguments, a seed's address
SHOWN = re.compile(
    r"(?i)(pv\.nonce=|/autoinstall/[0-9a-f:-]{17}/|(?:password|passwd|token|secret)\w{0,40}[=:]\s*)[^\s/;&\"']+"
)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")  # what a nonce or a token of ours looks like


def redact_text(text: str, *hashes: str) -> str:
    """A line of text without the secrets in it: what looks like one, and those of these SHA-256."""
    known = set(filter(None, hashes))
    if known:
        text = _TOKEN.sub(lambda word: "…" if sha256_text(word[0]) in known else word[0], text)
    return SHOWN.sub(r"\1…", text)
