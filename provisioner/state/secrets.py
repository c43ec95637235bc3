"""Secrets of the state folder: BMC logins, pins, tokens, the deployment key."""

import hashlib
import hmac
import json
import re
from pathlib import Path

from provisioner.errors import InputError, PowerError
from provisioner.state.folder import _write_secret


def operator_token_hash(state: Path) -> str:
    """SHA-256 of the token that `--server` clients must show."""
    text = (state / "secrets" / "operator.token").read_text().strip()
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def deployment_key(state: Path) -> str:
    """The public SSH key that the seed gives to the host until it is sealed."""
    return (state / "secrets" / "deploy_ed25519.pub").read_text().strip()


def phone_token(state: Path, deployment: str, nonce: str) -> str:
    """The phone-home token in an installer's seed: the same however often the seed is read.

    It is derived, so that serving a seed writes nothing; the nonce alone, which stands in the kernel's
    arguments, does not tell it.
    """
    key = (state / "secrets" / "seed.key").read_bytes()
    return hmac.new(key, f"{deployment} {nonce}".encode(), hashlib.sha256).hexdigest()


def put_bmc_login(state: Path, name: str, user: str, password: str) -> None:
    """Keep a BMC's login. Raises InputError for a name that is not one."""
    if not re.fullmatch(r"\w[\w.-]{0,60}", name):
        raise InputError(f"{name!r} is not a name for a secret", hint="letters, digits, . - _")
    _write_secret(state / "secrets" / f"{name}.bmc.json", json.dumps({"user": user, "password": password}))


def bmc_login(state: Path, name: str) -> tuple[str, str]:
    """User and password of a BMC. Raises PowerError (PV-205) where it was never given."""
    path = state / "secrets" / f"{name}.bmc.json"
    try:
        body = json.loads(path.read_text())
    except OSError as fault:
        raise PowerError(
            f"the BMC login {name!r} was never given",
            hint=f"provision bmc secret {name or 'NAME'} --user USER",
            code=205,
        ) from fault
    return body["user"], body["password"]


def certificate_pin(state: Path, host: str) -> Path:
    """Where the certificate of a host's BMC is pinned at its first login: one line, its SHA-256."""
    return state / "secrets" / f"{host}.bmc.sha256"
