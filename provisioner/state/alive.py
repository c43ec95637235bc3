"""When the worker last looked at the deployments: a file of the state folder."""

import os
from pathlib import Path


def alive_file(state: Path) -> Path:
    """Its modification time is when the worker last looked, by the service's clock."""
    return state / "worker.alive"


def mark_alive(state: Path, now: float) -> None:
    """The worker has looked at `now`, in seconds since 1970."""
    path = alive_file(state)
    path.touch()
    os.utime(path, (now, now))


def last_look(state: Path) -> float:
    """When the worker last looked, in seconds since 1970; 0 where it never did."""
    path = alive_file(state)
    return path.stat().st_mtime if path.exists() else 0.0
