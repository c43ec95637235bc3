"""Where the key comes from that opens the site's secrets, and which key they are encrypted for.

From systemd's credentials, else from a passphrase, else from a file beside the state folder, so that a copy
of the state folder alone (a backup, a disk that was returned) opens nothing. Of several lines the first is
the key for what is written from now on; the others open what is older, until a start has encrypted it anew.
"""

import json
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from provisioner.domain.values import FrozenModel
from provisioner.errors import SecretKeyError
from provisioner.settings import Settings
from provisioner.state.secrets import secrets_folder, write_secret
from provisioner.system import sealed_box
from provisioner.system.sealed_box import Opener

KEY, PASSPHRASE = "secrets.key", "secrets.passphrase"  # names of credentials
LINE = re.compile(r"[0-9a-f]{64}")
ROOT = 32  # bytes
SHORTEST = 12  # characters of a passphrase
COST, BLOCK, PARALLEL = 1 << 17, 8, 1  # of scrypt (RFC 7914): 128 MiB, half a second
Say = Callable[[str], None]
Ask = Callable[[], str]


class Found(NamedTuple):
    """The secrets from which key pairs are made, and in words where they came from."""

    roots: tuple[bytes, ...]
    source: str


class PublicKey(FrozenModel):
    """`STATE/secrets/worker.pub`: for whom secrets are encrypted, and where the private key came from."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str

    @property
    def raw(self) -> bytes:
        """The X25519 key."""
        return bytes.fromhex(self.key)


class _Kdf(FrozenModel):
    """How a passphrase becomes a key; it lies in the state folder, and is no secret."""

    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    n: int = Field(COST, ge=1 << 14, le=1 << 22)
    r: int = BLOCK
    p: int = PARALLEL


def public_file(state: Path) -> Path:
    """Where the public key lies."""
    return secrets_folder(state) / "worker.pub"


def key_file(settings: Settings) -> Path:
    """The key itself, where no credential and no passphrase is in its place."""
    state = settings.state.absolute()
    return settings.secrets.key_file or state.parent / f"{state.name}-keys" / KEY


def public_key(state: Path) -> PublicKey:
    """The key that secrets are encrypted for. Raises SecretKeyError (PV-695): the service never made one."""
    found = _known(state)
    if found is None:
        raise SecretKeyError(
            f"{public_file(state)} is missing, so that no secret can be kept",
            hint="the next start of the worker writes it: systemctl restart provisioner-worker",
        )
    return found


def known_id(state: Path) -> str:
    """The name of that key, in each of the secrets; empty where none was made yet."""
    found = _known(state)
    return sealed_box.key_id(found.raw) if found else ""


def _known(state: Path) -> PublicKey | None:
    path = public_file(state)
    try:
        return PublicKey.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as fault:
        raise SecretKeyError(f"{path} is damaged", hint="restore it from a backup") from fault


def unlock(
    settings: Settings,
    *,
    environment: Mapping[str, str],
    ask: Ask | None = None,
    say: Say = lambda sentence: None,
) -> Opener:
    """Find the key, or make one where the site has none, and say in the state folder which it is.

    Raises SecretKeyError: it is not there or cannot be used (PV-695); it is not the one that the secrets were
    encrypted for (PV-696).
    """
    known = _known(settings.state)
    found = _find(settings, environment, ask, is_new=known is None, say=say)
    opener = Opener(found.roots)
    if known and not opener.has(sealed_box.key_id(known.raw)):
        raise SecretKeyError(
            f"the key from {found.source} is not the one that the site's secrets were encrypted for"
            f" ({sealed_box.key_id(known.raw)}, from {known.source})",
            hint="give that one; to change it, the new key on the first line and the old one on the second",
            code=696,
        )
    now = PublicKey(key=opener.public.hex(), source=found.source)
    if now != known:
        write_secret(public_file(settings.state), now.model_dump_json() + "\n")
    return opener


def look(settings: Settings) -> Opener:
    """The key, for whoever only looks: nothing is made or written, nobody is asked.

    Raises SecretKeyError: it is not there, or only systemd has it (PV-695); it is another (PV-696).
    """
    known = public_key(settings.state)
    opener = Opener(_find(settings, {}, None, is_new=False, say=lambda sentence: None).roots)
    if not opener.has(sealed_box.key_id(known.raw)):
        raise SecretKeyError("this is not the key of the site's secrets", hint="give that one", code=696)
    return opener


def _find(
    settings: Settings, environment: Mapping[str, str], ask: Ask | None, *, is_new: bool, say: Say
) -> Found:
    folder = Path(environment.get("CREDENTIALS_DIRECTORY") or "/nonexistent")
    wanted, state = settings.secrets, settings.state
    if (path := folder / KEY).exists() and _text(
        path
    ).strip():  # the unit's stands for none where it is blank
        return Found(_roots(path), "systemd's credential secrets.key")
    if (path := folder / PASSPHRASE).exists():
        return Found((_stretched(state, _first_line(path)),), "systemd's credential secrets.passphrase")
    if wanted.passphrase_file:
        return Found(
            (_stretched(state, _first_line(wanted.passphrase_file)),),
            f"the passphrase in {wanted.passphrase_file}",
        )
    if wanted.ask:
        return Found((_stretched(state, _asked(ask)),), "a passphrase that was typed")
    return _of_file(key_file(settings), say, is_new=is_new)


def _of_file(path: Path, say: Say, *, is_new: bool) -> Found:
    if not _is_there(path):
        if not is_new:
            raise SecretKeyError(
                f"{path} is missing: without it the site's secrets cannot be read",
                hint="put it back from where you keep it; a backup of the state folder does not have it",
            )
        _make(path)
        say(f"{path} was made: it opens the site's secrets. Keep a copy, and not beside the backups")
    _narrow(path, say)
    return Found(_roots(path), str(path))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as fault:  # a folder that is root's
        raise _unreadable(path, fault) from fault


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(path, secrets.token_hex(ROOT) + "\n")
    except OSError as fault:
        raise SecretKeyError(
            f"no key for the site's secrets can be written to {path}: {fault.strerror}",
            hint=f"mkdir -m 0700 {path.parent} and chown it to the service's user;"
            " or give a credential (docs/secrets-and-audit.md)",
        ) from fault


def _narrow(path: Path, say: Say) -> None:
    """What others may read is narrowed, and told."""
    for one, allowed in ((path.parent, 0o700), (path, 0o600)):
        mode = stat.S_IMODE(one.stat().st_mode)
        if mode & 0o077 and (one == path or one.name.endswith("-keys")):
            one.chmod(allowed)
            say(f"others could look into {one} (mode {mode:04o}); now they cannot: change the key")


def _roots(path: Path) -> tuple[bytes, ...]:
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not lines or not all(LINE.fullmatch(line) for line in lines):
        raise SecretKeyError(
            f"{path} holds no key", hint="64 hexadecimal digits on a line: openssl rand -hex 32"
        )
    return tuple(map(bytes.fromhex, lines))


def _first_line(path: Path) -> str:
    return next(iter(_text(path).splitlines()), "")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        raise _unreadable(path, fault) from fault


def _unreadable(path: Path, fault: Exception) -> SecretKeyError:
    return SecretKeyError(
        f"{path} cannot be read: {getattr(fault, 'strerror', 'it is no text')}",
        hint="the service's user has to be able to read it, and nobody else; or systemd hands it over",
    )


def _asked(ask: Ask | None) -> str:
    if ask is None:
        raise SecretKeyError(
            "nobody is here to type the passphrase of the site's secrets",
            hint="start the service on a terminal; or secrets.passphrase_file, or a credential",
        )
    return ask()


def _stretched(state: Path, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    if len(passphrase) < SHORTEST:
        raise SecretKeyError(
            f"the passphrase of the site's secrets is shorter than {SHORTEST} characters",
            hint="four or five words that nobody would think of together",
        )
    kdf = _kdf(secrets_folder(state) / "passphrase.json")
    return Scrypt(salt=bytes.fromhex(kdf.salt), length=ROOT, n=kdf.n, r=kdf.r, p=kdf.p).derive(
        passphrase.encode()
    )


def _kdf(path: Path) -> _Kdf:
    try:
        return _Kdf.model_validate_json(path.read_text())
    except FileNotFoundError:
        made = _Kdf(salt=secrets.token_hex(16))
        write_secret(path, json.dumps(made.model_dump()) + "\n")
        return made
    except (ValidationError, UnicodeDecodeError) as fault:
        raise SecretKeyError(f"{path} is damaged", hint="restore it from a backup") from fault
