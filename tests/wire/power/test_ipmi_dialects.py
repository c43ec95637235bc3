"""A deployment over each dialect of IPMI that was met in the field: its host boots from the network."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner import run
from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from tests.unit.conftest import Clock, clock, site
from tests.wire.power.deploylab import powered, reaches_netbooting, story
from tests.wire.power.programs import ipmi_bmc

__all__ = ["clock", "site"]
HERE = "127.0.0.1"
LOGIN = ("provision", "lab-secret")


@contextmanager
def serving(dialect: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """Its port, and the file in which its machine's starts are written."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HERE, 0))
        port = free.getsockname()[1]
    starts = folder / "starts"
    argv = [sys.executable, ipmi_bmc.__file__, str(port), dialect, starts, *LOGIN]
    with run.running(argv, log=folder / "bmc.log") as process:
        until = time.monotonic() + 30
        while not starts.exists():
            assert process.poll() is None and time.monotonic() < until, (folder / "bmc.log").read_text()
            time.sleep(0.05)  # the file appears without an event that we could await
        yield port, starts


@pytest.mark.parametrize("dialect", ipmi_bmc.names())
def test_a_deployment_reaches_netbooting(dialect: str, site: Site, clock: Clock, tmp_path: Path) -> None:
    with serving(dialect, tmp_path) as (port, starts):
        row = powered(site, clock, Bmc(driver="ipmi", address=HERE, port=port, console="none"), LOGIN)
    told = story(site, row)
    assert row.last_event == "power.on", told
    assert starts.read_text().split() == ["network"], told
    assert reaches_netbooting(site, row)
