"""A cube's own scripts, but for that of NVML, say what a healthy cube shows: this machine is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.system import shipped
from tests.healthy_gpus import FACTS, evidence
from tests.wire import nvmllab

MAC = "52:54:00:00:00:01"
CUBE = FACTS.model_copy(
    update={"memory": 1 << 40, "macs": (MAC,), "root_disks": ({"name": "nvme0n1", "serial": "S5XX"},)}
)


def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the scripts into a folder, from which they are run; each may be changed there."""
    write(folder)
    stand_in(folder, monkeypatch)


def write(folder: Path) -> None:
    """The scripts."""
    shown = evidence().gpu
    uuids = [gpu["nvmlDeviceGetUUID"] for gpu in nvmllab.load("healthy")["gpus"]]
    said: dict[str, Any] = {
        "facts.py": CUBE.model_dump(mode="json", warnings=False),
        "pcie.py": shown.pcie and shown.pcie.model_dump(mode="json"),
        "kernel_log.py": shown.kernel_log and shown.kernel_log.model_dump(mode="json"),
        "firmware.py": shown.firmware and shown.firmware.model_dump(mode="json"),
        "containers.py": {"state": "ok", "before": uuids, "after": uuids},
    }
    for name, what in said.items():
        (folder / name).write_text(f"print({json.dumps(what)!r})\n")


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts of a folder be run in place of a cube's."""
    whole = shipped.file

    def find(name: str, path: str) -> Path:
        own = folder / Path(path).name
        return own if name == "ansible" and own.exists() else whole(name, path)

    monkeypatch.setattr(shipped, "file", find)
