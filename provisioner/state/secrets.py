"""Secrets of the state folder: BMC logins, pins, tokens, the site's keys. Only the owner may read them."""

import hashlib
import hmac
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from provisioner.errors import FileError, InputError, NotFoundError, PowerError
from provisioner.system import outputs

LOGIN = ".bmc.json"  # the end of a login's file name
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
    """The key from which installers' phone-home tokens are derived."""
    return secrets_folder(state) / "seed.key"


def deployment_key_file(state: Path) -> Path:
    """The private SSH key (Ed25519) by which hosts are verified and sealed; `.pub` lies beside it."""
    return secrets_folder(state) / "deploy_ed25519"


def signing_key_file(state: Path) -> Path:
    """The private key (minisign's, without a password) that signs certificates; see `signing_public_file`."""
    return secrets_folder(state) / "site.key"


def signing_public_file(state: Path) -> Path:
    """The public half, by which anybody verifies the site's certificates."""
    return signing_key_file(state).with_suffix(".pub")


def certificate_pin(state: Path, host: str) -> Path:
    """Where the certificate of a host's BMC is pinned at its first login: one line, its SHA-256."""
    return secrets_folder(state) / f"{host}.bmc.sha256"


def deployment_key(state: Path) -> str:
    """The public SSH key, as authorized_keys has it, that the seed gives to the host until it is sealed.

    Raises FileError (PV-150) where the state folder has lost it.
    """
    path = deployment_key_file(state).with_suffix(".pub")
    try:
        return path.read_text().strip()
    except FileNotFoundError as fault:
        raise FileError(
            f"the state folder {state} lacks the key by which hosts are verified: {path.name}",
            hint=f"restore {path.parent} from a backup; or remove {path.stem}, and start the service again",
        ) from fault


def phone_token(state: Path, deployment: str, nonce: str) -> str:
    """The phone-home token in an installer's seed (64 hexadecimal digits): the same for every reading.

    It is derived (HMAC-SHA-256), so that serving a seed writes nothing; the nonce alone, which stands in the
    kernel's arguments, does not tell it.
    """
    key = seed_key_file(state).read_bytes()
    return hmac.new(key, f"{deployment} {nonce}".encode(), hashlib.sha256).hexdigest()


def put_bmc_login(state: Path, name: str, user: str, password: str) -> bool:
    """Keep a BMC's login under a name; whether one was replaced. Raises InputError (PV-100): not a name."""
    if not SECRET_NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a name for a secret", hint="letters, digits, . - _")
    path = _bmc_login_file(state, name)
    is_known = path.exists()
    write_secret(path, json.dumps({"user": user, "password": password}))
    return is_known


def bmc_login_names(state: Path) -> list[str]:
    """The names under which logins are kept."""
    return sorted(path.name.removesuffix(LOGIN) for path in secrets_folder(state).glob(f"*{LOGIN}"))


def require_bmc_login(state: Path, name: str) -> None:
    """Raises NotFoundError (PV-120) where no login is kept under this name."""
    if name not in bmc_login_names(state):
        raise NotFoundError(f"no BMC login is kept as {name!r}", hint="provision bmc secret list", code=120)


def remove_bmc_login(state: Path, name: str) -> None:
    """Forget a login. Raises NotFoundError (PV-120) where none is kept under this name."""
    require_bmc_login(state, name)
    _bmc_login_file(state, name).unlink(missing_ok=True)


def forget_certificate(state: Path, host: str) -> None:
    """The BMC's certificate is pinned anew at the next login; where none was pinned, nothing changes."""
    certificate_pin(state, host).unlink(missing_ok=True)


def rename_certificate(state: Path, before: str, host: str) -> None:
    """The pin of a host's BMC under the host's new name; another's of that name is gone."""
    forget_certificate(state, host)
    with suppress(FileNotFoundError):
        certificate_pin(state, before).rename(certificate_pin(state, host))


def has_bmc_login(state: Path, name: str) -> bool:
    """Whether a login is kept under this name."""
    return _bmc_login_file(state, name).is_file()


def missing_login(name: str, host: str) -> PowerError:
    """The error (PV-205) of a host's login that was never given; without a name none was told for its BMC."""
    if not name:
        hint = f"provision host edit {host} --secret NAME; provision bmc secret list shows the names"
        return PowerError("no login is named for its BMC", hint=hint, code=205)
    return PowerError(
        f"the BMC login {name!r} was never given", hint=f"provision bmc secret {name} --user USER", code=205
    )


def bmc_login(state: Path, name: str, host: str) -> BmcLogin:
    """The login that is kept under a name, of a host. Raises PowerError (PV-205) where it was never given."""
    try:
        body = json.loads(_bmc_login_file(state, name).read_text())
    except OSError as fault:
        raise missing_login(name, host) from fault
    return BmcLogin(body["user"], body["password"])


def _bmc_login_file(state: Path, name: str) -> Path:
    return secrets_folder(state) / f"{name}{LOGIN}"


def write_secret(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else can read it, from its first moment (mode 0600).

    Raises FileError (PV-150, PV-151); then the file is as before.
    """
    outputs.write(path, text, mode=0o600)
