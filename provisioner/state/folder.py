"""The state folder: what is in it before the service starts."""

import secrets
from pathlib import Path

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.state.secrets import (
    deployment_key_file,
    operator_token_file,
    secrets_folder,
    seed_key_file,
    write_secret,
)
from provisioner.system import outputs

FOLDERS = ("images", "keys", "ramdisk", "logs", "run")


def prepare_folder(state: Path) -> None:
    """Make the folders and keys that the service needs; what is there stays.

    Raises ServiceError (PV-613), FileError (PV-151) where there is no room for a key.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FOLDERS:
            (state / name).mkdir(exist_ok=True)
        secrets_folder(state).mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise ServiceError(f"the state folder {state} cannot be used: {fault.strerror}", code=613) from fault
    for path in (operator_token_file(state), seed_key_file(state)):
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(32) + "\n")
    key = deployment_key_file(state)
    if not key.exists():
        with outputs.staging(key.parent, key.name, f"{key.name}.pub") as stage:
            kind = ("-t", "ed25519", "-N", "", "-C", "provisioner")
            run.run(["ssh-keygen", "-q", *kind, "-f", stage / key.name])
