"""A full disk is said as that, loses nothing, and is over when there is room."""

import errno
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from provisioner.deployment import boot
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.boot_plan import Asker, Local
from provisioner.domain.events.order import OrderCancelled
from provisioner.errors import BusyError, DiskFullError, ServiceError
from provisioner.site.site import Site
from provisioner.state import agent_log, connection, disk_usage, faults
from provisioner.state.sightings import ClientPacket, NewSighting


def fill(site: Site) -> None:
    """No page more may be taken: SQLite says what it says of a full disk."""
    [[pages]] = site.database.db.execute("PRAGMA page_count").fetchall()
    site.database.db.execute(f"PRAGMA max_page_count={pages}").fetchall()
    blob = "x" * 3000
    with pytest.raises(DiskFullError):
        for number in range(1000):
            mac = f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}"
            site.database.sightings.put([NewSighting(mac, 1.0, 1, "", ClientPacket(mac, hostname=blob))])


def make_room(site: Site) -> None:
    site.database.db.execute("PRAGMA max_page_count=1000000").fetchall()


def test_nothing_can_be_ordered_and_nothing_is_lost_until_there_is_room(site: Site) -> None:
    host, [image] = site.database.hosts.get("vc-1"), site.database.images.all()
    row = arm(site, host, image, by="ann")
    (site.settings.state / "images").mkdir()
    (site.settings.state / "images" / "large").write_bytes(bytes(300_000))
    fill(site)
    before = site.database.deployments.get(row.id)
    with pytest.raises(DiskFullError) as caught:
        for _ in range(400):  # an event fits into a page that is there already, and another, and another
            record(site, row.id, OrderCancelled(by="x" * 100_000), source="operator")
    text = str(caught.value)
    assert caught.value.code == 609 and f"the disk of {site.settings.state} is full" in text
    assert "images 3" in text and "provisioner.db" in text and "image gc" in caught.value.hint
    assert not site.database.db.conn.in_transaction
    assert site.database.deployments.get(row.id) == before, "all of it or nothing"
    assert isinstance(boot.answer(site, Asker(mac="52:54:00:00:00:99", address="10.77.0.130")).plan, Local)
    make_room(site)
    assert record(site, row.id, OrderCancelled(by="ann"), source="operator").stage == "cancelled"


def test_one_who_waits_for_too_long_is_told_who_holds_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    site.database.close()  # this thread's connection is made anew, and less patient
    other = sqlite3.connect(site.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="another program holds") as caught:
        site.database.values.put_deaf_interfaces(["lan0"])
    assert caught.value.code == 616 and "fuser" in caught.value.hint
    other.execute("ROLLBACK")
    other.close()
    site.database.values.put_deaf_interfaces(["lan0"])
    assert site.database.values.deaf_interfaces() == ["lan0"]


def test_a_fault_of_a_statement_stays_what_it_is(site: Site) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), site.database.writing() as db:
        db.execute("DELETE FROM missing_table")
    within = pytest.raises(sqlite3.OperationalError, match="within a transaction")
    with within, site.database.writing(), site.database.writing():
        pass


class Fault(sqlite3.OperationalError):
    def __init__(self, code: int) -> None:
        super().__init__("disk I/O error")
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("code", "room", "expected"),
    [
        (13, 1 << 30, 609),
        (10 | 3 << 8, 0, 609),  # SQLITE_IOERR_WRITE on a disk without room
        (10 | 3 << 8, 1 << 30, 613),
        (14, 0, 609),
        (8, 1 << 30, 613),
        (11 | 1 << 8, 1 << 30, 607),
        (26, 1 << 30, 607),
    ],
)
def test_each_of_sqlites_errors_has_its_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: int, room: int, expected: int
) -> None:
    monkeypatch.setattr(faults, "room", lambda state: room)
    said = faults.explain(Fault(code), site.database.path)
    assert said is not None and said.code == expected and said.hint
    assert faults.explain(Fault(1), site.database.path) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_errors_of_files_are_told_apart(tmp_path: Path, number: int) -> None:
    said = disk_usage.unusable(tmp_path, OSError(number, "as it is", str(tmp_path / "serve.lock")))
    assert isinstance(said, ServiceError) and said.code == (
        609 if number in (errno.ENOSPC, errno.EDQUOT) else 613
    )


def test_the_parts_are_named_with_what_they_take_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "pack").write_bytes(b"x" * 100_000)
    (tmp_path / "sparse").touch()
    with (tmp_path / "sparse").open("r+b") as file:
        file.truncate(1 << 30)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = dict(disk_usage.parts(tmp_path))
    assert found["images"] >= 100_000 and found["sparse"] == 0 and found["loop"] <= 4096


# the agent's log


def test_a_log_is_kept_to_its_limit_and_says_that_it_was_cut(tmp_path: Path) -> None:
    for _ in range(10):
        agent_log.append(tmp_path, "d-1", 1, ["x" * 5000, "a\nb", *["line"] * 9000])
    text = (tmp_path / "logs" / "d-1.1.agent.log").read_text()
    first, second, *_ = text.splitlines()
    assert first == "x" * agent_log.LONGEST_LINE and second == "a b"
    assert len(text) < 10 * (agent_log.MOST_LINES * 5 + 3000)
    for _ in range(agent_log.LIMIT // 9_000_000 + 2):
        agent_log.append(tmp_path, "d-1", 1, ["y" * 2000] * 5000)
    path = tmp_path / "logs" / "d-1.1.agent.log"
    assert agent_log.LIMIT <= path.stat().st_size <= agent_log.LIMIT + len(agent_log.CUT.encode())
    assert path.read_text().endswith(agent_log.CUT)
    agent_log.append(tmp_path, "d-1", 1, ["more"])
    assert path.read_text().endswith(agent_log.CUT), "said once"


def test_a_log_for_which_there_is_no_room_hinders_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "d-1.1.agent.log").symlink_to("/dev/full")
    agent_log.append(tmp_path, "d-1", 1, ["one"])
    assert "is not kept: No space left on device" in caplog.text
    (tmp_path / "logs" / "d-2.1.agent.log").mkdir()
    with pytest.raises(IsADirectoryError):
        agent_log.append(tmp_path, "d-2", 1, ["one"])
