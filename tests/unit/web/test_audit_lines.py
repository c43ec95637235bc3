"""What operators ask for is a line of the audit where it changes something, with who asked by which door."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.domain.audit import Line
from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.requests import BmcFault, BmcResult
from provisioner.web.application import create_app
from provisioner.web.machines import refusals
from provisioner.worker import bmc_requests
from tests.access import token_of
from tests.logins import put_login

Told = list[tuple[str, str, str, str]]


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(refusals, "LOOK", 3600.0)  # written when the test says so
    (site.settings.state / "images").mkdir()
    bmc = Bmc(driver="ipmi", address="127.0.0.1", port=9, secret="rack")  # type: ignore[arg-type]
    host = site.database.hosts.get("vc-1").model_copy(update={"bmc": bmc})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "api").test_client()


def ask(client: FlaskClient, method: str, path: str, body: dict[str, object] | None = None) -> int:
    reply = client.open(
        f"{ROOT}{path}",
        method=method,
        json=body or {},
        headers=headers(site_of(client)),
        environ_base={"REMOTE_ADDR": "10.77.0.200"},
    )
    client.application.config["REFUSALS"].write()
    return reply.status_code


def site_of(client: FlaskClient) -> Site:
    site: Site = client.application.config["SITE"]
    return site


def headers(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(site)}"}


def told(site: Site) -> Told:
    lines = [Line.model_validate_json(raw) for raw in site.database.audit.lines(1, 100)]
    assert {line.address for line in lines if line.door == "token"} <= {"10.77.0.200"}
    return [
        (line.kind.value, line.door, line.what, line.result) for line in lines if line.kind != "inventory"
    ]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"action": "power", "argument": "off"}, "bmc power off"),
        ({"action": "boot", "argument": "network"}, "bmc boot network"),
        ({"action": "identify", "argument": "on"}, "bmc identify on"),
        ({"action": "rotate"}, "bmc rotate"),
    ],
)
def test_what_is_done_at_a_bmc_is_told_twice_when_ordered_and_when_done(
    site: Site, client: FlaskClient, body: dict[str, object], what: str
) -> None:
    assert ask(client, "POST", "/bmc", {"host": "vc-1", **body}) == 200
    assert told(site) == [("power", "token", what, "done")]
    [request] = site.database.requests.open()
    bmc_requests.answer(site, request.id)  # its login was never given
    assert told(site)[1:] == [("power", "worker", what, "failed")]


@pytest.mark.parametrize(
    "body",
    [{"action": "test"}, {"action": "power", "argument": "state"}, {"action": "boot"}, {"action": "sensors"}],
)
def test_who_only_looks_at_a_bmc_changes_nothing(
    site: Site, client: FlaskClient, body: dict[str, object]
) -> None:
    assert ask(client, "POST", "/bmc", {"host": "vc-1", **body}) == 200
    [request] = site.database.requests.open()
    fault = BmcFault(message="x", hint="", code=201, exit=5)
    site.database.requests.answer(request.id, BmcResult(error=fault))
    assert told(site) == []


def test_a_login_and_an_image_that_are_taken_away_are_told(site: Site, client: FlaskClient) -> None:
    put_login(site, "spare", "root", "pw")
    assert ask(client, "PUT", "/secrets/other", {"user": "root", "password": "pw"}) == 200
    assert ask(client, "POST", "/secrets/spare/remove", {"dry_run": True}) == 200
    assert ask(client, "POST", "/secrets/spare/remove") == 200
    profile = site.database.profiles.get("cube").model_copy(update={"image": ""})
    site.database.put_inventory([], [profile], site.settings.hosts_range)
    assert ask(client, "POST", "/images/vault-os@1/remove") == 200
    assert told(site) == [
        ("secret.written", "socket", "bmc.login spare", "done"),
        ("secret.written", "token", "bmc.login other", "done"),
        ("secret.removed", "token", "bmc.login spare", "done"),
        ("image", "token", "removed", "done"),
    ]


def test_what_is_refused_is_told_once_and_counted(site: Site, client: FlaskClient) -> None:
    put_login(site, "rack", "root", "pw")
    for _ in range(5):
        assert ask(client, "POST", "/secrets/rack/remove") == 409
    assert told(site)[1:] == [("order.refused", "token", "secrets.remove_login rack", "refused")]


def test_who_reads_it_gets_what_is_kept(site: Site, client: FlaskClient) -> None:
    put_login(site, "rack", "root", "pw")
    shown = headers(site)
    lines = client.get(f"{ROOT}/audit/lines", headers=shown).json
    assert [f"{line}\n".encode() for line in lines["lines"]] == site.database.audit.lines(0, 10)
    newest = client.get(f"{ROOT}/audit?kind=secret&limit=1", headers=shown).json
    assert newest["lines"] == lines["lines"][-1:]
    assert client.get(f"{ROOT}/audit/heads", headers=shown).json["heads"] == []
