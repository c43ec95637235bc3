"""That an armed host has fetched kernel and ramdisk is written down, and nobody else's fetching."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.wsgi import FileWrapper

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.netboot import DhcpSeen, FileServed
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.errors import DiskFullError
from provisioner.site.site import Site
from provisioner.state.connection import Connection
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from tests.unit.conftest import hello_of

OWN = "10.77.0.64"


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    (site.settings.state / "ramdisk").mkdir()
    for name in ("vmlinuz", "initrd.img", "local.efi"):
        (site.settings.state / "ramdisk" / name).write_bytes(b"x")
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener).test_client()


@pytest.fixture
def row(site: Site) -> Deployment:
    made = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, made.id, SlotGiven(), source="worker")
    record(site, made.id, PowerBegan(nonce="n-1"), source="worker")
    return record(site, made.id, DhcpSeen(), source="dhcp")


def fetch(client: FlaskClient, name: str, address: str = OWN, method: str = "GET") -> int:
    environ = {"REMOTE_ADDR": address, "wsgi.file_wrapper": FileWrapper}
    reply = client.open(f"/boot/files/{name}", method=method, environ_base=environ)
    reply.get_data()
    reply.close()
    return reply.status_code


def fetched(site: Site, row: Deployment) -> list[tuple[str, int]]:
    events = [event.data for event in site.database.events.of(row.id)]
    return [(data.name, data.count) for data in events if isinstance(data, FileServed)]


def test_an_armed_hosts_kernel_and_ramdisk_are_written_down(
    site: Site, client: FlaskClient, row: Deployment
) -> None:
    for name in ("vmlinuz", "vmlinuz", "initrd.img", "local.efi"):
        assert fetch(client, name) == 200
    assert fetched(site, row) == [("vmlinuz", 2), ("initrd.img", 1)]
    assert site.database.deployments.get(row.id).last_event == "file.served"


def test_nobody_elses_are(site: Site, client: FlaskClient, row: Deployment) -> None:
    assert fetch(client, "vmlinuz", address="10.77.0.201") == 200
    assert fetch(client, "vmlinuz", method="HEAD") == 200
    assert fetched(site, row) == []
    record(site, row.id, hello_of("n-1"), source="agent")
    assert fetch(client, "vmlinuz") == 200
    assert fetched(site, row) == []


def test_it_is_served_all_the_same_where_nothing_can_be_written(
    site: Site, client: FlaskClient, row: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writing(_: Connection) -> None:
        raise DiskFullError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(Connection, "writing", writing)
        assert fetch(client, "vmlinuz") == 200
    assert fetched(site, row) == []
