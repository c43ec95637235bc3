"""Drivers whose acts are done in forks of one process, at the tests' pace: programs/forks.py does them."""

import json
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner import run
from provisioner.power import process

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.wire.power.programs.forks"


class Forks:
    """Stands in for what starts such forks in the service (provisioner/power/acts.py)."""

    def __init__(self, place: Path) -> None:
        self._place = str(place)

    def perform(self, driver: str, request: bytes, limit: float) -> bytes:
        """As `Acts.perform`."""
        with self.asking({"do": "act", "driver": driver, "request": json.loads(request)}) as line:
            line.settimeout(limit)
            return line.makefile("rb").read()

    @contextmanager
    def asking(self, request: Mapping[str, object]) -> Iterator[socket.socket]:
        """A fork that has this request."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self._place)
            line.sendall(json.dumps(request).encode() + b"\n")
            yield line


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The process, as long as the module's tests last."""
    place = tmp_path_factory.mktemp("forks") / "s"
    started = run.start([sys.executable, "-m", PROGRAM, place], stdout=run.PIPE, cwd=ROOT)
    try:
        assert started.stdout and started.stdout.readline() == b"ready\n"
        yield Forks(place)
    finally:
        run.stop(started)
        if started.stdout:
            started.stdout.close()


@pytest.fixture
def acts(forks: Forks, monkeypatch: pytest.MonkeyPatch) -> Forks:
    """Drivers do their acts in the forks."""
    monkeypatch.setattr(process, "ACTS", forks)
    return forks
