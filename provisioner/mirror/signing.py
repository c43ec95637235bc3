"""The mirror's key and signatures, in OpenPGP because apt wants it; gpg with a home of its own each time."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from provisioner import run
from provisioner.errors import ProgramError, RefusedError
from provisioner.system import outputs

BIRTHDAY = "20260101T000000"  # every key's; so no lock is older than its key, whenever that was made
SECRET, PUBLIC = ".mirror-key", ".gpg"


def keygen(folder: Path, name: str) -> tuple[Path, Path]:
    """A new key pair `NAME.mirror-key` (0600, no password) and `NAME.gpg`, an Ed25519 key that apt reads.

    Raises RefusedError (PV-655) where one exists.
    """
    secret, public = folder / f"{name}{SECRET}", folder / f"{name}{PUBLIC}"
    for path in (secret, public):
        if path.exists():
            raise RefusedError(
                f"{path} exists already", hint="take another name; a lost key cannot be made again", code=655
            )
    with _home() as gpg:
        who = f"Site mirror {name}"
        gpg("--faked-system-time", f"{BIRTHDAY}!", "--quick-gen-key", who, "ed25519", "sign", "never")
        with outputs.staging(folder, secret.name, public.name) as stage:
            (stage / secret.name).touch(mode=0o600)
            (stage / secret.name).write_bytes(gpg("--armor", "--export-secret-keys"))
            (stage / public.name).write_bytes(gpg("--export"))
            (stage / public.name).chmod(0o644)
    return secret, public


class Signer:
    """Signs with one key, as if it were always the same moment: the same bytes have the same signature."""

    def __init__(self, key: Path, moment: str) -> None:
        """`moment` in RFC 3339, UTC. Raises RefusedError (PV-655) where the key cannot be used."""
        self._key = key
        self._time = datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        if not key.is_file():
            raise RefusedError(f"{key}: no such key", hint="provision mirror keygen NAME", code=655)

    def public(self) -> bytes:
        """The public key, binary, as apt's `Signed-By` reads it. Raises RefusedError (PV-655)."""
        return self._with_key("--export")

    def detached(self, path: Path) -> bytes:
        """An armoured detached signature of a file (RFC 9580). Raises RefusedError (PV-655)."""
        return self._with_key("--armor", "--detach-sign", "--output", "-", str(path))

    def inline(self, path: Path) -> bytes:
        """A file with its cleartext signature (RFC 9580, 7), as InRelease. Raises RefusedError (PV-655)."""
        return self._with_key("--clearsign", "--output", "-", str(path))

    def _with_key(self, *words: str) -> bytes:
        try:
            with _home() as gpg:
                gpg("--import", str(self._key))
                return gpg("--faked-system-time", f"{self._time}!", "--digest-algo", "SHA512", *words)
        except ProgramError as fault:
            raise RefusedError(
                f"{self._key.name} does not sign: {fault}",
                hint="give NAME.mirror-key of provision mirror keygen",
                code=655,
            ) from fault


def verify(keyring: Path, signature: Path, signed: Path | None = None) -> str:
    """Empty where a key of the keyring made the signature, else gpgv's reason. `signed` None: InRelease."""
    words = [signature, *([signed] if signed else [])]
    done = run.run(["gpgv", "--keyring", keyring.absolute(), *words], check=False)
    if done.returncode == 0:
        return ""
    return done.stderr.decode(errors="replace").strip().splitlines()[-1].removeprefix("gpgv: ")


class _Gpg:
    def __init__(self, home: str) -> None:
        self._home = home

    def __call__(self, *words: str) -> bytes:
        quiet = ["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        return run.run(["gpg", "--homedir", self._home, *quiet, *words]).stdout


@contextmanager
def _home() -> Iterator[_Gpg]:
    """gpg in a home that goes away, with the agent that it starts."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:  # 0700, and short: the agent's socket lies there
        try:
            yield _Gpg(home)
        finally:
            run.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
