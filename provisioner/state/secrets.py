"""What lies in STATE/secrets: the operators' token, pins of BMCs' certificates, public keys; names of logins.

The secrets themselves are encrypted in the database: `sealed_secrets.py`.
"""

import hashlib
import hmac
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from provisioner.errors import InputError, PowerError
from provisioner.system import outputs

LOGIN = ".bmc.json"  # the end of a login's file name, in earlier releases
SECRET_NAME = re.compile(r"\w[\w.-]{0,60}")


class BmcLogin(NamedTuple):
    """A BMC's user and password, as typed by the operator."""

    user: str
    password: str


def secrets_folder(state: Path) -> Path:
    """The folder of the secrets, mode 0700."""
    return state / "secrets"


def operator_token_file(state: Path) -> Path:
    """The one token of releases before people had names; it is taken over at the first start, and removed."""
    return secrets_folder(state) / "operator.token"


def seed_key_file(state: Path) -> Path:
    """The key from which installers' phone-home tokens and swarms' tokens are derived."""
    return secrets_folder(state) / "seed.key"


def signing_public_file(state: Path) -> Path:
    """The public half, by which anybody verifies the site's certificates."""
    return secrets_folder(state) / "site.pub"


def certificate_pin(state: Path, host: str) -> Path:
    """Where the certificate of a host's BMC is pinned at its first login: one line, its SHA-256."""
    return secrets_folder(state) / f"{host}.bmc.sha256"


def phone_token(state: Path, deployment: str, nonce: str) -> str:
    """The phone-home token in an installer's seed (64 hexadecimal digits): the same for every reading.

    It is derived (HMAC-SHA-256), so that serving a seed writes nothing; the nonce alone, which stands in the
    kernel's arguments, does not tell it.
    """
    key = seed_key_file(state).read_bytes()
    return hmac.new(key, f"{deployment} {nonce}".encode(), hashlib.sha256).hexdigest()


def swarm_token(state: Path, image: str) -> str:
    """By which hosts that write this image (NAME@VERSION) know each other (64 hexadecimal digits).

    It is derived (HMAC-SHA-256), so that it is the same before and after the service was started again.
    """
    key = seed_key_file(state).read_bytes()
    return hmac.new(key, f"swarm {image}".encode(), hashlib.sha256).hexdigest()


def forget_certificate(state: Path, host: str) -> None:
    """The BMC's certificate is pinned anew at the next login; where none was pinned, nothing changes."""
    certificate_pin(state, host).unlink(missing_ok=True)


def rename_certificate(state: Path, before: str, host: str) -> None:
    """The pin of a host's BMC under the host's new name; another's of that name is gone."""
    forget_certificate(state, host)
    with suppress(FileNotFoundError):
        certificate_pin(state, before).rename(certificate_pin(state, host))


def require_name(name: str) -> None:
    """Raises InputError (PV-100): it is no name for a secret."""
    if not SECRET_NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a name for a secret", hint="letters, digits, . - _")


def missing_login(name: str, host: str) -> PowerError:
    """The error (PV-205) of a host's login that was never given; without a name none was told for its BMC."""
    if not name:
        hint = f"provision host edit {host} --secret NAME; provision bmc secret list shows the names"
        return PowerError("no login is named for its BMC", hint=hint, code=205)
    return PowerError(
        f"the BMC login {name!r} was never given", hint=f"provision bmc secret {name} --user USER", code=205
    )


def write_secret(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else can read it, from its first moment (mode 0600).

    Raises FileError (PV-150, PV-151); then the file is as before.
    """
    outputs.write(path, text, mode=0o600)
