"""`provision host prove-boot`: its BMC, its system's SSH server, the service and the command are real."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import Stage
from provisioner.verify import SshTarget
from provisioner.verify.ssh import Route
from provisioner.worker import boot_proof
from tests.wire.verify.test_verify import make_key

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World

PROGRAM = Path(__file__).parent / "programs" / "machine.py"
NUMBERS = itertools.count(88)  # of BMCs: no two hosts share one


@dataclass
class Deployed:
    """A host whose system runs, started by kexec; the last start of its BMC's machine."""

    puppet: Puppet
    folder: Path
    row: Deployment
    fingerprint: str


@pytest.fixture
def deployed(world: World, held: Callable[[list[str]], Any], tmp_path: Path) -> Iterator[Deployed]:
    key = make_key(tmp_path / "host")
    make_key(tmp_path / "strange")
    shown = run.text(["ssh-keygen", "-l", "-f", tmp_path / "host.pub"]).split()[1]
    world.client.put_secret("proof", "provision", "lab-secret")
    users = "root:x:0:0::/root:/bin/sh\nprovision:x:1000:1000::/:/bin/sh\n"
    (tmp_path / "passwd").write_text(users)
    for words in (
        ("mount", "--bind", tmp_path / "passwd", "/etc/passwd"),
        ("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0"),
    ):
        done = world.lan.run(*words)
        assert done.code == 0, done.err
    place = f"10.77.1.{next(NUMBERS)}"
    bmc = {"driver": "ipmi", "address": place, "secret": "proof", "console": "none"}
    puppet = world.add_host(bmc=bmc)
    world.lan.add_address(f"{place}/32", "lo")
    world.lan.add_address(f"{puppet.address}/24")
    row = Deployment(
        id=f"d-PROOF{puppet.name[-3:]}",
        host=puppet.name,
        mac=puppet.mac,
        image="vault-os@1",
        stage=Stage.READY,
        stage_since=1,
        deadline=0,
        created=1,
        expires=2,
        consumed=1,
        host_keys=(" ".join(key.split()[:2]),),
        address=puppet.address,
        restart="kexec",
        started_by="kexec",
    )
    put(world, row)
    try:
        with held(world.lan.argv(sys.executable, PROGRAM, tmp_path, place, puppet.address)):
            yield Deployed(puppet, tmp_path, row, shown)
    finally:
        world.lan.run("umount", "/etc/passwd")
        put(world, row.changed(stage=Stage.CANCELLED))


def put(world: World, row: Deployment) -> None:
    with world.site.database.writing():
        world.site.database.deployments.put(row)


def test_a_host_is_switched_off_and_on_and_known_by_its_host_key(world: World, deployed: Deployed) -> None:
    name = deployed.puppet.name
    shown = world.provision("host", "show", name)
    assert "ready (firmware's boot not seen)" in shown.out
    assert f"provision host prove-boot {name}" in " ".join(shown.out.split())
    said = world.provision("host", "prove-boot", name, "-o", "json")
    assert said.code == 0, said.err
    (proof,) = json.loads(said.out)["proofs"]
    assert (proof["result"], proof["host_key"]) == ("proven", deployed.fingerprint)
    assert proof["address"] == deployed.puppet.address
    row = deployed.puppet.row
    assert row.firmware_boot > 0 and row.stage == Stage.READY
    assert world.kinds(row.id) == ["boot.proven"]
    assert "its firmware was seen to start this disk on" in world.provision("host", "show", name).out
    assert "firmware's boot not seen" not in world.provision("status").out
    audited = [json.loads(line) for line in world.site.database.audit.lines(0, 10_000)]
    what = [line["what"] for line in audited if line.get("host") == name]
    assert [words for words in what if "prove-boot" in words] == [
        "prove-boot: power off, then on",
        "bmc prove-boot",
    ]


def test_a_system_of_another_disk_is_not_taken_for_it(world: World, deployed: Deployed) -> None:
    (deployed.folder / "other").touch()
    said = world.provision("host", "prove-boot", deployed.puppet.name)
    assert said.code == 3 and "PV-434" in said.out
    row = deployed.puppet.row
    assert row.lacks_firmware_boot and world.kinds(row.id) == ["boot.unproven"]


def test_it_is_refused_while_the_host_is_deployed_or_not_ready(world: World, puppet: Puppet) -> None:
    said = world.provision("host", "prove-boot", puppet.name)
    assert said.code == 6 and "PV-430" in said.err and "was never deployed" in said.err
    puppet.arm()
    said = world.provision("host", "prove-boot", puppet.name)
    assert said.code == 6 and "PV-132" in said.err and "provision watch" in said.err


def test_many_are_asked_before_and_those_that_lack_nothing_are_left_alone(
    world: World, deployed: Deployed
) -> None:
    put(world, deployed.row.changed(firmware_boot=5.0))
    said = world.provision("host", "prove-boot", "--select", f"name={deployed.puppet.name}", "--yes")
    assert said.code == 0 and "no host lacks it" in said.err and not world.kinds(deployed.row.id)
    put(world, deployed.row)
    said = world.provision("host", "prove-boot", "--select", f"name={deployed.puppet.name}")
    assert said.code == 6 and "PV-133" in said.err and "--yes" in said.err
    said = world.provision("host", "prove-boot", "--select", f"name={deployed.puppet.name}", "--yes")
    assert said.code == 0 and "proven" in said.out


def test_where_one_of_two_is_proven_both_are_told(world: World, deployed: Deployed, puppet: Puppet) -> None:
    """The other one was never deployed: it is left alone, and said."""
    names = (deployed.puppet.name, puppet.name)
    said = world.provision("host", "prove-boot", *names, "--yes", "-o", "json")
    assert said.code == 4, said.err
    rows = {row["host"]: row for row in json.loads(said.out)["proofs"]}
    assert [rows[name]["result"] for name in names] == ["proven", "refused"]
    assert rows[puppet.name]["code"] == 430 and not world.kinds(deployed.row.id)[1:]


def test_which_host_must_be_said(world: World) -> None:
    said = world.provision("host", "prove-boot")
    assert said.code == 2 and "which host is not said" in said.err


def test_a_port_that_nobody_opens_is_silence(tmp_path: Path) -> None:
    target = SshTarget("vc-1", "127.0.0.1", "nobody", Path("/dev/null"), (), port=9)
    known = tmp_path / "known_hosts"
    known.write_text("")
    assert boot_proof.look(Route(target, known, tmp_path / "c")) == ("silent", "")
