"""`GET /deployments`: of which hosts, since when, how many."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from provisioner.web.operators import authorization
from tests.unit.conftest import ADMIN, Clock

DAY = 86400.0


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(authorization, "_caller", lambda: ADMIN)
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.fixture
def idents(site: Site, clock: Clock) -> list[str]:
    """Three deployments, a day between them: two of vc-1, cancelled; one of vc-2 in rack B3, under way."""
    first = site.database.hosts.get("vc-1")
    second = first.model_copy(update={"name": "vc-2", "macs": ("52:54:00:00:00:02",), "rack": "B3"})
    site.database.put_inventory([second], [], site.settings.hosts_range)
    image, made = site.database.images.all()[0], []
    for host in (second, first, first):
        row = arm(site, host, image, by="ann")
        if host is first:
            record(site, row.id, OrderCancelled(by="ann"), source="operator")
        made.append(row.id)
        clock.now += DAY
    return made


def listed(client: FlaskClient, **query: Any) -> list[str]:
    answer = client.get(f"{ROOT}/deployments", query_string=query)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.get_json()["deployments"]]


def test_all_are_listed_newest_first(client: FlaskClient, idents: list[str]) -> None:
    assert listed(client) == idents[::-1]
    assert listed(client, limit=2) == idents[:0:-1]


def test_what_is_older_is_left_out_unless_it_is_under_way(
    client: FlaskClient, idents: list[str], clock: Clock
) -> None:
    assert listed(client, since=clock.now - 1.5 * DAY) == [idents[2], idents[0]]
    assert listed(client, since=clock.now + 1) == [idents[0]]


@pytest.mark.parametrize(
    ("select", "numbers"),
    [
        ("name=vc-1", [2, 1]),
        ("rack=B3", [0]),
        ("state=cancelled", [2, 1]),
        ("state!=cancelled", [0]),
        ("image=vault-os@*,name=vc-*", [2, 1, 0]),
        ("name=nobody", []),
    ],
)
def test_those_of_some_hosts(client: FlaskClient, idents: list[str], select: str, numbers: list[int]) -> None:
    assert listed(client, select=select) == [idents[number] for number in numbers]


def test_a_limit_counts_what_fits(client: FlaskClient, idents: list[str]) -> None:
    assert listed(client, select="rack=B3", limit=1) == [idents[0]]


@pytest.mark.parametrize(
    ("query", "total"),
    [({}, 3), ({"limit": 1}, 3), ({"select": "name=vc-1", "limit": 1}, 2), ({"since": 1e11, "limit": 1}, 1)],
)
def test_a_list_says_how_many_fit(
    client: FlaskClient, idents: list[str], query: dict[str, Any], total: int
) -> None:
    answer = client.get(f"{ROOT}/deployments", query_string=query)
    assert answer.get_json()["total"] == total


@pytest.mark.parametrize("query", [{"limit": "many"}, {"limit": "-1"}, {"limit": 0}, {"since": "never"}])
def test_what_cannot_be_read_counts_as_not_given(
    client: FlaskClient, idents: list[str], query: dict[str, Any]
) -> None:
    assert listed(client, **query) == idents[::-1]


@pytest.mark.parametrize("select", ["nonsense", "x" * 2000, "colour=red"])
def test_a_selection_that_is_none_is_refused(client: FlaskClient, idents: list[str], select: str) -> None:
    answer = client.get(f"{ROOT}/deployments", query_string={"select": select})
    assert answer.status_code == 400 and answer.get_json()["error"]["code"] == 103
