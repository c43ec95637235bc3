"""A deployment over each dialect of IPMI that was met in the field: its host boots from the network."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from tests.ports import free_port
from tests.unit.conftest import Clock, clock, site
from tests.wire.power.deploylab import powered, reaches_netbooting, story
from tests.wire.power.forkslab import Forks, acts, forks
from tests.wire.power.programs import ipmi_bmc

__all__ = ["acts", "clock", "forks", "site"]
HERE = "127.0.0.1"
LOGIN = ("provision", "lab-secret")


@contextmanager
def serving(acts: Forks, dialect: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """Its port, and the file in which its machine's starts are written."""
    port = free_port()
    starts = folder / "starts"
    user, password = LOGIN
    wanted = {"port": port, "dialect": dialect, "starts": str(starts), "user": user, "password": password}
    with acts.asking({"do": "bmc", **wanted}):
        until = time.monotonic() + 30
        while not starts.exists():
            assert time.monotonic() < until, f"the BMC {dialect} does not start"
            time.sleep(0.02)  # the file appears without an event that we could await
        yield port, starts


def deployed(site: Site, clock: Clock, port: int) -> Deployment:
    return powered(site, clock, Bmc(driver="ipmi", address=HERE, port=port, console="none"), LOGIN)


@pytest.mark.parametrize("dialect", ipmi_bmc.reaching(), ids=lambda dialect: dialect.__name__)
def test_a_deployment_reaches_netbooting(
    dialect: type[ipmi_bmc.Bmc], site: Site, clock: Clock, acts: Forks, tmp_path: Path
) -> None:
    with serving(acts, dialect.__name__, tmp_path) as (port, starts):
        row = deployed(site, clock, port)
    told = story(site, row)
    assert row.last_event == "power.on", told
    began = starts.read_text().split()
    assert set(began) == {"network"} and (len(began) == 1 or dialect.starts_again), (began, told)
    assert reaches_netbooting(site, row)


@pytest.mark.parametrize(
    ("dialect", "code", "words"),
    [
        (ipmi_bmc.UserOnly, 213, "forbids"),
        (ipmi_bmc.NoPowerOrders, 213, "insufficient privilege"),
        (ipmi_bmc.NoSuiteOfOurs, 207, "No Cipher suite match"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_what_is_refused_for_good_ends_it_in_words(
    dialect: type[ipmi_bmc.Bmc], code: int, words: str, site: Site, clock: Clock, acts: Forks, tmp_path: Path
) -> None:
    with serving(acts, dialect.__name__, tmp_path) as (port, starts):
        row = deployed(site, clock, port)
    assert (row.stage, row.code) == ("failed", code), story(site, row)
    assert words in row.reason and starts.read_text() == ""


def test_a_host_whose_bmc_sets_no_boot_device_is_powered_with_a_note(
    site: Site, clock: Clock, acts: Forks, tmp_path: Path
) -> None:
    with serving(acts, "NoBootOptions", tmp_path) as (port, starts):
        row = deployed(site, clock, port)
    told = story(site, row)
    assert row.last_event == "power.on" and starts.read_text().split() == ["disk"], told
    assert "put the network first in its firmware's own boot order" in told[-1]
