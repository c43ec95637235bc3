"""The state folder: what is in it before the service starts."""

import os
import secrets
import tempfile
from pathlib import Path

from provisioner import run
from provisioner.errors import ServiceError


def prepare_folder(state: Path) -> None:
    """Make the folders and keys that the service needs; idempotent. Raises ServiceError."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("images", "keys", "ramdisk", "logs", "run"):
            (state / name).mkdir(exist_ok=True)
        (state / "secrets").mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise ServiceError(f"the state folder {state} cannot be used: {fault.strerror}", code=613) from fault
    token = state / "secrets" / "operator.token"
    if not token.exists():
        _write_secret(token, secrets.token_urlsafe(32) + "\n")
    seeds = state / "secrets" / "seed.key"
    if not seeds.exists():
        _write_secret(seeds, secrets.token_urlsafe(32) + "\n")
    key = state / "secrets" / "deploy_ed25519"
    if not key.exists():
        run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provisioner", "-f", key])


def _write_secret(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # 0600 from its first moment
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(descriptor)
    Path(name).rename(path)
