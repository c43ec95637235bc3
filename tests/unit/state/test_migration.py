"""A state folder of an earlier release is brought here, and every row of every table is still read.

tests/golden/state/schema-6.sql is that of a rehearsal of two hosts, with rows added by the code of its time:
a deployment at every stage, every kind of event, all tables. Secrets in it are invented.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3
from sqlite_utils import Database as Tables

from provisioner.domain.events.payload import Unknown
from provisioner.domain.events.registry import KINDS
from provisioner.domain.stage import Stage
from provisioner.state import integrity
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION, migrations
from provisioner.system.checksum import sha256_text

GOLDEN = Path(__file__).parents[2] / "golden" / "state"
Stored = dict[str, object]
SINCE = {
    "order.refused",
    "order.resumed",
    "host.suspect",
    "netboot.looped",
    "netboot.looping",
    "request.refused",
    "clock.step",
    "service.replaced",
    "power.delayed",
    "file.served",
    "host.changed",
    "host.locked",
    "host.unlocked",
    "host.moved",
    "agent.restarting",
    "boot.proven",
    "boot.unproven",
    "host.removed",
    "host.renamed",
    "run.paused",
    "run.resumed",
    "verify.progress",
    "agent.examined",
    "host.released",
    "verify.concluded",
    "service.restored",
    "webhook.given_up",
    "agent.peer-lied",
}  # kinds of event that are younger


def read_tables(path: Path) -> dict[str, list[Stored]]:
    """Every row of every table as SQLite has it."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}
    connection.close()
    return tables


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stored]]:
    path = tmp_path_factory.mktemp("before") / "provisioner.db"
    restore(path)
    return read_tables(path)


def restore(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / "schema-6.sql").read_text())
    connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    restore(tmp_path / "provisioner.db")
    database = Database(tmp_path)
    database.migrate()
    yield database
    database.close()


def holds(new: object, old: object) -> bool:
    """Whether all that `old` says is said by `new`, which may say more; both as JSON has it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and holds(new[key], value) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(holds, new, old))
    return new == old


def plain(value: object) -> object:
    """A dataclass as JSON has it."""
    return json.loads(json.dumps(asdict(value)))  # type: ignore[call-overload]  # a dataclass


def parsed(row: Stored, *columns: str) -> Stored:
    return row | {name: json.loads(str(row[name])) for name in columns}


def see_bodies(kind: str) -> Callable[[Database, list[Stored]], None]:
    """Tables that keep a model's JSON in `body`."""

    def see(database: Database, rows: list[Stored]) -> None:
        found = {
            "profiles": lambda row: database.profiles.get(row["name"]),
            "runs": lambda row: database.runs.get(row["id"]),
            "images": lambda row: {image.id: image for image in database.images.all()}[row["id"]],
        }[kind]
        for row in rows:
            assert holds(found(row).model_dump(mode="json"), json.loads(str(row["body"])))

    return see


def see_hosts(database: Database, rows: list[Stored]) -> None:
    assert [host.name for host in database.hosts.all()] == sorted(str(row["name"]) for row in rows)
    for row in rows:
        assert holds(
            database.hosts.get(str(row["name"])).model_dump(mode="json"), json.loads(str(row["body"]))
        )
        hardware = database.hosts.hardware(str(row["name"]))
        assert (hardware is None) == (not row["facts"])
        if hardware:
            stored = json.loads(str(row["facts"]))
            stored.pop("nonce")  # what is left of a secret is not hardware
            assert holds(hardware.model_dump(mode="json"), stored)
    assert any(row["facts"] for row in rows)


def see_macs(database: Database, rows: list[Stored]) -> None:
    assert [row._asdict() for row in database.macs.all()] == sorted(
        rows, key=lambda row: (str(row["host"]), str(row["mac"]))
    )
    assert [database.macs.get(row.mac) for row in database.macs.all()] == database.macs.all()


def see_deployments(database: Database, rows: list[Stored]) -> None:
    assert {str(row["stage"]) for row in rows} == set(Stage)
    for row in rows:
        deployment = database.deployments.get(str(row["id"]))
        assert (deployment.host, deployment.stage) == (row["host"], row["stage"])
        stored = parsed(renamed(row), "progress", "disk", "host_keys", "verdict")
        stored["progress"] = without_owner(stored["progress"])
        has_begun = row["stage"] not in ("queued", "powering", "netbooting")
        assert (deployment.nonce == "") is (has_begun or not row["nonce"]), "a used nonce is forgotten"
        assert deployment.nonce_hash == (sha256_text(str(row["nonce"])) if row["nonce"] else "")
        stored["nonce"] = deployment.nonce
        assert holds(
            deployment.model_dump(mode="json"),
            {name: value for name, value in stored.items() if value is not None},
        )
        with database.writing():
            database.deployments.put(deployment)  # what is written back is what was there
        assert database.deployments.get(deployment.id) == deployment


def renamed(row: Stored) -> Stored:
    """A deployment's row with the names that its columns have since schema 7."""
    names = {"sign": "last_event", "last_sign": "last_event_at"}
    return {names.get(name, name): value for name, value in row.items()}


def forgetful(row: Stored) -> Stored:
    """Without the nonce, where it was used: since schema 8 it is kept as its hash."""
    is_armed = row["stage"] in ("queued", "powering", "netbooting")
    return row if is_armed or not row["nonce"] else row | {"nonce": ""}


def without_owner(data: object) -> Stored:
    """An agent's message without what the event, or the row, says itself: whose it is, and which one."""
    assert isinstance(data, dict)
    return {key: value for key, value in data.items() if key not in ("deployment", "attempt", "seq")}


def see_events(database: Database, rows: list[Stored]) -> None:
    recorded = {str(row["kind"]) for row in rows}
    assert recorded == set(KINDS) - SINCE, "an event of every kind of its time is recorded"
    owners = {str(row["deployment"]) for row in rows if row["deployment"]}
    events = [event for owner in owners for event in database.events.of(owner)]
    events += database.events.notes(1000)
    assert not [event for event in events if isinstance(event.data, Unknown)], "all are typed"
    found = {event.id: event.model_dump(mode="json") for event in events}
    assert len(found) == len(rows)
    for row in rows:
        stored = parsed(row, "data")
        stored["data"] = without_owner(stored["data"])
        assert holds(found[int(str(row["id"]))], stored), row["kind"]


def see_sightings(database: Database, rows: list[Stored]) -> None:
    found = {sighting.mac: plain(sighting) for sighting in database.sightings.all()}
    assert len(found) == len(rows)
    for row in rows:
        assert holds(found[str(row["mac"])], parsed(row, "data"))
    strangers = {sighting.mac for sighting in database.sightings.unknown()}
    assert strangers == {str(row["mac"]) for row in rows} - {row.mac for row in database.macs.all()}


def see_leases(database: Database, rows: list[Stored]) -> None:
    assert [asdict(lease) for lease in database.leases.all()] == rows
    assert {lease.bound for lease in database.leases.all()} == {True, False}


def see_transfers(database: Database, rows: list[Stored]) -> None:
    transfers = [database.transfers.get(str(row["address"])) for row in rows]
    assert [asdict(transfer) for transfer in transfers if transfer] == rows


def see_requests(database: Database, rows: list[Stored]) -> None:
    for row in rows:
        request = database.requests.get(int(str(row["id"])))
        assert request.model_dump(mode="json", exclude_unset=True) == parsed(row, "result")
    waiting = [row["id"] for row in rows if row["state"] == "open"]
    assert waiting and [request.id for request in database.requests.open()] == waiting


def see_surveys(database: Database, rows: list[Stored]) -> None:
    found = {survey.mac: survey for survey in database.surveys.all()}
    assert len(found) == len(rows)
    for row in rows:
        survey = found[str(row["mac"])]
        times = (row["served"], row["released"], row["reported"])
        assert (survey.served, survey.released, survey.reported) == times
        assert (survey.uuid, survey.address, " ".join(survey.macs)) == (
            row["uuid"],
            row["address"],
            row["macs"],
        )
        assert (survey.hardware is None) == (not row["body"])
        if survey.hardware:
            assert holds(survey.hardware.model_dump(mode="json"), json.loads(str(row["body"])))


def see_service(database: Database, rows: list[Stored]) -> None:
    stored = {str(row["key"]): json.loads(str(row["value"])) for row in rows}
    assert [plain(server) for server in database.values.rogue_servers()] == stored.pop("dhcp.servers")
    assert database.values.deaf_interfaces() == stored.pop("dhcp.deaf")
    assert not stored


READERS: dict[str, Callable[[Database, list[Stored]], None]] = {
    "profiles": see_bodies("profiles"),
    "runs": see_bodies("runs"),
    "images": see_bodies("images"),
    "hosts": see_hosts,
    "macs": see_macs,
    "deployments": see_deployments,
    "events": see_events,
    "sightings": see_sightings,
    "leases": see_leases,
    "transfers": see_transfers,
    "requests": see_requests,
    "surveys": see_surveys,
    "service": see_service,
}


YOUNGER = {
    "acceptance_reports",
    "verifications",
    "audit",
    "audit_heads",
    "audit_repeats",
    "secrets",
    "bmc_rotations",
    "users",
    "access_tokens",
}  # tables that the release before did not have


def test_every_table_is_recorded_and_read(before: dict[str, list[Stored]], database: Database) -> None:
    now = read_tables(database.path)
    assert set(now) == set(READERS) | YOUNGER | {"_sqlite_migrations"}
    for name in READERS:
        assert len(now[name]) == len(before[name]) > 0, name


@pytest.mark.parametrize("table", READERS)
def test_every_row_is_read_as_it_was_written(
    before: dict[str, list[Stored]], database: Database, table: str
) -> None:
    READERS[table](database, before[table])


def test_migrating_changes_no_row(before: dict[str, list[Stored]], database: Database) -> None:
    now = read_tables(database.path)
    wanted = before | {"deployments": [forgetful(renamed(row)) for row in before["deployments"]]}
    for name in READERS:
        assert all(map(holds, now[name], wanted[name])), name


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_every_schema_that_there_was_is_brought_here(tmp_path: Path, version: int) -> None:
    """Its tables and columns are those that this release makes anew; a newer one refuses to go back."""
    names = [migration.name for migration in migrations.pending(Tables(memory=True))]
    assert len(names) == SCHEMA_VERSION
    old = Tables(tmp_path / "provisioner.db")
    migrations.apply(old, stop_before=names[version])
    old.execute(f"PRAGMA user_version={version}")
    old.close()
    database = Database(tmp_path)
    asked: list[int] = []
    integrity.bring_up(database, print, asked.append)
    assert asked == [version], "a backup is made before, and once"
    integrity.bring_up(database, print, asked.append)
    assert asked == [version]
    database.close()


@pytest.mark.parametrize("version", range(6, SCHEMA_VERSION))
def test_the_way_here_makes_no_difference(tmp_path: Path, database: Database, version: int) -> None:
    """By way of the release of each schema in between, the rows are the same."""
    (tmp_path / "other").mkdir()
    restore(path := tmp_path / "other" / "provisioner.db")
    names = [migration.name for migration in migrations.pending(Tables(memory=True))]
    between = Tables(path)
    migrations.apply(between, stop_before=names[version])
    between.execute(f"PRAGMA user_version={version}")
    between.close()
    other = Database(tmp_path / "other")
    other.migrate()
    other.close()
    here, there = read_tables(database.path), read_tables(path)
    here.pop("_sqlite_migrations"), there.pop("_sqlite_migrations")
    assert here == there


def test_what_a_host_did_that_was_removed_before_is_not_its_names(tmp_path: Path) -> None:
    restore(tmp_path / "provisioner.db")
    connection = sqlite3.connect(tmp_path / "provisioner.db")
    connection.execute("DELETE FROM hosts WHERE name = 'vc-ready'")
    [ident] = connection.execute("SELECT max(id) FROM deployments WHERE host = 'vc-ready'").fetchone()
    connection.commit()
    connection.close()
    database = Database(tmp_path)
    database.migrate()
    assert database.deployments.last_of("vc-ready") is None
    assert database.deployments.get(ident).of_former_host
    stays = [row for row in database.deployments.newest() if row.host != "vc-ready"]
    assert stays and not any(row.of_former_host for row in stays)
    database.close()


def test_every_migration_raises_the_version_that_older_releases_refuse() -> None:
    assert len(migrations.pending(Tables(memory=True))) == SCHEMA_VERSION
