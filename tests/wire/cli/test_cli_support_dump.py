"""`provision support-dump` beside the running service: the file, what is said of it, what is refused."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire.conftest import Puppet, World


def test_the_file_of_a_running_service_has_no_secret_of_it(
    world: World, puppet: Puppet, tmp_path: Path
) -> None:
    world.client.put_secret("dumped", "admin", "dump-pass-word")
    puppet.reach_restarting()
    puppet.tell("log", lines=[f"the token is {puppet.token}", f"the nonce was {puppet.used}"])
    out = tmp_path / "dump.tar.gz"
    said = world.provision("support-dump", "--out", out, "-o", "json")
    assert said.code == 0, said.err
    names = {file["name"] for file in json.loads(said.out)["files"]}
    with tarfile.open(out) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        texts = {member.name: archive.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]
    assert {f"support-dump/{name}" for name in names} | {"support-dump/README.txt"} == texts.keys()
    log = texts[f"support-dump/logs/{puppet.row.id}.1.agent.log"]
    assert "the token is" in log and "the nonce was" in log
    operator = (world.state / "secrets" / "https.key").read_text().splitlines()[1]
    for secret in (puppet.token, puppet.used, puppet.phone_token, "dump-pass-word", operator):
        assert secret and not [name for name, text in texts.items() if secret in text]


def test_a_file_that_is_there_stays(world: World, tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.write_text("mine")
    said = world.provision("support-dump", "--out", out)
    assert (said.code, out.read_text()) == (6, "mine") and "(PV-130)" in said.err


def test_a_folder_that_is_none_of_the_services_is_refused(world: World, tmp_path: Path) -> None:
    said = world.provision("support-dump", "--state", tmp_path)
    assert said.code == 2 and "is no state folder" in said.err
