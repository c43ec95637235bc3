"""No service starts on a database that is damaged or gone, and whatever it starts on can be read."""

import random
import shutil
import sqlite3 as plain_sqlite
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Profile
from provisioner.errors import DamagedDatabaseError, Exit, NewerFolderError, ProvisionError
from provisioner.settings import AddressRange
from provisioner.state import integrity, wal
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.state.sightings import ClientPacket, NewSighting

GOLDEN = Path(__file__).parents[2] / "golden" / "state"
POOL = AddressRange.model_validate({"first": "10.77.0.2", "last": "10.77.3.250"})
SEEDS = range(120)


def host(number: int) -> Host:
    mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
    return Host(name=f"vc-{number}", macs=(mac,), profile="cube", bmc=Bmc(driver="manual"))


def bring_up(state: Path) -> tuple[Database, list[str]]:
    said: list[str] = []
    database = Database(state)
    try:
        integrity.bring_up(database, said.append)
    except BaseException:
        database.close()
        raise
    return database, said


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of some hundred rows, as a service leaves it that was told to stop."""
    folder = tmp_path_factory.mktemp("used")
    connection = plain_sqlite.connect(folder / "provisioner.db")
    connection.executescript((GOLDEN / "schema-6.sql").read_text())
    connection.close()
    database, _ = bring_up(folder)
    database.put_inventory([host(number) for number in range(10, 150)], [Profile(name="p")], POOL)
    database.close()
    assert not (folder / "provisioner.db-wal").exists()
    return folder


@pytest.fixture
def state(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "s"))


def read_all(database: Database) -> dict[str, int]:
    """Every list of every table, as the services ask for them; how many rows each has."""
    tables = database
    sizes = {
        "hosts": len(tables.hosts.all()) + len(tables.hosts.unreadable()),
        "profiles": len(tables.profiles.all()) + len(tables.profiles.unreadable()),
        "images": len(tables.images.all()) + len(tables.images.unreadable()),
        "macs": len(tables.macs.all()) + len(tables.macs.unreadable()),
        "deployments": len(tables.deployments.newest(1000)) + len(tables.deployments.unreadable()),
    }
    tables.deployments.under_way()
    tables.deployments.orders()
    tables.leases.all()
    tables.sightings.all()
    tables.sightings.unknown()
    tables.surveys.all()
    tables.requests.open()
    tables.hosts.names_by_uuid()
    tables.events.notes(1000)
    for row in tables.deployments.newest(1000):
        tables.events.of(row.id)
    return sizes


def test_a_whole_database_is_served_from_and_marked(state: Path) -> None:
    (state / integrity.MARKER).unlink()
    database, said = bring_up(state)
    assert said == [] and read_all(database)["hosts"] > 140
    assert (state / integrity.MARKER).exists()
    database.close()


def test_a_new_folder_begins_with_nothing(tmp_path: Path) -> None:
    database, _ = bring_up(tmp_path)
    assert set(read_all(database).values()) == {0}
    database.close()


@pytest.mark.parametrize(
    "trace",
    [integrity.MARKER, "worker.alive", "logs/d-1.1.agent.log", "images/a-1/pack", "secrets/lab.bmc.json"],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_database_that_is_gone_or_emptied_is_missed(tmp_path: Path, trace: str, is_empty: bool) -> None:
    (tmp_path / trace).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / trace).write_text("x")
    if is_empty:
        (tmp_path / "provisioner.db").touch()
    with pytest.raises(DamagedDatabaseError) as caught:
        bring_up(tmp_path)
    assert caught.value.code == (607 if is_empty else 608) and trace.split("/pack", maxsplit=1)[0] in str(
        caught.value
    )
    assert f"mv {tmp_path} {tmp_path}.old" in caught.value.hint
    assert is_empty or not (tmp_path / "provisioner.db").exists(), "none is made in its place"


@pytest.mark.parametrize("name", ["keys/release.pub", "ramdisk/vmlinuz", "secrets/seed.key"])
def test_what_is_there_before_the_first_start_shows_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("x")
    bring_up(tmp_path)[0].close()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILERS: dict[str, Callable[[Path], object]] = {
    "it is a folder": _folder,
    "is no SQLite database": lambda path: path.write_bytes(b"#!/bin/sh\nexit 1\n" * 1000),
    "is damaged": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "is empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("words", SPOILERS)
def test_a_file_that_is_no_database_any_more_is_said_to_be_none(state: Path, words: str) -> None:
    SPOILERS[words](state / "provisioner.db")
    with pytest.raises(DamagedDatabaseError) as caught:
        bring_up(state)
    assert words in str(caught.value) and caught.value.code == 607 and caught.value.exit == 6


@pytest.mark.parametrize("cut", [1, 100, 511, 4095, 4096, 5000, 40960])
def test_a_truncated_database_is_never_served_from(state: Path, cut: int) -> None:
    path = state / "provisioner.db"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DamagedDatabaseError):
        bring_up(state)


def damage(path: Path, seed: int) -> None:
    """Bits, bytes, runs of zeros or a page from elsewhere, in one to three places."""
    dice, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(data))
        match dice.choice(["bit", "byte", "zeros", "page", "text"]):
            case "bit":
                data[place] ^= 1 << dice.randrange(8)
            case "byte":
                data[place] = dice.randrange(256)
            case "zeros":
                data[place : place + dice.randint(1, 600)] = bytes(min(len(data) - place, 600))[
                    : len(data) - place
                ]
            case "page":
                start, other = place // 4096 * 4096, dice.randrange(len(data)) // 4096 * 4096
                data[start : start + 4096] = data[other : other + 4096]
            case "text":
                data[place : place + 4] = b"\xff\xfe\x00\xe2"[: len(data) - place]
    path.write_bytes(data)


@pytest.mark.parametrize("seed", SEEDS)
def test_damage_anywhere_ends_in_words_or_everything_is_still_served(
    state: Path, used: Path, seed: int
) -> None:
    whole = Database(used)
    expected = read_all(whole)
    whole.close()
    damage(state / "provisioner.db", seed)
    try:
        database, _ = bring_up(state)
    except ProvisionError as fault:
        assert fault.code in (607, 608, 611, 613) and str(fault) and fault.hint
        return
    assert read_all(database) == expected, "a row is neither shown nor missed"
    database.unreadable()
    with database.writing() as db:
        db.execute("UPDATE hosts SET facts_at = 1")
    database.close()


def test_the_damage_that_is_tried_is_found_and_survived(used: Path, tmp_path: Path) -> None:
    """Both ends are met, or the test above would say little."""
    ends = {True: 0, False: 0}
    for seed in SEEDS:
        folder = Path(shutil.copytree(used, tmp_path / str(seed)))
        damage(folder / "provisioner.db", seed)
        try:
            bring_up(folder)[0].close()
            ends[True] += 1
        except ProvisionError:
            ends[False] += 1
    assert min(ends.values()) >= 5, ends


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE leases",
        "DROP INDEX one_under_way",
        "ALTER TABLE deployments DROP COLUMN iso",
        "DELETE FROM _sqlite_migrations",
        "DROP TABLE _sqlite_migrations",
    ],
)
def test_a_lost_table_column_or_rule_ends_the_start(state: Path, sql: str) -> None:
    connection = sqlite3.connect(state / "provisioner.db")
    connection.execute(sql)
    connection.commit()
    connection.close()
    with pytest.raises(DamagedDatabaseError):
        bring_up(state)


def test_an_index_that_lies_is_found(state: Path) -> None:
    """A host's deployments are looked up by it: one that it does not name could be ordered twice."""
    connection = sqlite3.connect(state / "provisioner.db")
    connection.execute("PRAGMA writable_schema=ON")
    [(page,)] = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'idx_deployments_host_stage'"
    )
    connection.close()
    path = state / "provisioner.db"
    data = bytearray(path.read_bytes())
    start = (page - 1) * 4096
    place = data.index(b"vc-", start)
    assert place < start + 4096
    data[place : place + 3] = b"zz-"
    path.write_bytes(data)
    with pytest.raises(DamagedDatabaseError, match="index"):
        bring_up(state)


def test_a_newer_folder_is_refused_as_before(state: Path) -> None:
    connection = sqlite3.connect(state / "provisioner.db")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(NewerFolderError, match="newer release") as caught:
        bring_up(state)
    assert (caught.value.code, caught.value.exit) == (611, Exit.REFUSED)


def test_a_large_database_is_looked_through_with_a_word_before(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "LARGE", 1000)
    database, said = bring_up(state)
    database.close()
    [line] = said
    assert line.startswith("looking whether the database is whole (")


def test_a_database_of_which_most_was_forgotten_becomes_small_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "LARGE", 100_000)
    path = state / "provisioner.db"
    database, said = bring_up(state)
    with database.writing() as db:
        db.execute("INSERT INTO service VALUES ('x', ?)", ["y" * 2_000_000])
    with database.writing() as db:
        db.execute("DELETE FROM service WHERE key = 'x'")
    database.close()
    large = path.stat().st_size
    database, said = bring_up(state)
    expected = read_all(database)
    database.close()
    assert path.stat().st_size < large / 2 and "giving back" in said[-1]
    again, said = bring_up(state)
    assert not [line for line in said if "giving back" in line] and read_all(again) == expected
    again.close()


def test_a_database_that_vanishes_is_not_made_anew_behind_the_services_back(state: Path) -> None:
    first, _ = bring_up(state)
    first.close()
    (state / "provisioner.db").unlink()
    second = Database(state)
    with pytest.raises(DamagedDatabaseError) as caught:
        second.hosts.all()
    assert caught.value.code == 608 and not (state / "provisioner.db").exists()


# the write-ahead log


@pytest.fixture
def killed(state: Path, tmp_path: Path) -> Iterator[Path]:
    """The folder of a service that was killed: its last twelve changes lie in the write-ahead log only."""
    database, _ = bring_up(state)
    database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(12):
        mac = f"52:54:00:00:99:{number:02x}"
        database.sightings.put([NewSighting(mac, 1.0, 1, "10.77.0.130", ClientPacket(mac))])
    yield Path(shutil.copytree(state, tmp_path / "killed"))
    database.close()


def test_a_log_that_a_crash_has_left_is_taken_over(killed: Path) -> None:
    database, _ = bring_up(killed)
    assert len([row for row in database.sightings.all() if row.mac.startswith("52:54:00:00:99:")]) == 12
    database.close()


@pytest.mark.parametrize("cut", [1, 24, 4000, 4120, 4121])
def test_a_log_that_was_cut_in_its_last_change_is_taken_over_without_that_one(killed: Path, cut: int) -> None:
    path = killed / "provisioner.db-wal"
    path.write_bytes(path.read_bytes()[:-cut])
    database, _ = bring_up(killed)
    assert 10 <= len([row for row in database.sightings.all() if row.mac.startswith("52:54:00:00:99:")]) <= 11
    database.close()


@pytest.mark.parametrize("place", [3, 9, 17, 40, 60, 2000, 5000])
def test_a_log_that_is_damaged_before_later_changes_ends_the_start(killed: Path, place: int) -> None:
    path = killed / "provisioner.db-wal"
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(DamagedDatabaseError, match="write-ahead log"):
        bring_up(killed)


def test_a_log_without_a_word_or_of_zeros_is_none(tmp_path: Path) -> None:
    path = tmp_path / "provisioner.db-wal"
    assert wal.damage(path) == ""
    for content in (b"", b"x" * 31, bytes(32), bytes(9000)):
        path.write_bytes(content)
        assert wal.damage(path) == ""


def test_frames_of_an_earlier_log_in_the_same_file_do_not_count(state: Path, tmp_path: Path) -> None:
    """SQLite begins the file anew and leaves the rest of it as it was."""
    database, _ = bring_up(state)
    for number in range(30):
        mac = f"52:54:00:00:98:{number:02x}"
        database.sightings.put([NewSighting(mac, 1.0, 1, "10.77.0.130", ClientPacket(mac))])
    database.db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    database.sightings.put([NewSighting("52:54:00:00:97:01", 1.0, 1, "", ClientPacket("52:54:00:00:97:01"))])
    copy = Path(shutil.copytree(state, tmp_path / "copy"))
    database.close()
    path = copy / "provisioner.db-wal"
    assert path.stat().st_size > 20 * 4120 and wal.damage(path) == ""
    again, _ = bring_up(copy)
    assert again.sightings.get("52:54:00:00:97:01") is not None
    again.close()
