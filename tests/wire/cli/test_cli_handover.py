"""The certificates that the service keeps of its hosts: shown, listed, and given as files that are right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from provisioner.certificate import canonical, signing
from provisioner.domain.acceptance import Level
from provisioner.site import opened_secrets
from provisioner.state.acceptance_reports import StoredReport
from tests.certificates import healthy, rejected

if TYPE_CHECKING:
    from pathlib import Path

    from provisioner.domain.acceptance import AcceptanceReport
    from tests.wire.conftest import Puppet, World

OLDER, NEWER = 1_800_000_000.0, 1_800_000_100.0


def keep(world: World, host: str, report: AcceptanceReport, created: float) -> str:
    """The service has this report of the host, under an id that no other test uses; the id."""
    ident = f"a-{host}-{int(created)}"
    subject = report.subject.model_copy(update={"name": host})
    report = report.model_copy(update={"report_id": ident, "subject": subject})
    body = canonical.render(report)
    with opened_secrets.certificate_key(world.site, host) as key:
        signature = signing.sign(body, key)
    stored = StoredReport(
        id=ident,
        host=host,
        deployment="d-20261129-0001",
        created=created,
        level=Level.FULL,
        verdict=report.verdict.status,
        body=body.decode(),
        signature=signature,
    )
    with world.site.database.writing():
        world.site.database.acceptance_reports.add(stored)
    return ident


@pytest.fixture
def judged(world: World) -> Puppet:
    """A host that was rejected, and accepted when it was mended."""
    host = world.add_host()
    keep(world, host.name, rejected(), OLDER)
    keep(world, host.name, healthy(), NEWER)
    return host


def test_the_newest_is_shown_and_all_are_listed(world: World, judged: Puppet) -> None:
    said = world.provision("certificate", judged.name)
    assert said.code == 0 and "accepted" in said.out and f"a-{judged.name}-{int(NEWER)}" in said.out
    assert world.provision("certificate", "get", judged.name).out == said.out
    said = world.provision("certificate", "list", judged.name, "-o", "name")
    assert said.out.split() == [f"a-{judged.name}-{int(when)}" for when in (NEWER, OLDER)]
    rows = world.provision("certificate", "list", judged.name, "-o", "json").json["certificates"]
    assert [row["verdict"] for row in rows] == ["accepted", "rejected"]


@pytest.mark.parametrize("kind", ["pdf", "html", "json"])
def test_a_file_is_right_on_a_machine_that_has_nothing_but_the_key(
    world: World, judged: Puppet, tmp_path: Path, kind: str
) -> None:
    paper, key = tmp_path / f"unit.{kind}", tmp_path / "site.pub"
    assert world.provision("certificate", judged.name, "-o", paper).code == 0
    key.write_text(world.provision("certificate", "key").out)
    said = world.provision("certificate", "verify", paper, "--key", key, "-o", "json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["certificate"]["report_id"] == f"a-{judged.name}-{int(NEWER)}"
    older = f"a-{judged.name}-{int(OLDER)}"
    assert world.provision("certificate", judged.name, "--report", older, "-o", paper).code == 0
    assert world.provision("certificate", "verify", paper, "--key", key).code == 8


def test_a_host_that_was_never_verified_has_none(world: World) -> None:
    host = world.add_host()
    said = world.provision("certificate", host.name)
    assert (said.code, said.out) == (2, "") and "(PV-147)" in said.err
    assert f"provision deploy {host.name}" in said.err
    assert world.provision("certificate", "list", host.name, "-o", "name").out == ""
    said = world.provision("certificate", host.name, "--report", "a-nobodys-report-1")
    assert said.code == 2 and "(PV-147)" in said.err


def test_a_host_whose_name_is_like_a_commands_is_got_by_get(world: World) -> None:
    mac = "52:54:00:7a:00:01"
    world.apply([{"name": "lists", "macs": [mac], "profile": "cube"}], [])
    keep(world, "lists", healthy(), NEWER)
    said = world.provision("certificate", "lists")
    assert said.code == 2 and "Did you mean 'list'?" in said.err
    assert world.provision("certificate", "get", "lists").code == 0


def test_what_another_machine_of_the_name_was_given_is_not_this_ones(world: World, judged: Puppet) -> None:
    assert world.provision("host", "remove", judged.name, "--yes").code == 0
    assert world.provision("host", "add", judged.name, "--mac", judged.mac, "--profile", "cube").code == 0
    assert "(PV-147)" in world.provision("certificate", judged.name).err
