"""What is written down of who asked for a boot script, and what people read of it."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentRebooting, AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.request import RequestRefused
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from tests.unit.conftest import Clock, hello_of


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener).test_client()


def ask(client: FlaskClient, query: str = "", address: str = "10.77.0.64") -> str:
    """One script; what is noted of it is noted when it has left."""
    path = f"/boot/52-54-00-00-00-01/boot.ipxe{query}"
    reply = client.get(path, environ_base={"REMOTE_ADDR": address})
    text = reply.data.decode()
    reply.close()
    return text


def armed(site: Site) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    return record(site, row.id, PowerBegan(nonce="n-1"), source="worker")


def kinds(site: Site) -> list[str]:
    return [event.kind for event in site.database.events.of_host("vc-1", 100)]


def test_a_host_that_boots_in_circles_without_an_order_is_one_line_of_its_log(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    for number in range(10):
        assert "pv.nonce" not in ask(client)
        assert kinds(site) == (["netboot.looping"] if number > 2 else [])
        clock.now += 60
    [event] = site.database.events.of_host("vc-1", 10)
    assert event.describe().endswith("(7 times)") and "does that disk boot?" in event.describe()
    assert "pv.nonce" not in ask(client)
    armed(site)
    assert "pv.nonce=n-1" in ask(client), "whoever orders it has looked"


def test_a_host_that_tries_the_network_first_leaves_no_trace(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    for _ in range(30):
        ask(client)
        ask(client)
        clock.now += 3 * 3600
    assert kinds(site) == []


def test_strangers_put_no_host_into_a_loop(site: Site, client: FlaskClient, clock: Clock) -> None:
    for _ in range(30):
        ask(client, address="10.77.0.201")
        clock.now += 60
    assert kinds(site) == []


def refusals(site: Site, client: FlaskClient, row: Deployment) -> list[RequestRefused]:
    client.application.config["REFUSALS"].write()
    found = [event.data for event in site.database.events.of(row.id)]
    return [data for data in found if isinstance(data, RequestRefused)]


def test_who_is_refused_an_orders_script_is_in_its_log_and_in_what_is_said_at_the_end(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    host = site.database.hosts.get("vc-1").model_copy(update={"serial": "S1"})
    site.database.hosts.put(host)
    row = armed(site)
    row = record(site, row.id, DhcpSeen(), source="dhcp")
    assert "pv.nonce" not in ask(client, "?serial=S2")
    [refused] = refusals(site, client, row)
    assert (refused.serial, refused.address) == ("S2", "10.77.0.64")
    assert refused.sentence == "this machine says serial S2, the order is for S1"
    clock.now = row.deadline + 1
    ended = overdue(site, site.database.deployments.get(row.id))
    assert "was given its disk: this machine says serial S2, the order is for S1" in ended.sentence


def test_a_host_that_boots_the_network_instead_of_its_disk_is_named_as_that(
    site: Site, client: FlaskClient, clock: Clock
) -> None:
    row = armed(site)
    record(site, row.id, hello_of("n-1"), source="agent")
    record(site, row.id, AgentWritten(disk=WrittenDisk(name="vda")), source="agent")
    record(site, row.id, AgentRebooting(), source="agent")
    ask(client)
    assert [refused.sentence for refused in refusals(site, client, row)] == ["the deployment is restarting"]
    ended = overdue(site, site.database.deployments.get(row.id))
    assert "10.77.0.64 asked for its boot script instead and was given its disk" in ended.sentence
    assert ended.code == 411


def test_a_host_whose_deployment_cannot_be_read_gets_its_disk(site: Site, client: FlaskClient) -> None:
    row = armed(site)
    site.database.db.execute("UPDATE deployments SET progress = '{' WHERE id = ?", [row.id])
    assert "Boot this machine's own disk" in ask(client)
