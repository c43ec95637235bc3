"""A backup holds all of a state folder as of one moment, says whether it is whole, and makes it again."""

import io
import json
import os
import random
import sqlite3 as plain_sqlite
import stat
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite3

from provisioner.deployment import boot, restored
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.boot_plan import Asker, Local
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.stage import Stage
from provisioner.errors import (
    DamagedDatabaseError,
    FileError,
    InputError,
    NewerFolderError,
    ProvisionError,
    RefusedError,
    SealedFileError,
    SecretKeyError,
)
from provisioner.imaging import signature
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state import backup, folder, integrity, restore, sealed_file, secret_keys, vault
from provisioner.state.backup_file import BACKUP, BackupManifest
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.state.sealed_secrets import AUDIT_KEY, BMC_LOGIN, CERTIFICATE_KEY, SITE
from provisioner.state.secrets import signing_public_file
from provisioner.system.checksum import sha256

GOLDEN = Path(__file__).parents[2] / "golden" / "state"
MAC = "52:54:00:00:00:01"
SEED = 20261129


@pytest.fixture
def state(site: Site) -> Path:
    """A folder as a service leaves it: keys, an image, a log, a ramdisk, sockets, an armed order."""
    made = site.settings.state
    folder.prepare_folder(made)
    integrity.bring_up(site.database, lambda sentence: None)
    image = made / "images" / "vault-os-1"
    image.mkdir()
    for name, text in {"pack": "p" * 5000, "pack.json": "{}", "pack.json.minisig": "s"}.items():
        (image / name).write_text(text)
    (made / "logs" / "d-1.1.agent.log").write_text("one\n")
    (made / "ramdisk" / "vmlinuz").write_bytes(os.urandom(3000))
    (made / "secrets" / "lab.bmc.json").write_text('{"user": "u", "password": "lab-pass-word"}')
    (made / "secrets" / "lab.bmc.json").chmod(0o600)
    with site.database.writing():
        site.database.secrets.remove(CERTIFICATE_KEY, SITE)  # which signs nothing
    site.opener = vault.prepare(site.settings, site.database, site.clock())
    for name in ("serve.lock", "worker.lock", "worker.alive", "wake/web.1", "backups/schema-3-x.tar"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text("of this moment")
    return made


@pytest.fixture
def file(state: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "site.tar"
    with opened_secrets.certificate_key(site, by="backup") as key:
        backup.write(state, out, key=key)
    return out


def restore_to(file: Path, target: Path, **how: object) -> restore.Restored:
    with sealed_file.opened(file, BACKUP) as opened:
        return restore.restore(opened, target, **{"images": None, "end": end_none, "say": print, **how})  # type: ignore[arg-type]


def end_none(stage: Path, manifest: BackupManifest) -> None:
    """For tests of files."""


def content(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file with its mode and sum; of the database its rows."""
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), digest(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest(path: Path) -> str:
    return rows(path) if path.name == "provisioner.db" else sha256(path)


def rows(path: Path) -> str:
    connection = plain_sqlite.connect(path)
    text = "\n".join(connection.iterdump())
    connection.close()
    return text


def test_what_is_restored_is_what_was_there(state: Path, tmp_path: Path, site: Site) -> None:
    out, target = tmp_path.parent / f"{tmp_path.name}.tar", tmp_path.parent / f"{tmp_path.name}-new"
    manifest = backup.write(state, out, with_images=True)
    site.database.close()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert (manifest.schema_version, manifest.images) == (SCHEMA_VERSION, ("vault-os@1",))
    assert restore_to(out, target).missing == ()
    before, after = content(state), content(target)
    gone = {"serve.lock", "worker.lock", "worker.alive", "wake/web.1", "backups/schema-3-x.tar"}
    assert set(before) - set(after) == gone and set(after) <= set(before)
    assert after == {name: what for name, what in before.items() if name not in gone}
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "images" / "vault-os-1").stat().st_mode) == 0o755, "for nginx"
    assert stat.S_IMODE((target / "secrets").stat().st_mode) == 0o700
    said: list[str] = []
    folder.prepare_folder(target, said.append)
    assert said == [], "nothing of it is open to others"


def test_images_are_in_it_by_name_unless_they_are_wanted(file: Path, tmp_path: Path) -> None:
    target = tmp_path.parent / f"{tmp_path.name}-new"
    assert restore_to(file, target).missing == ("vault-os@1",)
    assert sorted(path.name for path in (target / "images" / "vault-os-1").iterdir()) == [
        "pack.json",
        "pack.json.minisig",
    ]


def test_no_order_goes_on_after_a_restoration(state: Path, site: Site, tmp_path: Path) -> None:
    """Its host may have been deployed since, and be in use: it boots its own disk."""
    [image] = site.database.images.all()
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann")
    for event in (SlotGiven(), PowerBegan(nonce="n" * 43), PowerOn()):
        row = record(site, row.id, event, source="test")
    assert row.stage is Stage.POWERING and row.nonce
    request = site.database.requests.ask("vc-1", "power", "off", site.clock())
    out, target = tmp_path.parent / f"{tmp_path.name}.tar", tmp_path.parent / f"{tmp_path.name}-new"
    backup.write(state, out)

    def end(stage: Path, manifest: BackupManifest) -> None:
        database = Database(stage)
        there = Site(site.settings.model_copy(update={"state": stage}), database, clock=site.clock)
        assert restored.end_all(there, "noon") == ["vc-1"]
        database.close()

    restore_to(out, target, end=end)
    database = Database(target)
    there = Site(site.settings.model_copy(update={"state": target}), database, clock=site.clock)
    after = database.deployments.get(row.id)
    assert (after.stage, after.code, after.nonce, after.nonce_hash) == (Stage.FAILED, 684, "", "")
    assert "the backup of noon" in after.reason and "provision retry vc-1" in after.hint
    assert isinstance(boot.answer(there, Asker(mac=MAC, address="10.77.0.64")).plan, Local)
    answered = database.requests.get(request)
    assert answered.state == "done" and answered.result.error and answered.result.error.code == 684
    database.close()


def test_the_database_is_as_of_one_moment_while_others_write(state: Path, tmp_path: Path) -> None:
    """Each transaction writes one number twice; a copy that has both of different transactions is torn."""
    stop, written = threading.Event(), threading.Event()
    seen = []

    def write() -> None:
        database = Database(state)
        number = 0
        while not stop.is_set():
            number += 1
            with database.writing() as db:
                db.execute("INSERT OR REPLACE INTO service VALUES ('a', ?)", [number])
                db.execute("INSERT OR REPLACE INTO service VALUES ('b', ?)", [number])
            written.set()
        database.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for count in range(10):
            written.clear()
            assert written.wait(30)
            backup.copy_database(state / "provisioner.db", copy := tmp_path / f"{count}.db")
            connection = sqlite3.connect(copy)
            seen.append(connection.execute("SELECT value FROM service WHERE key IN ('a', 'b')").fetchall())
            connection.close()
    finally:
        stop.set()
        thread.join()
    assert all(one == other for one, other in seen)
    assert len(set(map(tuple, seen))) > 1, "they were of different moments"


def test_no_changed_byte_is_restored(file: Path, tmp_path: Path) -> None:
    """Of headers, files, manifest or padding: it is refused, or what comes of it is the same."""
    good, chance = file.read_bytes(), random.Random(SEED)
    whole = tmp_path.parent / f"{tmp_path.name}-whole"
    restore_to(file, whole)
    wanted = content(whole)
    refused = 0
    for number in range(150):
        place = chance.randrange(len(good))
        file.write_bytes(good[:place] + bytes([good[place] ^ 1 << chance.randrange(8)]) + good[place + 1 :])
        target = tmp_path.parent / f"{tmp_path.name}-{number}"
        try:
            restore_to(file, target)
        except SealedFileError as fault:
            assert fault.code in (680, 681) and str(file) in str(fault)
            refused += 1
            assert not target.exists() or not list(target.iterdir()), "nothing is left"
        else:
            found = content(target)
            assert {name: text for name, (_, text) in found.items()} == {
                name: text for name, (_, text) in wanted.items()
            }, place
    assert refused > 75


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.9, 0.99])
def test_one_that_was_cut_off_is_none(file: Path, tmp_path: Path, share: float) -> None:
    data = file.read_bytes()
    with tarfile.open(file) as archive:
        end = archive.getmember("manifest.json").offset_data
    file.write_bytes(data[: int(end * share)])
    target = tmp_path / "new"
    with pytest.raises(SealedFileError) as caught:
        restore_to(file, target)
    assert caught.value.code in (680, 681) and not target.exists()


def rewritten(file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """The same archive after `change`, with a manifest that fits its files."""
    with tarfile.open(file) as archive:
        parts = [(member, archive.extractfile(member).read()) for member in archive if member.isfile()]  # type: ignore[union-attr]
    change(parts)
    with tarfile.open(file, "w") as archive:
        for member, data in parts:
            member.size = len(data) if member.isfile() else 0
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("name", ["state/../../evil", "/etc/evil", "etc/evil", "state/a/../../../evil"])
def test_no_file_is_written_outside_the_folder(file: Path, tmp_path: Path, name: str) -> None:
    def change(parts: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        parts.insert(0, (tarfile.TarInfo(name), b""))
        entry = {"name": name, "size": 0, "sha256": sha256(Path("/dev/null")), "mode": 0o600}
        for number, (member, data) in enumerate(parts):
            if member.name == "manifest.json":
                body = json.loads(data)
                body["files"].append(entry)
                parts[number] = (member, json.dumps(body).encode())

    rewritten(file, change)
    with pytest.raises(SealedFileError, match="is no place in a backup"):
        restore_to(file, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_the_manifest_does_not_know_is_refused(file: Path, tmp_path: Path) -> None:
    rewritten(file, lambda parts: parts.insert(0, (tarfile.TarInfo("state/keys/evil.pub"), b"x")))
    with pytest.raises(SealedFileError, match=r"state/keys/evil.pub is not as its manifest says") as caught:
        restore_to(file, tmp_path / "new")
    assert caught.value.code == 681


def test_the_site_has_signed_it(file: Path, state: Path, tmp_path: Path) -> None:
    signature.keygen(tmp_path, "other")
    with sealed_file.opened(file, BACKUP) as opened:
        opened.verify_signature(signing_public_file(state))
        with pytest.raises(SealedFileError, match="did not sign it as it is") as caught:
            opened.verify_signature(tmp_path / "other.pub")
    assert caught.value.code == 682
    rewritten(file, lambda parts: parts.pop())
    with (
        sealed_file.opened(file, BACKUP) as opened,
        pytest.raises(SealedFileError, match="nobody has signed it"),
    ):
        opened.verify_signature(signing_public_file(state))


def test_without_the_site_s_key_it_is_unsigned_and_every_file_of_it_is_checked_all_the_same(
    state: Path, tmp_path: Path
) -> None:
    backup.write(state, out := tmp_path.parent / f"{tmp_path.name}.tar")
    with sealed_file.opened(out, BACKUP) as opened:
        assert not opened.is_signed
        restore.check(opened)
        with pytest.raises(SealedFileError, match="nobody has signed it") as caught:
            opened.verify_signature(signing_public_file(state))
    assert caught.value.code == 682
    data = bytearray(out.read_bytes())
    data[data.index(b"one\n", data.index(b"d-1.1.agent.log"))] ^= 1
    out.write_bytes(data)
    with (
        sealed_file.opened(out, BACKUP) as opened,
        pytest.raises(SealedFileError, match="not what was put in"),
    ):
        restore.check(opened)


def test_what_opens_the_secrets_is_in_no_backup_and_no_secret_is_in_it_in_the_clear(
    state: Path, site: Site, file: Path, tmp_path: Path
) -> None:
    key = secret_keys.key_file(site.settings)
    root = key.read_text().strip()
    assert key.is_file() and not key.is_relative_to(state) and site.opener
    clear = [
        root.encode(),
        bytes.fromhex(root),
        b"lab-pass-word",
        *(
            site.database.secrets.open(kind, SITE, site.opener).splitlines()[-1].encode()
            for kind in (AUDIT_KEY, CERTIFICATE_KEY)
        ),
    ]
    whole = backup.write(state, everything := tmp_path.parent / f"{tmp_path.name}.tar", with_images=True)
    kept = backup.keep_before(state, 14, lambda sentence: None)
    for made in (file, everything, kept):
        data = made.read_bytes()
        assert [secret for secret in clear if secret in data] == [], made
        assert b"state/secrets/worker.pub" in data, "such names are found in it"
    assert whole.secrets_key == site.opener.key_id


def test_with_its_key_what_was_restored_is_opened_and_with_another_nothing(
    state: Path, site: Site, file: Path, tmp_path: Path
) -> None:
    restore_to(file, target := tmp_path.parent / f"{tmp_path.name}-new")
    there, database = site.settings.model_copy(update={"state": target}), Database(target)
    place = secret_keys.key_file(there)
    with pytest.raises(SecretKeyError, match="is missing") as caught:
        vault.prepare(there, database, time.time())
    assert caught.value.code == 695
    place.parent.mkdir(mode=0o700)
    place.write_text(os.urandom(32).hex())
    place.chmod(0o600)
    with pytest.raises(SecretKeyError, match="is not the one") as caught:
        vault.prepare(there, database, time.time())
    assert caught.value.code == 696
    place.write_text(secret_keys.key_file(site.settings).read_text())
    opener = vault.prepare(there, database, time.time())
    assert "lab-pass-word" in database.secrets.open(BMC_LOGIN, "lab", opener)
    database.close()


def test_what_is_there_is_not_replaced(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "used"
    (target / "lost+found").mkdir(parents=True)
    restore_to(file, target)
    before = content(target)
    with pytest.raises(
        RefusedError, match=r"used is not empty \(.*\), and nothing there is replaced"
    ) as caught:
        restore_to(file, target)
    assert caught.value.code == 683 and content(target) == before


def test_one_of_a_newer_release_is_refused(file: Path, tmp_path: Path) -> None:
    def newer(parts: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        member, data = parts[-2]
        body = json.loads(data) | {"schema_version": SCHEMA_VERSION + 1, "version": "9.1"}
        parts[-2] = (member, json.dumps(body).encode())

    rewritten(file, newer)
    with pytest.raises(NewerFolderError, match=r"written by release 9\.1, which is newer") as caught:
        restore_to(file, tmp_path / "new")
    assert caught.value.code == 611 and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no archive of ours"), ("no tar\n" * 500, "no archive of ours"), ("\0" * 20480, "no manifest")],
)
def test_another_file_is_said_to_be_none(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "other").write_text(text)
    with pytest.raises(SealedFileError, match=why) as caught, sealed_file.opened(tmp_path / "other", BACKUP):
        pass
    assert caught.value.code == 680


def test_a_backup_lies_elsewhere_and_is_a_file(state: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies in the state folder, and would be lost with it"):
        backup.write(state, state / "images" / "b.tar")
    os.mkfifo(state.parent / f"{tmp_path.name}.pipe")
    with pytest.raises(FileError, match="is no file, and is not replaced by one"):
        backup.write(state, state.parent / f"{tmp_path.name}.pipe")


def test_a_damaged_database_is_not_backed_up_and_an_older_backup_stays(
    state: Path, file: Path, site: Site
) -> None:
    site.database.close()
    before = file.read_bytes()
    path = state / "provisioner.db"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    with pytest.raises(DamagedDatabaseError, match="is damaged"):
        backup.write(state, file)
    path.unlink()
    with pytest.raises(DamagedDatabaseError, match="is missing") as caught:
        backup.write(state, file)
    assert caught.value.code == 608 and file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_was_under_way_and_cannot_be_read_is_set_aside(site: Site) -> None:
    [image] = site.database.images.all()
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann")
    with site.database.writing() as db:
        db.execute("UPDATE deployments SET disk = '{' WHERE id = ?", [row.id])
    assert restored.end_all(site, "noon") == ["vc-1"]
    assert site.database.deployments.get(row.id).stage is Stage.CANCELLED


def old_folder(state: Path) -> Path:
    """As the release of schema 6 has left it."""
    state.mkdir()
    connection = sqlite3.connect(state / "provisioner.db")
    connection.executescript((GOLDEN / "schema-6.sql").read_text())
    connection.close()
    folder.prepare_folder(state)
    return state


def start(state: Path) -> list[str]:
    """What a start of the service does to the database; what it says."""
    said: list[str] = []
    database = Database(state)
    try:
        integrity.bring_up(
            database, said.append, lambda version: backup.keep_before(state, version, said.append)
        )
    finally:
        database.close()
    return said


def test_an_upgrade_is_preceded_by_a_backup_by_which_one_can_go_back(tmp_path: Path) -> None:
    state = old_folder(tmp_path / "s")
    before = rows(state / "provisioner.db")
    said = start(state)
    [kept] = (state / "backups").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert f"the database is of schema 6; before it is brought up to date it was copied to {kept}" in said[0]
    assert f"provision restore {state}.new/backups/{kept.name} --state {state}" in said[1]
    with sealed_file.opened(kept, BACKUP) as opened:
        assert opened.manifest.schema_version == 6
        [database] = [file for file in opened.manifest.files if file.name == "state/provisioner.db"]
        opened.extract(database, tmp_path / "old.db")
    assert rows(tmp_path / "old.db") == before
    assert start(state) == [], "the next start has nothing to do"


def test_no_more_than_a_few_of_them_are_kept(tmp_path: Path) -> None:
    state = old_folder(tmp_path / "s")
    (state / "backups").mkdir()
    for number in range(4):
        older = state / "backups" / f"schema-{number}-x.tar"
        older.write_text("x")
        os.utime(older, (number, number))
    (state / "backups" / "mine.tar").write_text("of an operator")
    start(state)
    names = sorted(path.name for path in (state / "backups").iterdir())
    assert (
        names[:3] == ["mine.tar", "schema-2-x.tar", "schema-3-x.tar"] and len(names) == backup.MOST_KEPT + 1
    )


def test_without_a_backup_there_is_no_upgrade(tmp_path: Path) -> None:
    state = old_folder(tmp_path / "s")
    before = rows(state / "provisioner.db")
    (state / "backups").write_text("somebody's file")
    with pytest.raises(ProvisionError) as caught:
        start(state)
    assert caught.value.code in (150, 613)
    assert rows(state / "provisioner.db") == before


def test_a_log_may_grow_and_a_file_may_go_while_they_are_read(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, gone = state / "logs" / "d-1.1.agent.log", state / "logs" / "d-2.1.agent.log"
    gone.write_text("x")
    real = sealed_file.Writer.add

    def add(self: sealed_file.Writer, path: Path, name: str, *how: Any) -> None:
        if path == log:
            gone.unlink()
            with log.open("a") as file:
                file.write("two\n")
        real(self, path, name, *how)

    monkeypatch.setattr(sealed_file.Writer, "add", add)
    out = tmp_path.parent / f"{tmp_path.name}.tar"
    names = {file.name for file in backup.write(state, out).files}
    assert "state/logs/d-1.1.agent.log" in names and "state/logs/d-2.1.agent.log" not in names
    restore_to(out, target := tmp_path.parent / f"{tmp_path.name}-new")
    assert (target / "logs" / "d-1.1.agent.log").read_text() == "one\ntwo\n"
