"""Who is alive, as files of the state folder say: when the worker looked, who serves without a parent."""

import json
import os
from pathlib import Path

from provisioner.system.clock import BOOT_ID

SILENT = 60.0  # seconds: the worker looks every two, and may wait for a full disk or a held database


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


class ServingMark:
    """A file that is there while a process of a service serves: who finds one has taken another's place."""

    def __init__(self, state: Path, service: str) -> None:
        self._path = state / f"process-{service}.json"
        self._boot = BOOT_ID.read_text().strip()

    def set(self) -> None:
        """We serve now."""
        self._path.write_text(json.dumps({"boot": self._boot, "process": os.getpid()}))

    def remove(self) -> None:
        """We end as we were told."""
        self._path.unlink(missing_ok=True)

    def process(self) -> int:
        """The process that has set it in this boot of the machine, whether it lives or not; 0 for none."""
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return 0
        is_ours = isinstance(found, dict) and found.get("boot") == self._boot
        return int(found.get("process", 0)) if is_ours else 0
