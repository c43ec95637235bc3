"""What machines are told when nothing can be written down, or when nobody can read what was ordered."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.wsgi import FileWrapper

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.stage import Stage
from provisioner.errors import BusyError, DiskFullError, NotNowError
from provisioner.site.site import Site
from provisioner.state.connection import Connection
from provisioner.state.notify import Listener
from provisioner.state.throughput import ThroughputFile
from provisioner.web.application import create_app

OWN = {"REMOTE_ADDR": "10.77.0.64"}  # vc-1's address
UUID = "00112233-4455-6677-8899-aabbccddee01"
SCRIPT = "/boot/52-54-00-00-00-01/boot.ipxe?arch=x86_64"


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener).test_client()


@pytest.fixture
def row(site: Site) -> Deployment:
    """One whose machine may say hello."""
    made = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, made.id, SlotGiven(), source="worker")
    return record(site, made.id, PowerBegan(nonce="n-1"), source="worker")


def hello() -> dict[str, object]:
    mac = "52:54:00:00:00:01"
    about = {"serial": "", "uuid": "", "memory": 1, "version": "0", "disks": [], "nics": []}
    return {"nonce": "n-1", "boot_id": "boot-1", "mac": mac, "macs": [mac], **about}


@pytest.mark.parametrize("fault", [DiskFullError("the disk is full"), BusyError("somebody holds it")])
def test_a_machine_comes_again_and_its_order_is_not_lost(
    site: Site, client: FlaskClient, row: Deployment, monkeypatch: pytest.MonkeyPatch, fault: NotNowError
) -> None:
    def writing(_: Connection) -> None:
        raise fault

    with monkeypatch.context() as full:
        full.setattr(Connection, "writing", writing)
        script = client.get(SCRIPT, environ_base=OWN)
        assert script.status_code == 200 and b"pv.nonce=n-1" in script.data, "to read it needs no room"
        script.close()  # upon which it would be noted
        told = client.post("/agent/v1/hello", json=hello(), environ_base=OWN)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
        stranger = client.get(
            "/boot/52-54-00-00-00-77/boot.ipxe", environ_base={"REMOTE_ADDR": "10.77.0.130"}
        )
        assert stranger.status_code == 200 and b"local.efi" in stranger.data
    assert site.database.deployments.get(row.id).stage == Stage.POWERING
    told = client.post("/agent/v1/hello", json=hello(), environ_base=OWN)
    assert told.status_code == 200 and told.get_json()["token"]


def test_who_would_be_told_what_nobody_can_read_is_a_stranger(
    site: Site, client: FlaskClient, row: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    token = client.post("/agent/v1/hello", json=hello(), environ_base=OWN).get_json()["token"]
    site.database.db.conn.execute("UPDATE deployments SET progress = '{'")
    script = client.get(SCRIPT, environ_base=OWN)
    assert script.status_code == 200 and b"local.efi" in script.data and b"nonce" not in script.data
    message = {"deployment": row.id, "attempt": 1, "seq": 1, "lines": ["x"]}
    headers = {"Authorization": f"Bearer {token}"}
    for path, body in (("/agent/v1/hello", hello()), ("/agent/v1/log", message)):
        told = client.post(path, json=body, environ_base=OWN, headers=headers)
        assert (told.status_code, told.data) == (404, b"not found\n")
    assert f"the deployment {row.id} cannot be read" in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "serial", "uuid"),
    [
        ({"serial": "<BAD INDEX>\x1b[2J", "uuid": UUID}, "", UUID),
        ({"serial": "S1", "uuid": "\x00" * 3}, "S1", ""),
        ({"serial": "\x07", "uuid": "\u202e"}, "", ""),
        ({"serial": "S1", "uuid": UUID}, "S1", UUID),
    ],
)
def test_a_number_that_is_damaged_takes_nothing_from_the_other(
    site: Site, client: FlaskClient, row: Deployment, asked: dict[str, str], serial: str, uuid: str
) -> None:
    path = SCRIPT.partition("?")[0]
    client.get(path, query_string={"arch": "x86_64", **asked}, environ_base=OWN).close()
    reads = site.database.deployments.get(row.id).script
    assert (reads.reads, reads.serial, reads.uuid) == (1, serial, uuid)


class Broken:
    """A site of which nothing can be had: stands for whatever nobody expected."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"nobody expected that {name} fails")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/agent/v1/hello"),
        ("POST", "/agent/v1/inventory"),
        ("POST", "/agent/v1/progress"),
        ("POST", "/phone-home/v1"),
        ("GET", "/boot/files/vmlinuz"),
        ("GET", "/images/a/pack"),
        ("GET", "/autoinstall/52-54-00-00-00-01/n/user-data"),
        ("GET", "/mirror/dists"),
        ("GET", "/nothing/here"),
    ],
)
def test_an_error_of_ours_tells_a_machine_to_come_again_and_nothing_of_us(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    client.application.config["SITE"] = Broken()
    told = client.open(path, method=method, json={} if method == "POST" else None, environ_base=OWN)
    assert (told.status_code, told.data, told.mimetype) == (503, b"not now\n", "text/plain")
    assert told.headers["Retry-After"] == "5"
    assert "nobody expected" in caplog.text, "and the log says what it was"


def test_a_boot_script_is_an_answer_whatever_went_wrong(client: FlaskClient) -> None:
    client.application.config["SITE"] = Broken()
    told = client.get(SCRIPT, environ_base=OWN)
    assert (told.status_code, told.data) == (200, b"#!ipxe\nexit 1\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", SCRIPT), ("TRACE", SCRIPT), ("GET", "/agent/v1/hello"), ("PUT", "/nothing"), ("GET", "/x//")],
)
def test_whatever_is_wrong_with_a_request_it_is_answered_alike(
    client: FlaskClient, method: str, path: str
) -> None:
    told = client.open(path, method=method, environ_base=OWN)
    assert (told.status_code, told.data, told.mimetype) == (404, b"not found\n", "text/plain")
    assert "Allow" not in told.headers


@pytest.mark.parametrize(
    ("headers", "status", "size"),
    [
        ({}, 200, 1000),
        ({"Range": "bytes=10-19"}, 206, 10),
        ({"Range": "bytes=-5"}, 206, 5),
        ({"Range": "bytes=10-19, 30-39"}, 200, 1000),  # several: not done, so ignored
        ({"Range": "lines=1-2"}, 200, 1000),
        ({"Range": "bytes=1000-"}, 416, 0),
        ({"Range": "bytes=10-19", "If-Range": '"of-another-day"'}, 200, 1000),
        ({"Range": "bytes=10-19", "If-Range": "Sat, 28 Nov 2026 00:00:00 GMT"}, 200, 1000),
    ],
)
def test_a_file_is_sent_whole_unless_one_part_of_this_very_file_is_wanted(
    site: Site, client: FlaskClient, headers: dict[str, str], status: int, size: int
) -> None:
    folder = site.settings.state / "ramdisk"
    folder.mkdir(exist_ok=True)
    (folder / "vmlinuz").write_bytes(bytes(range(250)) * 4)
    server = OWN | {"wsgi.file_wrapper": FileWrapper}
    told = client.get("/boot/files/vmlinuz", headers=headers, environ_base=server)
    assert (told.status_code, told.headers["Content-Length"]) == (status, str(size))
    told.close()
    head = client.head("/boot/files/vmlinuz", headers=headers, environ_base=OWN)
    assert (head.status_code, head.headers["Content-Length"], head.data) == (200, "1000", b"")


def test_how_quickly_a_disk_is_written_is_kept_as_it_goes(
    site: Site, client: FlaskClient, row: Deployment
) -> None:
    told = client.post("/agent/v1/hello", json=hello(), environ_base=OWN).get_json()
    headers = {"Authorization": f"Bearer {told['token']}"}
    for seq, done in ((1, 1 << 20), (2, 3 << 20), (2, 3 << 20)):
        report = {"deployment": row.id, "attempt": 1, "seq": seq, "phase": "writing"}
        body = {**report, "done": done, "total": 1 << 30, "rate": 1e6, "note": "", "disk": "vda"}
        assert (
            client.post("/agent/v1/progress", json=body, headers=headers, environ_base=OWN).status_code == 200
        )
    kept = ThroughputFile(site.settings.state, row.id).read()
    assert [(sample.attempt, sample.done, sample.rate) for sample in kept] == [
        (1, 1 << 20, 1e6),
        (1, 3 << 20, 1e6),
    ]
