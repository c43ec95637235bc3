"""Secrets of the state folder: BMC logins, pins, tokens, the deployment key. Only the owner may read them."""

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import NamedTuple

from provisioner.errors import InputError, PowerError
from provisioner.system import outputs
from provisioner.system.checksum import sha256_text

SECRET_NAME = re.compile(r"\w[\w.-]{0,60}")


class BmcLogin(NamedTuple):
    """A BMC's user and password, as typed by the operator."""

    user: str
    password: str


def secrets_folder(state: Path) -> Path:
    """The folder of the secrets, mode 0700."""
    return state / "secrets"


def operator_token_file(state: Path) -> Path:
    """The token that clients over the network must show, one line."""
    return secrets_folder(state) / "operator.token"


def seed_key_file(state: Path) -> Path:
    """The key from which installers' phone-home tokens are derived."""
    return secrets_folder(state) / "seed.key"


def deployment_key_file(state: Path) -> Path:
    """The private SSH key (Ed25519) by which hosts are verified and sealed; `.pub` lies beside it."""
    return secrets_folder(state) / "deploy_ed25519"


def certificate_pin(state: Path, host: str) -> Path:
    """Where the certificate of a host's BMC is pinned at its first login: one line, its SHA-256."""
    return secrets_folder(state) / f"{host}.bmc.sha256"


def operator_token_hash(state: Path) -> str:
    """SHA-256 (hexadecimal) of the token that `--server` clients must show; empty where the file is."""
    text = operator_token_file(state).read_text().strip()
    return sha256_text(text) if text else ""


def deployment_key(state: Path) -> str:
    """The public SSH key, as authorized_keys has it, that the seed gives to the host until it is sealed."""
    return deployment_key_file(state).with_suffix(".pub").read_text().strip()


def phone_token(state: Path, deployment: str, nonce: str) -> str:
    """The phone-home token in an installer's seed (64 hexadecimal digits): the same for every reading.

    It is derived (HMAC-SHA-256), so that serving a seed writes nothing; the nonce alone, which stands in the
    kernel's arguments, does not tell it.
    """
    key = seed_key_file(state).read_bytes()
    return hmac.new(key, f"{deployment} {nonce}".encode(), hashlib.sha256).hexdigest()


def put_bmc_login(state: Path, name: str, user: str, password: str) -> None:
    """Keep a BMC's login under a name. Raises InputError (PV-100) for a name that is not one."""
    if not SECRET_NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a name for a secret", hint="letters, digits, . - _")
    write_secret(_bmc_login_file(state, name), json.dumps({"user": user, "password": password}))


def bmc_login(state: Path, name: str) -> BmcLogin:
    """The login that is kept under a name. Raises PowerError (PV-205) where it was never given."""
    try:
        body = json.loads(_bmc_login_file(state, name).read_text())
    except OSError as fault:
        raise PowerError(
            f"the BMC login {name!r} was never given",
            hint=f"provision bmc secret {name or 'NAME'} --user USER",
            code=205,
        ) from fault
    return BmcLogin(body["user"], body["password"])


def _bmc_login_file(state: Path, name: str) -> Path:
    return secrets_folder(state) / f"{name}.bmc.json"


def write_secret(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else can read it, from its first moment (mode 0600).

    Raises FileError (PV-150, PV-151); then the file is as before.
    """
    outputs.write(path, text, mode=0o600)
