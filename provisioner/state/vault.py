"""The site's secrets before it serves: the key is found, plain files are encrypted, missing keys made."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from provisioner.domain.audit import Entry, Kind
from provisioner.imaging import signature
from provisioner.settings import Settings
from provisioner.state import audit, secret_keys
from provisioner.state.database import Database
from provisioner.state.sealed_secrets import AUDIT_KEY, BMC_LOGIN, CERTIFICATE_KEY, SITE, SSH_KEY
from provisioner.state.secrets import LOGIN, secrets_folder, signing_public_file, write_secret
from provisioner.system import ed25519
from provisioner.system.sealed_box import Opener

FORMER_SSH_KEY, FORMER_SIGNING_KEY = "deploy_ed25519", "site.key"  # files of earlier releases
Say = Callable[[str], None]


def prepare(
    settings: Settings,
    database: Database,
    now: float,
    *,
    environment: Mapping[str, str] | None = None,
    say: Say = lambda sentence: None,
    ask: secret_keys.Ask | None = None,
) -> Opener:
    """The private keys, once every secret of the site is encrypted for the first of them.

    `now` in seconds since 1970; of `environment` systemd's CREDENTIALS_DIRECTORY counts. May be called again
    at any time, and is right after a crash at any point.
    Raises SecretKeyError (PV-695 to 697), DiskFullError (PV-609).
    """
    opener = secret_keys.unlock(settings, environment=environment or {}, ask=ask, say=say)
    _adopt_files(settings.state, database, now, say)
    _make_keys(settings.state, database, now)
    if any(key != opener.key_id and opener.has(key) for key in database.secrets.by_key()):
        with database.writing():
            count = database.secrets.encrypt_anew(opener, now)
            sentence = f"{count} secrets were encrypted for the key {opener.key_id}"
            audit.record(database, Entry(kind=Kind.SECRET_WRITTEN, time=now, by="service", sentence=sentence))
        say(sentence)
    _forget_former_key(database)
    return opener


def _forget_former_key(database: Database) -> None:
    """The key that an earlier release had for all deployments, once none is under way that has no own one."""
    own = set(database.secrets.names(SSH_KEY))
    if SITE in own and all(row.id in own for row in database.deployments.under_way()):
        with database.writing():
            database.secrets.remove(SSH_KEY, SITE)


def _adopt_files(state: Path, database: Database, now: float, say: Say) -> None:
    """Secrets that earlier releases kept as plain files: into the database, then away."""
    found = list(_plain_files(secrets_folder(state)))
    if not found:
        return
    with database.writing():
        for path, kind, name, public in found:
            if database.secrets.has(kind, name):  # a crash has left the file, or somebody has put it back
                continue
            database.secrets.put(kind, name, path.read_text(), now=now, public=public)
            what = f"{kind} {name}"
            entry = Entry(kind=Kind.SECRET_WRITTEN, time=now, by="service", what=what, sentence="was a file")
            audit.record(database, entry)
    for path, *_ in found:
        _shred(path)
    (secrets_folder(state) / f"{FORMER_SSH_KEY}.pub").unlink(missing_ok=True)
    say(f"what was secret in {secrets_folder(state)} is encrypted now, in the database: {len(found)} files")


def _plain_files(folder: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Each with its kind, name and public half."""
    for path in sorted(folder.glob(f"*{LOGIN}")):
        if path.is_file() and _is_login(path):
            yield path, BMC_LOGIN, path.name.removesuffix(LOGIN), ""
    if (path := folder / FORMER_SSH_KEY).is_file():
        public = path.with_suffix(".pub")
        yield path, SSH_KEY, SITE, public.read_text().strip() if public.is_file() else ""
    if (path := folder / FORMER_SIGNING_KEY).is_file():
        yield path, CERTIFICATE_KEY, SITE, ""


def _is_login(path: Path) -> bool:
    try:
        login = json.loads(path.read_text())
        return isinstance(login["user"], str) and isinstance(login["password"], str)
    except (ValueError, KeyError, TypeError):
        return False


def _shred(path: Path) -> None:
    """Overwrite and remove: on a medium that writes in place nothing of it is left."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _make_keys(state: Path, database: Database, now: float) -> None:
    """The keys of which a site has one; a certificate's that was lost is not replaced unasked."""
    secrets = database.secrets
    if not secrets.has(AUDIT_KEY, SITE):
        private, public = ed25519.make()
        with database.writing():
            secrets.put(AUDIT_KEY, SITE, private, now=now, public=public)
    if not secrets.has(CERTIFICATE_KEY, SITE) and not signing_public_file(state).exists():
        _make_signing_key(state, database, now)


def _make_signing_key(state: Path, database: Database, now: float) -> None:
    """By minisign, which writes files: in memory (tmpfs) where this machine has that."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made there
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        private, public = signature.keygen(Path(folder), "site")
        with database.writing():
            database.secrets.put(CERTIFICATE_KEY, SITE, private.read_text(), now=now)
        write_secret(signing_public_file(state), public.read_text())
        _shred(private)
