"""What the service remembers."""

import os
import stat
import threading
import weakref
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from provisioner import settings as settings_module
from provisioner.domain.event import Event
from provisioner.domain.events.payload import Unknown
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Profile
from provisioner.domain.stage import Stage
from provisioner.errors import (
    Exit,
    NewerFolderError,
    NotFoundError,
    RefusedError,
    ServiceError,
    SettingsError,
)
from provisioner.settings import AddressRange
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.events import to_event
from provisioner.state.notify import Listener
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.state.sightings import ClientPacket, NewSighting

GOLDEN = Path(__file__).parents[2] / "golden"


def test_a_state_folder_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(NewerFolderError, match="newer release") as caught:
        Database(tmp_path).migrate()
    assert (caught.value.code, caught.value.exit) == (611, Exit.REFUSED)


def test_migrating_twice_changes_nothing_and_the_file_is_private(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    database.migrate()
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


def test_every_mac_keeps_one_address_of_its_own(site: Site) -> None:
    hosts = [
        Host(
            name=f"vc-{n}",
            macs=(f"52:54:00:00:01:{n:02x}",),
            profile="cube",
            bmc=Bmc(mac=f"52:54:00:00:02:{n:02x}"),
        )
        for n in range(20)
    ]
    site.database.put_inventory(hosts, [], site.settings.hosts_range)
    before = {mac: site.database.macs.get(mac) for host in hosts for mac in (*host.macs, host.bmc.mac or "")}
    site.database.put_inventory(list(reversed(hosts)), [], site.settings.hosts_range)
    assert {mac: site.database.macs.get(mac) for mac in before} == before
    addresses = [row.address for row in before.values() if row]
    assert len(set(addresses)) == 40
    assert site.database.hosts.by_mac("52:54:00:00:02:01") is None, "a BMC is no host"


def test_a_full_range_is_said_and_leaves_nothing_behind(site: Site) -> None:
    pool = AddressRange(first=IPv4Address("10.77.0.64"), last=IPv4Address("10.77.0.64"))
    with pytest.raises(RefusedError, match="no address is free") as caught:
        site.database.put_inventory(
            [Host(name="vc-9", macs=("52:54:00:00:00:09",), profile="cube")], [Profile(name="p9")], pool
        )
    assert caught.value.code == 614
    with pytest.raises(NotFoundError):
        site.database.hosts.get("vc-9")
    with pytest.raises(NotFoundError):
        site.database.profiles.get("p9")


def test_the_database_itself_refuses_two_deployments_of_one_host(site: Site) -> None:
    from provisioner.deployment.order import arm

    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    with pytest.raises(sqlite3.IntegrityError), site.database.writing():
        site.database.deployments.put(row.model_copy(update={"id": "d-other"}))


def test_a_commit_wakes_the_listeners(site: Site) -> None:
    with Listener(site.settings.state, "test") as listener:
        seen = listener.count
        writer = threading.Thread(target=lambda: site.database.values.put_deaf_interfaces(["lan0"]))
        writer.start()
        assert listener.wait(seen, 10) > seen
        writer.join()


def test_sightings_count_and_keep_the_first_time(site: Site) -> None:
    mac = "52:54:00:00:00:77"
    row = NewSighting(mac, 5.0, 2, "10.77.0.130", ClientPacket(mac, arch=7))
    site.database.sightings.put([row])
    site.database.sightings.put([replace(row, time=9.0, count=1, address="")])
    (seen,) = site.database.sightings.all()
    assert (seen.first_seen, seen.last_seen, seen.count) == (5.0, 9.0, 3)
    assert (seen.address, seen.host) == ("10.77.0.130", None)


def test_what_the_firmware_said_outlives_what_its_system_says(site: Site) -> None:
    mac = "52:54:00:00:00:77"
    firmware = ClientPacket(mac, arch=0, boots=True)
    system = ClientPacket(mac, hostname="vc-1")
    for packet, kept in (
        (system, system),  # nothing better is known yet
        (firmware, firmware),
        (system, replace(firmware, hostname="vc-1")),
        (replace(firmware, arch=7), replace(firmware, arch=7)),  # somebody switched it to UEFI
    ):
        site.database.sightings.put([NewSighting(mac, 5.0, 1, "10.77.0.130", packet)])
        assert site.database.sightings.all()[0].data == kept


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"colour": "red"}, "colour: is not a known key"),
        ({"dhcp": {"rang": 1}}, r"dhcp\.rang: is not a known key"),
        ({"address": "10.77.0.1"}, "too small"),
        ({"address": "10.77.0.400/24"}, "address"),
        ({"http_port": 0}, "http_port"),
        ({"services": ["nfs"]}, "services: nfs unknown"),
        ({"dhcp": {"hosts": {"first": "10.78.0.1", "last": "10.78.0.9"}}}, "does not lie in"),
        ({"dhcp": {"hosts": {"first": "10.77.0.1", "last": "10.77.0.9"}}}, "own address"),
        ({"dhcp": {"hosts": {"first": "10.77.0.64", "last": "10.77.0.130"}}}, "overlap"),
        ({"interface": "x" * 16}, "interface"),
    ],
)
def test_settings_that_cannot_be_used_are_named(body: dict[str, object], sentence: str) -> None:
    right = {"interface": "lan0", "address": "10.77.0.1/24"}
    with pytest.raises(SettingsError, match=sentence):
        settings_module.check(right | body, source="test")


def test_the_shipped_settings_file_is_the_schema(tmp_path: Path) -> None:
    """Every key of the model stands in the commented default, and with the comments off it loads."""
    import re

    from provisioner.system import shipped

    text = shipped.file("systemd", "provisioner.toml").read_text()
    plain = tmp_path / "all.toml"
    plain.write_text(re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE))
    loaded = settings_module.load(plain)
    assert loaded.model_fields_set == set(settings_module.Settings.model_fields)
    assert loaded.dhcp.model_fields_set == set(settings_module.Dhcp.model_fields)
    assert loaded.orders.model_fields_set == set(settings_module.Orders.model_fields)
    assert loaded.mirror.model_fields_set == set(settings_module.Mirror.model_fields)
    assert loaded.retention.model_fields_set == set(settings_module.Retention.model_fields)
    assert loaded.retention == settings_module.Retention()
    assert loaded.secrets.model_fields_set == set(settings_module.Secrets.model_fields)
    assert loaded.mirror.name == settings_module.Mirror().name
    assert loaded.images.model_fields_set == set(settings_module.Images.model_fields)
    assert loaded.images.streams == settings_module.Images().streams
    for name, field in settings_module.Orders.model_fields.items():
        assert getattr(loaded.orders, name) == field.default, f"orders.{name}: the default is another"


def test_a_state_folder_of_the_first_schema_is_brought_here_and_keeps_what_it_knew(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "provisioner.db")
    connection.executescript((GOLDEN / "state" / "schema-1.sql").read_text())
    connection.close()
    database = Database(tmp_path)
    database.migrate()
    [image] = database.images.all()
    assert (image.id, image.kind) == ("vault-os@1", "pack")
    row = database.deployments.last_of("vc-1")
    assert row is not None and (row.stage, row.iso, row.is_installed) == (Stage.QUEUED, "", False)
    with database.writing():
        database.deployments.put(row.model_copy(update={"iso": "ubuntu@24.04.1"}))
    assert database.deployments.get(row.id).iso == "ubuntu@24.04.1"
    assert database.db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    database.close()


def test_a_fresh_state_folder_has_the_columns_of_a_migrated_one(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "provisioner.db")
    connection.executescript((GOLDEN / "state" / "schema-1.sql").read_text())
    connection.close()
    (tmp_path / "fresh").mkdir()
    columns = []
    for folder in (tmp_path, tmp_path / "fresh"):
        database = Database(folder)
        database.migrate()
        columns.append({table.name: table.columns_dict for table in database.db.tables})
        database.close()
    assert columns[0] == columns[1]


def test_a_forked_child_closes_no_connection_of_its_parents_threads(site: Site) -> None:
    begun, done = threading.Event(), threading.Event()
    seen: list[weakref.ref[object]] = []

    def hold() -> None:
        seen.append(weakref.ref(site.database.db))
        begun.set()
        done.wait()
        site.database.close()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        os._exit(1 if seen[0]() is None else 0)  # Python has dropped what the thread had
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert seen[0]() is None, "the parent keeps none that its thread has closed"


def test_what_must_not_stand_alone_is_refused_without_a_transaction(site: Site) -> None:
    from provisioner.deployment.order import arm

    host = site.database.hosts.get("vc-1")
    row = arm(site, host, site.database.images.all()[0], by="ann")
    [event] = site.database.events.of(row.id)
    writers = (
        lambda: site.database.deployments.put(row),
        lambda: site.database.events.add(event),
        lambda: site.database.macs.put(host, site.settings.hosts_range),
    )
    for write in writers:
        with pytest.raises(ServiceError, match="within a transaction, and none is open") as caught:
            write()
        assert "database.writing()" in caught.value.hint
        with site.database.writing():
            write()
    assert len(site.database.events.of(row.id)) == 2


@pytest.mark.parametrize(
    "data",
    [None, "", "null", "5", "[1]", "{", "{}x", "9" * 5000, '{"a":' * 5000, r'{"note": "\ud800"}', b"\xff{"],
)
def test_a_damaged_event_is_shown_as_one_that_nobody_can_read(data: str | bytes | None) -> None:
    row = {"id": 7, "time": 1.0, "host": "vc-1", "deployment": "d-1", "attempt": 1, "source": "agent"}
    event = to_event({**row, "kind": "agent.progress", "data": data})
    assert isinstance(event.data, Unknown) and event.describe() == "agent.progress"
    assert Event.model_validate_json(event.model_dump_json()).id == 7
