"""What this user's configuration knows of services: certificates, tokens, which is meant without --server."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from provisioner.errors import FileError
from provisioner.system import file_fault, outputs

OTHERS = 0o077  # the bits that nobody else may have


class KnownServer(BaseModel):
    """A service: the SHA-256 of its certificate; token and user while somebody is logged in."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    token: str = ""
    user: str = ""


class Logins(BaseModel):
    """The whole file. `current` is the URL that was logged in to last; servers are known by their URLs."""

    model_config = ConfigDict(frozen=True)

    current: str = ""
    servers: Mapping[str, KnownServer] = {}

    def find(self, url: str) -> KnownServer | None:
        """What is known of a service; None for nothing."""
        return self.servers.get(url)

    def with_server(self, url: str, server: KnownServer, *, current: str) -> "Logins":
        """With this of one service."""
        return Logins(current=current, servers={**self.servers, url: server})


def file() -> Path:
    """Where it lies (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "provisioner" / "logins.json"


def read() -> Logins:
    """What is known; nothing where there is no file. Raises FileError (PV-150)."""
    path = file()
    try:
        mode = path.stat().st_mode & 0o777
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
        return Logins.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Logins()
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    except ValidationError as fault:
        hint = "remove it, and log in again: provision login URL"
        raise FileError(f"{path} is not what provision login writes", hint=hint) from fault


def write(logins: Logins) -> None:
    """Replace the file; nobody else can read it from its first moment. Raises FileError (PV-150, PV-151)."""
    path = file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise file_fault.explained(fault, path.parent) from fault
    outputs.write(path, logins.model_dump_json(indent=1) + "\n", mode=0o600)
