"""Whose each address is, as `GET /net/leases` tells it."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from provisioner.state.leases import LeaseRow
from provisioner.state.notify import Listener
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.web.application import create_app
from provisioner.web.operators import authorization
from tests.unit.conftest import ADMIN, MAC, Clock

STRANGER, OTHER, BMC = "52:54:00:00:00:0a", "52:54:00:00:00:0b", "52:54:00:00:00:0c"


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(authorization, "_caller", lambda: ADMIN)
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "api").test_client()


def leases(client: FlaskClient) -> list[Any]:
    answer = client.get(f"{ROOT}/net/leases")
    assert answer.status_code == 200
    return list(answer.get_json()["leases"])


def see(site: Site, mac: str, address: str) -> None:
    packet = ClientPacket(mac=mac)
    site.database.sightings.put([NewSighting(mac, site.clock() - 5, 1, address, packet)])


def test_fixed_addresses_and_leases_are_listed_by_address(
    site: Site, clock: Clock, client: FlaskClient
) -> None:
    host = site.database.hosts.get("vc-1")
    bmc = Bmc(driver="ipmi", mac=BMC, secret="lab")
    site.database.put_inventory([host.model_copy(update={"bmc": bmc})], [], site.settings.hosts_range)
    rows = [
        LeaseRow(STRANGER, "10.77.0.130", clock.now + 60, bound=True),
        LeaseRow(OTHER, "10.77.0.129", clock.now + 60, bound=False),
        LeaseRow("52:54:00:00:00:0d", "10.77.0.131", clock.now - 1, bound=True),
    ]
    site.database.leases.put(rows)
    see(site, MAC, "10.77.0.64")
    found = leases(client)
    assert [(row["address"], row["kind"], row["host"], row["role"]) for row in found] == [
        ("10.77.0.64", "fixed", "vc-1", "host"),
        ("10.77.0.65", "fixed", "vc-1", "bmc"),
        ("10.77.0.129", "offered", "", ""),
        ("10.77.0.130", "leased", "", ""),
    ]
    assert [row["last_seen"] for row in found] == [clock.now - 5, 0, 0, 0]
    assert [row["expires"] for row in found] == [0, 0, clock.now + 60, clock.now + 60]


def test_where_another_server_gives_them_what_was_seen_is_told(site: Site, client: FlaskClient) -> None:
    dhcp = site.settings.dhcp.model_copy(update={"mode": "proxy"})
    site.settings = site.settings.model_copy(update={"dhcp": dhcp})
    see(site, MAC, "10.77.0.200")
    see(site, STRANGER, "")
    assert [(row["address"], row["kind"], row["host"]) for row in leases(client)] == [
        ("10.77.0.200", "seen", "vc-1")
    ]
