"""A host that is verified from the ramdisk, against the running service: what it may say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.agent.arguments import ExaminationArguments, KernelArguments
from provisioner.agent.protocol import ProtocolError
from provisioner.domain.stage import Stage

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World


def facts(puppet: Puppet) -> dict[str, Any]:
    rest = {"image_id": "", "image_version": "", "root_disks": [], "machine_id": "", "cloud_init": ""}
    return {**rest, "memory": 1 << 30, "macs": [puppet.mac], "pci": [], "kernel": "6.1.0"}


def report(puppet: Puppet, nonce: str, **other: Any) -> dict[str, Any]:
    """What the agent says of its host."""
    disk = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
    hardware = {"mac": puppet.mac, "macs": [puppet.mac], "serial": "", "uuid": "", "memory": 1 << 30}
    message = {"nonce": nonce, "boot_id": "boot-9", "collected": {"facts": json.dumps(facts(puppet))}}
    return {**message, "hardware": {**hardware, "version": "2.0", "disks": [disk]}, **other}


@pytest.fixture
def deployed(world: World, puppet: Puppet) -> Puppet:
    """A host whose disk was written, and whose deployment rests."""
    ident = puppet.reach_restarting()
    world.client.cancel(ident)
    puppet.token = ""
    return puppet


def order(world: World, puppet: Puppet) -> str:
    """By the command line, as somebody does; its id, once the button may be pressed."""
    done = world.provision("verify", puppet.name, "--yes", "--no-wait")
    assert done.code == 0, done.err
    ident = done.out.strip()
    world.await_event(ident, "power.asked")
    return ident


def arguments(puppet: Puppet) -> ExaminationArguments:
    """What its boot script lets the agent do."""
    text = puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body.decode()
    line = next(line for line in text.splitlines() if line.startswith("kernel "))
    with pytest.raises(ProtocolError, match="forbids"):
        KernelArguments.parse(line)
    return ExaminationArguments.parse(line)


def test_a_host_is_looked_at_judged_and_sent_back_to_its_disk(world: World, deployed: Puppet) -> None:
    last = deployed.row.id
    ident = order(world, deployed)
    nonce = arguments(deployed).nonce
    first = deployed.http("/agent/v1/examination", body=report(deployed, nonce))
    assert first.status == 200 and set(first.json) == {"do"}, "neither token nor order"
    world.await_event(ident, "disk.chosen")
    again = deployed.http("/agent/v1/examination", body=report(deployed, nonce))
    assert again.json == {"do": "reboot"}
    world.await_event(ident, "verify.concluded")
    row = world.client.deployment(ident)
    assert row.stage == "ready" and row.purpose == "verify" and not row.disk.name
    told = ["disk.chosen", "host.released", "verify.task"]
    assert [kind for kind in dict.fromkeys(world.told(ident)) if kind in told] == told
    assert world.client.deployment(deployed.name).id == last, "the host's deployment is the one before"
    shown = world.provision("certificate", "list", deployed.name, "-o", "json")
    [found] = shown.json["certificates"]
    assert found["report"] == row.verdict.report and found["verdict"] == "accepted"
    assert "No deployment is ordered" in deployed.http(f"/boot/{deployed.mac}/boot.ipxe").body.decode()


def test_by_its_nonce_nobody_writes(world: World, deployed: Puppet) -> None:
    ident = order(world, deployed)
    nonce = arguments(deployed).nonce
    world.await_event(ident, "script.served")
    before = world.told(ident)
    assert deployed.hello(nonce=nonce).status == 404
    mac = deployed.mac.replace(":", "-")
    for path in (
        f"/autoinstall/{mac}/{nonce}/user-data",
        f"/boot/{mac}/vmlinuz",
        "/images/vault-os@1/pack",
        "/images/vault-os@1/manifest",
    ):
        assert deployed.http(path).status == 404, path
    assert world.told(ident) == before
    row = world.client.deployment(ident)
    assert row.stage in ("powering", "netbooting") and not row.consumed and not row.target.name
    world.client.cancel(ident)


def test_another_address_boot_or_nonce_is_nobody(world: World, deployed: Puppet) -> None:
    ident = order(world, deployed)
    nonce = arguments(deployed).nonce
    path = "/agent/v1/examination"
    assert deployed.http(path, body=report(deployed, "wrong")).status == 404
    assert deployed.http(path, body={"nonce": nonce}).status == 404
    assert "agent.examined" not in world.told(ident)
    assert deployed.http(path, body=report(deployed, nonce)).status == 200
    assert deployed.http(path, body=report(deployed, nonce, boot_id="boot-x")).status == 404
    assert deployed.http(path, body=report(deployed, nonce), source="10.77.0.1").status == 404
    world.client.cancel(ident)
    assert deployed.http(path, body=report(deployed, nonce)).status == 404, "then the agent restarts"


def test_another_machine_at_its_address_ends_it(world: World) -> None:
    with world.machine(serial="S-RIGHT") as puppet:
        ident = puppet.arm()
        assert puppet.hello(serial="S-RIGHT").status == 200
        puppet.tell("written")
        world.await_event(ident, "disk.chosen")
        world.client.cancel(ident)
        puppet.token = ""
        ident = order(world, puppet)
        body = report(puppet, arguments(puppet).nonce)
        body["hardware"]["serial"] = "S-WRONG"
        assert puppet.http("/agent/v1/examination", body=body).json == {"do": "reboot"}
        row = world.client.deployment(ident)
        assert row.stage == "failed" and row.code == 301 and "S-WRONG" in row.reason


def test_nothing_erases_a_disk_by_retrying_a_verification(world: World, deployed: Puppet) -> None:
    ident = order(world, deployed)
    world.client.cancel(ident)
    done = world.provision("retry", ident, "--yes", "--no-wait")
    assert (
        done.code == 6
        and "PV-576" in done.err
        and "is a verification" in done.err
        and "nothing was ordered" in done.err
    )
    assert world.site.database.deployments.last_order_of(deployed.name).id == ident  # type: ignore[union-attr]


def test_who_waits_for_a_time_is_told_and_it_goes_on(world: World, deployed: Puppet) -> None:
    done = world.provision("verify", deployed.name, "--yes", "--timeout", "2")
    assert done.code == 7, done.err
    row = world.site.database.deployments.last_order_of(deployed.name)
    assert row is not None and row.stage is Stage.POWERING


def test_it_is_asked_before_the_host_is_restarted(world: World, deployed: Puppet) -> None:
    done = world.provision("verify", deployed.name)
    assert done.code == 6 and "this restarts the host" in done.err
    refused = world.provision("verify", deployed.name, "--level", "full")
    assert refused.code == 2 and "--level is for --key and --local" in refused.err


UNREADABLE = {
    "a number that is none": {"memory": float("nan")},
    "a number without end": {"memory": float("inf")},
    "a number of 400 digits": {"memory": 10**400},
    "less than nothing": {"memory": -1},
    "a name of 64 KiB": {"image_id": "x" * 65536},
    "a list of 4,097": {"pci": ["10de:2330"] * 4097},
    "no list": {"macs": "all of them"},
}


def end_of(world: World, puppet: Puppet, collected: dict[str, str]) -> str:
    """A verification whose host says this, from its order to its rest; its id."""
    ident = order(world, puppet)
    body = report(puppet, arguments(puppet).nonce, collected=collected)
    assert puppet.http("/agent/v1/examination", body=body).status == 200
    world.await_event(ident, "disk.chosen")
    assert puppet.http("/agent/v1/examination", body=body).json == {"do": "reboot"}
    world.await_event(ident, "host.released")
    return ident


@pytest.mark.parametrize("forged", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_meant_ends_it_with_a_cause(
    world: World, deployed: Puppet, forged: dict[str, Any]
) -> None:
    last = deployed.row.id
    ident = end_of(world, deployed, {"facts": json.dumps({**facts(deployed), **forged})})
    world.await_event(ident, "verify.failed")
    row = world.client.deployment(ident)
    assert (row.stage, row.code) == ("failed", 502) and "cannot be read" in row.reason
    assert world.client.deployment(deployed.name).id == last


def test_what_a_host_says_reaches_no_terminal_and_no_file_but_its_own(world: World, deployed: Puppet) -> None:
    said = {**facts(deployed), "kernel": "6.1\x1b[2J", "pci": ["\x1b]0;title\x07", "\u202e"]}
    forged = {"facts": json.dumps(said), "pcie": "[" * 60_000, "../../forged": "{}", "firmware": "null"}
    ident = end_of(world, deployed, forged)
    world.await_event(ident, "verify.task")
    folder = world.site.settings.state / "runs" / f"{ident}.verify" / "evidence"
    assert {path.name for path in folder.iterdir()} == {
        *("facts.json", "pcie.json", "firmware.json", "hardware.json")
    }
    assert not list(world.site.settings.state.rglob("forged*"))
    for words in (("status", ident), ("status", ident, "-o", "json"), ("status", deployed.name)):
        shown = world.provision(*words)
        assert "\x1b" not in shown.out + shown.err and "\u202e" not in shown.out, words


def test_a_report_that_is_too_large_or_no_json_is_nobodys(world: World, deployed: Puppet) -> None:
    ident = order(world, deployed)
    nonce = arguments(deployed).nonce
    large = report(deployed, nonce, collected={"facts": "x" * (1 << 20)})
    assert deployed.http("/agent/v1/examination", body=large).status == 404
    assert deployed.http("/agent/v1/examination", body=b"[" * 100_000).status == 404
    assert "agent.examined" not in world.told(ident)
    assert deployed.http("/agent/v1/examination", body=report(deployed, nonce)).status == 200
    world.client.cancel(ident)
