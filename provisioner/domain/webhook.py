"""What a webhook's receiver is told: the form and the signature of Standard Webhooks (standardwebhooks.com).

Little is in it: which event it was and its sentence, so that nothing secret can be. Who wants more asks the
API, which asks who he is.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from provisioner.domain.event import Event
from provisioner.domain.events.registry import KINDS
from provisioner.domain.events.service import WebhookGivenUp
from provisioner.errors import SettingsError
from provisioner.system.text import clean

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret, as the specification says
HOW_TO_MAKE = "(printf whsec_; openssl rand -base64 32) > FILE"
LONGEST_SENTENCE = 1000


def stage_of(kind: str) -> str:
    """The stage that this kind of event leads to; empty where it leads to none, or to one of several."""
    moves = KINDS[kind].moves if kind in KINDS else {}
    stages = {after.value for before, after in moves.items() if before != after}
    return stages.pop() if len(stages) == 1 else ""


def is_wanted(kind: str, stages: Collection[str], kinds: Collection[str]) -> bool:
    """Whether it is told: it ends a deployment so, or is of such a kind (`verify.*`).

    Progress never is, and neither is what was given up: a receiver that refuses would make ever more of it.
    """
    if kind == WebhookGivenUp.kind or (kind in KINDS and KINDS[kind].is_progress):
        return False
    return stage_of(kind) in stages or any(fnmatchcase(kind, each) for each in kinds)


def message_id(event: Event) -> str:
    """The same at each try. The time is in it, for a restored log goes on with ids that were used."""
    return f"evt_{event.id}_{round(event.time * 1000)}"


def body_of(event: Event) -> bytes:
    """What is sent, as JSON in ASCII."""
    failure = event.data
    data = {
        "id": event.id,
        "host": event.host,
        "deployment": event.deployment,
        "attempt": event.attempt,
        "stage": stage_of(event.kind),
        "sentence": clean(event.describe(), LONGEST_SENTENCE),
        "code": int(getattr(failure, "code", 0) or 0),
        "hint": clean(str(getattr(failure, "hint", "")), LONGEST_SENTENCE),
    }
    time = datetime.fromtimestamp(event.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event.kind, "timestamp": time, "data": data}).encode()


def read_secrets(text: str, source: str) -> list[bytes]:
    """The secrets of a file, each of which signs: two while one is replaced.

    Raises SettingsError (PV-610).
    """
    found = [_secret(line.strip(), source) for line in text.splitlines() if line.strip()]
    if not found:
        raise SettingsError(f"{source} holds no secret", hint=HOW_TO_MAKE)
    return found


def _secret(line: str, source: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not line.startswith(PREFIX) or not SHORTEST <= len(secret) <= LONGEST:
        raise SettingsError(
            f"{source}: a line is no secret: {PREFIX} and base64 of {SHORTEST} to {LONGEST} bytes",
            hint=HOW_TO_MAKE,
        )
    return secret


def headers(event: Event, body: bytes, secrets: Sequence[bytes], now: float) -> dict[str, str]:
    """Id, time (seconds since 1970) and signatures of one try."""
    ident, seconds = message_id(event), str(int(now))
    return {
        "Content-Type": "application/json",
        "User-Agent": "provisioner",
        "webhook-id": ident,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signature(secret, ident, seconds, body) for secret in secrets),
    }


def signature(secret: bytes, ident: str, seconds: str, body: bytes) -> str:
    """HMAC-SHA-256 over id, time and body, in base64 after its version."""
    digest = hmac.digest(secret, f"{ident}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
