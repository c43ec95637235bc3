"""Secrets at rest: nothing plain is left of them, the key can be changed, and each stays in its row."""

import json
import os
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from provisioner import settings as settings_module
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan, PowerFailed
from provisioner.errors import NotFoundError, PowerError, SecretKeyError
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state import secret_keys, vault
from provisioner.state.database import Database
from provisioner.state.sealed_secrets import BMC_LOGIN, CERTIFICATE_KEY, SITE, SSH_KEY
from provisioner.system import ed25519
from tests.logins import put_login, site_with_keys
from tests.unit.state.test_migration import restore

PASSWORD = "Canary-Of-A-Login"


def raw(state: Path) -> bytes:
    """All that the folder holds, whatever file it is in."""
    return b"".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())


def earlier(state: Path) -> dict[str, str]:
    """Files as an earlier release has left them."""
    folder = state / "secrets"
    folder.mkdir(parents=True)
    private, public = ed25519.make_ssh("provisioner")
    files = {
        "lab.bmc.json": json.dumps({"user": "ADMIN", "password": PASSWORD}),
        "deploy_ed25519": private,
        "deploy_ed25519.pub": public + "\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return files


def test_plain_files_of_an_earlier_release_are_encrypted_and_gone(tmp_path: Path) -> None:
    files = earlier(tmp_path / "s")
    site = site_with_keys(tmp_path / "s")
    assert opened_secrets.bmc_login(site, "lab", "vc-1") == ("ADMIN", PASSWORD)
    left = {path.name for path in (tmp_path / "s" / "secrets").iterdir()}
    assert left == {"seed.key", "site.pub", "worker.pub"}
    site.database.db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    found = raw(tmp_path / "s")
    lines = [line.encode() for line in files["deploy_ed25519"].splitlines() if not line.startswith("-----")]
    assert not [secret for secret in (PASSWORD.encode(), *lines) if secret in found]
    site.database.close()


def test_a_start_that_was_killed_before_the_file_was_gone_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier(tmp_path / "s")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(vault, "_shred", killed)
        site_with_keys(tmp_path / "s")
    assert (tmp_path / "s" / "secrets" / "lab.bmc.json").exists()
    site = site_with_keys(tmp_path / "s")
    assert opened_secrets.bmc_login(site, "lab", "vc-1").password == PASSWORD
    assert PASSWORD.encode() not in raw(tmp_path / "s")
    site.database.close()


def test_the_finder_finds_what_was_not_encrypted(tmp_path: Path) -> None:
    earlier(tmp_path / "s")
    assert PASSWORD.encode() in raw(tmp_path / "s")


def test_a_login_leaves_nothing_in_any_file_neither_kept_nor_replaced_nor_removed(tmp_path: Path) -> None:
    site = site_with_keys(tmp_path / "s")
    for number in range(20):
        put_login(site, f"rack-{number % 5}", "ADMIN", f"{PASSWORD}-{number}")
    with site.database.writing():
        site.database.secrets.remove(BMC_LOGIN, "rack-1")
    assert PASSWORD.encode() not in raw(tmp_path / "s")
    assert opened_secrets.bmc_login(site, "rack-0", "vc-1").password == f"{PASSWORD}-15"
    site.database.close()


def test_what_a_row_held_before_it_was_deleted_is_overwritten(tmp_path: Path) -> None:
    site = site_with_keys(tmp_path / "s")
    site.database.db.execute("INSERT INTO service VALUES ('canary', ?)", [PASSWORD * 50])
    site.database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert PASSWORD.encode() in raw(tmp_path / "s")
    site.database.db.execute("DELETE FROM service WHERE key = 'canary'")
    site.database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert PASSWORD.encode() not in raw(tmp_path / "s")
    site.database.close()


def test_a_row_that_was_put_in_the_place_of_another_does_not_open(site: Site) -> None:
    put_login(site, "lab", "ADMIN", PASSWORD)
    put_login(site, "spare", "root", "other")
    site.database.db.execute(
        "UPDATE secrets SET body = (SELECT body FROM secrets WHERE name = 'lab') WHERE name = 'spare'"
    )
    with pytest.raises(SecretKeyError, match="belongs to another place") as moved:
        opened_secrets.bmc_login(site, "spare", "vc-1")
    assert moved.value.code == 697


def test_the_key_is_changed_by_a_line_before_the_old_one(tmp_path: Path) -> None:
    site = site_with_keys(tmp_path / "s")
    put_login(site, "lab", "ADMIN", PASSWORD)
    path = secret_keys.key_file(site.settings)
    old, new = path.read_text(), os.urandom(32).hex() + "\n"
    path.write_text(new + old)
    site.opener = vault.prepare(site.settings, site.database, 2.0)
    assert set(site.database.secrets.by_key()) == {site.opener.key_id}
    path.write_text(new)
    site.opener = vault.prepare(site.settings, site.database, 3.0)
    assert opened_secrets.bmc_login(site, "lab", "vc-1").password == PASSWORD
    path.write_text(old)
    with pytest.raises(SecretKeyError):
        vault.prepare(site.settings, site.database, 4.0)
    site.database.close()


def test_a_process_without_the_key_can_write_and_cannot_read(site: Site) -> None:
    site.opener = None
    put_login(site, "lab", "ADMIN", PASSWORD)
    with pytest.raises(SecretKeyError, match="may not read secrets"):
        opened_secrets.bmc_login(site, "lab", "vc-1")
    with pytest.raises(PowerError, match="never given"):
        opened_secrets.bmc_login(site, "other", "vc-1")


def test_the_signing_key_that_was_lost_is_not_replaced(tmp_path: Path) -> None:
    site = site_with_keys(tmp_path / "s")
    with site.database.writing():
        site.database.secrets.remove(CERTIFICATE_KEY, SITE)
    vault.prepare(site.settings, site.database, 2.0)
    with pytest.raises(NotFoundError) as lost:
        opened_secrets.read(site, CERTIFICATE_KEY, SITE)
    assert lost.value.code == 698
    site.database.close()


# --- the SSH key of each deployment ----------------------------------------------------------------------


def order(site: Site) -> str:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann").id


def tell(site: Site, ident: str, *events: Payload) -> None:
    for event in events:
        record(site, ident, event, source="test")


def test_each_deployment_has_a_key_of_its_own_that_ends_with_it(site: Site) -> None:
    first = order(site)
    with opened_secrets.ssh_key(site, first, "vc-1") as path:
        private = path.read_text()
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    public = site.database.secrets.public(SSH_KEY, first)
    assert public.startswith("ssh-ed25519 ") and public.endswith(f" provisioner {first}")
    tell(site, first, OrderCancelled(by="ann"))
    assert not site.database.secrets.has(SSH_KEY, first)
    second = order(site)
    assert site.database.secrets.public(SSH_KEY, second).split()[1] != public.split()[1]


def test_a_failed_deployment_keeps_its_key_until_the_host_is_ordered_again(site: Site) -> None:
    first = order(site)
    tell(site, first, SlotGiven(), PowerBegan(nonce="n"), PowerFailed(code=202, sentence="no", hint=""))
    assert site.database.secrets.has(SSH_KEY, first)
    second = order(site)
    assert site.database.secrets.names(SSH_KEY) == [second]


def test_the_key_of_a_deployment_that_is_forgotten_is_forgotten(site: Site) -> None:
    first = order(site)
    site.database.db.execute("DELETE FROM deployments WHERE id = ?", [first])
    assert site.database.secrets.remove_orphaned_ssh_keys() == 1
    assert site.database.secrets.names(SSH_KEY) == []


def test_a_deployment_under_way_at_the_upgrade_is_verified_by_the_key_of_its_time(tmp_path: Path) -> None:
    files = earlier(tmp_path / "s")
    plain = {"state": tmp_path / "s", "interface": "lan0", "address": "10.77.0.1/24"}
    settings = settings_module.check(plain, source="test")
    database = Database(settings.state)
    database.migrate()
    under_way = [{"id": "d-OLD", "host": "vc-1", "stage": "verifying", "mac": "52:54:00:00:00:01"}]
    columns = dict.fromkeys(("image", "armed_by"), "x") | dict.fromkeys(
        ("stage_since", "deadline", "created", "expires", "attempt"), 0
    )
    database.db.table("deployments").insert_all([row | columns for row in under_way])
    opener = vault.prepare(settings, database, 1.0)
    site = Site(settings, database, opener=opener)
    with opened_secrets.ssh_key(site, "d-OLD", "vc-1") as path:
        assert path.read_text() == files["deploy_ed25519"]
    database.db.execute("UPDATE deployments SET stage = 'ready'")
    vault.prepare(settings, database, 2.0)
    assert not database.secrets.has(SSH_KEY, SITE)
    database.close()


# --- what earlier releases left in the database ------------------------------------------------------------


def test_what_an_earlier_release_had_deleted_is_not_left_in_the_file(tmp_path: Path) -> None:
    restore(tmp_path / "provisioner.db")
    connection = sqlite3.connect(tmp_path / "provisioner.db")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("INSERT INTO service VALUES ('canary', ?)", [PASSWORD * 400])
    connection.commit()
    connection.execute("DELETE FROM service WHERE key = 'canary'")
    connection.execute("PRAGMA user_version=14")
    connection.commit()
    connection.close()
    assert PASSWORD.encode() in raw(tmp_path), "the finder finds it"
    database = Database(tmp_path)
    database.migrate()
    assert PASSWORD.encode() not in raw(tmp_path)
    database.close()
    assert PASSWORD.encode() not in raw(tmp_path)
