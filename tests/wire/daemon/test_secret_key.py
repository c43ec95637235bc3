"""Where the key of the site's secrets is, who is handed it, and what a start without it says."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.errors import ServiceError
from tests.wire.daemon.test_canaries import family

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace

PASSWORD = "Canary-of-an-older-release"


@pytest.fixture
def own(lan: Namespace, inside: type[Inside], tmp_path: Path) -> Iterator[Inside]:
    """A service of the test's own that is not started yet."""
    made = inside(lan, tmp_path)
    try:
        yield made
    finally:
        made.stop()


def children(service: Inside) -> dict[str, int]:
    """The process of each service."""
    found = {}
    assert service._process
    for pid in family(service._process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if "--only" in words and "provisioner" in words and Path(words[0]).name != "sh":
            found.setdefault(words[words.index("--only") + 1], pid)
    return found


def checked(service: Inside, lan: Namespace) -> str:
    said = lan.provision("check", "-o", "json", "--state", service.state)
    lines = json.loads(said.out)["checks"]
    return " ".join(line["sentence"] for line in lines if line["subject"] == "secrets")


def test_a_credential_is_used_and_no_service_finds_it(own: Inside, lan: Namespace, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir(mode=0o700)
    (tmp_path / "credentials" / "secrets.key").write_text(os.urandom(32).hex() + "\n")
    at = own._argv.index("--") + 1
    own._argv[at:at] = ["env", f"CREDENTIALS_DIRECTORY={tmp_path / 'credentials'}"]
    own.start()
    assert "from systemd's credential secrets.key" in checked(own, lan)
    assert not (tmp_path / "s-keys").exists(), "no other key is made"
    found = children(own)
    assert set(found) == {"dhcp", "tftp", "dns", "web", "api", "worker"}
    for name, pid in found.items():
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"CREDENTIALS" not in environment, name
        opened = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        assert not [path for path in opened if "secrets.key" in path], name


def test_a_start_without_its_key_is_refused_and_says_what_to_do(own: Inside, tmp_path: Path) -> None:
    own.start()
    own.stop()
    key = tmp_path / "s-keys" / "secrets.key"
    kept = key.read_text()
    for text, code in ((None, 695), (os.urandom(32).hex() + "\n", 696)):
        key.unlink(missing_ok=True)
        if text:
            key.write_text(text)
        with pytest.raises(ServiceError):
            own.start()
        assert own.exit_code == 6, "systemd does not try it again and again"
        assert f"(PV-{code})" in own.log.read_text()
    key.write_text(kept)
    own.start()
    assert own.exit_code is None


def test_a_worker_that_was_killed_is_given_the_key_again(own: Inside, lan: Namespace) -> None:
    own.start()
    run.signal_process(children(own)["worker"], signal.SIGKILL)
    until = time.monotonic() + 60
    while "worker serves again" not in own.log.read_text():
        assert time.monotonic() < until, own.log.read_text()
        time.sleep(0.1)  # its log has no event that we could await
    said = lan.provision("audit", "export", "--state", own.state)
    assert said.code == 0, said
    assert "worker was killed by signal 9; it is started again" in own.log.read_text()


def test_plain_files_of_an_earlier_release_are_encrypted_at_the_first_start(
    own: Inside, lan: Namespace
) -> None:
    own.start()
    own.stop()
    folder = own.state / "secrets"
    (folder / "lab.bmc.json").write_text(json.dumps({"user": "ADMIN", "password": PASSWORD}))
    own.start()
    listed = lan.provision("bmc", "secret", "list", "-o", "name", "--state", own.state)
    assert listed.out.split() == ["lab"] and not (folder / "lab.bmc.json").exists()
    written = [path for path in own.state.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
    assert (
        "is encrypted now, in the database: 1 files" in own.log.read_text()
        and PASSWORD not in own.log.read_text()
    )
