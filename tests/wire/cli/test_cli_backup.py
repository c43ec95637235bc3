"""`provision backup` beside the running service, and a service that starts on what `restore` made of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.state.database import Database

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace, Puppet, World


AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--map-auto")


@pytest.fixture(scope="module")
def kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the running service, with an order under way, without images."""
    out = tmp_path_factory.mktemp("kept") / "site.tar"
    world.client.put_secret("kept", "admin", "kept-pass-word")
    with world.machine() as puppet:
        ident = puppet.reach_restarting()
        settings = out.with_name("provisioner.toml")
        settings.write_text('interface = "lan0"\n')
        said = world.provision("backup", out, "--settings", settings, "-o", "json")
        world.client.cancel(ident)
    assert said.code == 0, said.err
    body = json.loads(said.out)["backup"]
    assert body["images"] == ["vault-os@1"] and body["created"].endswith("+00:00")
    assert "without the bytes of vault-os@1. Keep it where nobody looks" in said.err
    assert f"its secrets are opened by the key {body['secrets_key']} alone, which is not in it" in said.err
    assert "not signed" not in said.err
    return out


def key_of(state: Path) -> Path:
    """What opens its secrets."""
    return state.with_name(f"{state.name}-keys") / "secrets.key"


def test_it_is_for_its_owners_eyes_and_has_the_secrets_and_not_what_opens_them(
    world: World, kept: Path
) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with tarfile.open(kept) as archive:
        names = archive.getnames()
    assert {"state/provisioner.db", "state/secrets/worker.pub", "settings.toml"} <= set(names)
    data, key = kept.read_bytes(), key_of(world.state).read_text().strip()
    assert key.encode() not in data and bytes.fromhex(key) not in data and b"kept-pass-word" not in data
    assert not [name for name in names if "api.sock" in name or name.endswith((".lock", "/pack"))]


def test_a_service_starts_on_the_restored_folder_and_knows_what_it_knew(
    world: World, kept: Path, inside: type[Inside], lan: Namespace, tmp_path: Path
) -> None:
    state, settings = tmp_path / "s", tmp_path / "found.toml"
    key = ("--key", world.state / "secrets" / "site.pub")
    more = ("--images", world.state / "images", "--settings", settings)
    said = world.provision("restore", kept, "--state", state, *key, *more)
    assert said.code == 0, said.err
    assert "Database  schema" in said.out and re.search(r"\d orders? ended \(PV-684\)", said.err), said.err
    assert "add these images again" not in said.err and settings.read_text() == 'interface = "lan0"\n'
    assert "alone, which is in no backup (it came from" in said.err
    assert f"put your copy into {key_of(state)} before the service starts" in said.err
    shutil.copytree(key_of(world.state).parent, key_of(state).parent)
    before = json.loads(world.provision("host", "list", "-o", "json").out)["hosts"]
    with inside(lan, tmp_path) as made:
        listed = lan.provision("host", "list", "--state", state, "-o", "json").json["hosts"]
        assert {host["name"] for host in listed} <= {host["name"] for host in before} and listed
        verified = lan.provision("image", "verify", "vault-os", "--state", state)
        assert verified.code == 0, verified.err
        secrets = lan.provision("bmc", "secret", "list", "--state", state, "-o", "name")
        assert "kept" in secrets.out.split()
        assert made.exit_code is None and "Traceback" not in made.log.read_text()
    database = Database(state)
    rows = [row for row in database.deployments.newest() if row.code == 684]
    database.close()
    assert rows and not [row for row in rows if row.stage != "failed" or row.nonce or row.phone_hash]
    assert all("the service was restored from the backup of 20" in row.reason for row in rows)


def test_a_dry_run_reads_all_of_it_and_writes_nothing(world: World, kept: Path, tmp_path: Path) -> None:
    said = world.provision("restore", kept, "--dry-run", "--state", tmp_path / "s")
    assert said.code == 0 and f"{kept} is whole; {tmp_path / 's'} would be made from it" in said.err
    listed = world.provision("restore", kept, "--dry-run", "--state", tmp_path / "s", "-o", "json").json
    assert listed["backup"]["images"] == ["vault-os@1"] and not (tmp_path / "s").exists()
    data = bytearray(kept.read_bytes())
    data[data.index(b'interface = "lan0"')] ^= 1
    (tmp_path / "changed.tar").write_bytes(data)
    said = world.provision("restore", tmp_path / "changed.tar", "--dry-run", "--state", tmp_path / "s")
    assert said.code == 6 and "settings.toml is not what was put in (PV-681)" in said.err


def test_where_what_opens_the_secrets_cannot_be_read_it_is_unsigned_and_says_so(
    world: World, tmp_path: Path
) -> None:
    """As where systemd alone has it."""
    place = key_of(world.state)
    place.rename(place.with_name("away"))
    try:
        said = world.provision("backup", tmp_path / "b.tar")
    finally:
        place.with_name("away").rename(place)
    assert said.code == 0 and f"not signed: {place} is missing" in said.err, said.err
    assert "(PV-695)" in said.err and "Signed    no; its files have their SHA-256 in it" in said.out
    key = ("--key", world.state / "secrets" / "site.pub")
    said = world.provision("restore", tmp_path / "b.tar", *key, "--state", tmp_path / "s")
    assert said.code == 6 and "nobody has signed it" in said.err and "(PV-682)" in said.err
    said = world.provision("restore", tmp_path / "b.tar", "--dry-run", "--state", tmp_path / "s")
    assert said.code == 0 and not (tmp_path / "s").exists()


def test_images_that_are_only_named_are_said_to_be_missing(world: World, kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "images" / "vault-os-1"
    other.mkdir(parents=True)
    pack = bytearray((world.state / "images" / "vault-os-1" / "pack").read_bytes())
    pack[len(pack) // 2] ^= 1
    (other / "pack").write_bytes(pack)
    state = tmp_path / "s"
    said = world.provision("restore", kept, "--state", state, "--images", tmp_path / "images")
    assert said.code == 0 and "vault-os@1 is not taken from" in said.err and "(PV-321)" in said.err
    assert "add these images again, the backup only names them: vault-os@1" in said.err
    assert not (state / "images" / "vault-os-1" / "pack").exists()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("restore", "{kept}", "--state", "{world}"), 6, "is not empty"),
        (("restore", "{world}/provisioner.db", "--state", "{tmp}/s"), 6, "is no backup"),
        (("restore", "{tmp}/nothing", "--state", "{tmp}/s"), 2, "there is no such file or folder"),
        (("restore", "{kept}", "--state", "{tmp}/s", "--settings", "{kept}"), 2, "is there already"),
        (("restore", "{kept}", "--state", "{tmp}/s", "--key", "{other}"), 6, "did not sign it as it is"),
        (("backup", "{tmp}/b.tar", "--state", "{tmp}"), 2, "is no state folder of the service"),
        (("backup", "{world}/b.tar"), 2, "lies in the state folder, and would be lost with it"),
        (("backup", "/dev/null"), 2, "is no file, and is not replaced by one"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    world: World, kept: Path, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    places = {"kept": kept, "world": world.state, "tmp": tmp_path, "other": world.folder / "release.pub"}
    said = world.provision(*(word.format(**places) for word in words))
    assert said.code == code and sentence in said.err and "(PV-" in said.err, said.err
    assert not (tmp_path / "s").exists()


def test_the_folder_of_another_user_is_his_after_root_has_restored_it(
    world: World, kept: Path, tmp_path: Path
) -> None:
    """As Debian's package has made it: empty, and the service user's."""
    script = (
        f'mkdir {tmp_path}/s && chown 7:8 {tmp_path}/s && "$@" && find {tmp_path}/s ! -user 7 -o ! -group 8'
    )
    argv = (*AS_ROOT, "sh", "-ec", script, "sh")
    command = (world.python, "-m", "provisioner", "restore", kept, "--state", tmp_path / "s")
    done = run.run([*argv, *command], check=False, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    assert "/s" not in done.stdout.decode().split("Images")[1], "nothing of it is anybody else's"


def test_root_trusts_a_key_for_the_service_user(world: World) -> None:
    """In a place that he can reach, as /var/lib is; a link that he has put there leads root nowhere."""
    with tempfile.TemporaryDirectory() as place:
        state = f"{place}/s"
        script = f'chmod 755 {place} && mkdir -m 700 {state} && chown 7:8 {place} {state} && "$@"'
        script += f" && find {state} ! -user 7"
        argv = (*AS_ROOT, "sh", "-ec", script, "sh")
        command = (world.python, "-m", "provisioner", "image", "trust", world.folder / "release.pub")
        done = run.run([*argv, *command, "--state", state], check=False, timeout=100)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()
        script = f'rm -r {state}/keys && mkdir -m 755 {place}/etc && ln -s {place}/etc {state}/keys && "$@"'
        script = f"chown 0:0 {place} && {script}"
        argv = (*AS_ROOT, "sh", "-ec", script, "sh")
        done = run.run([*argv, *command, "--state", state], check=False, timeout=100)
        said = done.stderr.decode()
        assert done.returncode == 2 and "you have no permission (PV-150)" in said, said
        assert list(Path(place, "etc").iterdir()) == []


def test_a_puppet_is_not_touched_by_a_backup(world: World, puppet: Puppet, tmp_path: Path) -> None:
    ident = puppet.reach_restarting()
    assert world.provision("backup", tmp_path / "b.tar", "--images").code == 0
    assert world.site.database.deployments.get(ident).stage == "restarting"
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert "state/images/vault-os-1/pack" in archive.getnames()
