"""One process at a time may be something of a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import ServiceError
from provisioner.state.disk_usage import unusable


@contextmanager
def exclusive(state: Path, who: str, file: str) -> Iterator[None]:
    """Be the only `who` ("worker") that works on the state folder, by a lock on `file` in it.

    The kernel forgets a process that ends. Raises ServiceError (PV-606 another one is, PV-613 the folder
    cannot be used), DiskFullError (PV-609).
    """
    with _locked(state, who, file, fcntl.LOCK_EX):
        yield


@contextmanager
def shared(state: Path, who: str, file: str) -> Iterator[None]:
    """Be one of several that work on the state folder while none has it for itself. Raises likewise."""
    with _locked(state, who, file, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(state: Path, who: str, file: str, kind: int) -> Iterator[None]:
    try:
        opened = (state / file).open("w")
    except OSError as fault:
        raise unusable(state, fault) from fault
    with opened as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except OSError as fault:
            raise ServiceError(
                f"another {who} works on {state} already",
                hint="stop it, or give another --state",
                code=606,
            ) from fault
        os.set_inheritable(lock.fileno(), False)
        yield
