"""A machine that nobody knows, for real: looked at with its disk left as it is, adopted and deployed."""

import json

import pytest

from provisioner.domain.machine import UnknownMachine
from provisioner.domain.profile import Profile
from provisioner.lab import network
from tests.rehearsal import strangerlab
from tests.rehearsal.strangerlab import DISK, DISK_SERIAL, GPU, MAC, NAME, SERIAL, USER, Found, Site

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

DEADLINES = {"powering": 300, "netbooting": 600, "writing": 1800}


def check_row(row: UnknownMachine, uuid: str) -> None:
    assert (row.serial, row.uuid, row.macs) == (SERIAL, uuid, (MAC,))
    assert (row.maker, row.product, row.firmware) == ("Provisioner", "Lab", "uefi")
    assert (row.architecture, row.vendor, row.host) == ("x64 UEFI", "set by hand", "")
    (disk,) = row.disks
    assert (disk.serial, disk.size, disk.content) == (DISK_SERIAL, DISK, "no partition table")
    assert [nic.mac for nic in row.nics] == [MAC] and row.nics[0].driver == "virtio_net"
    assert [device.id for device in row.devices].count(GPU) == 1
    assert row.cpus == 2 and 900 << 20 < row.memory <= 1 << 30


def adopt(lab: Found) -> None:
    """By the commands that an operator types."""
    site = lab.site
    site.client.apply([], [Profile(name="lab", deadlines=DEADLINES)])
    site.provision("profile", "learn", MAC, "--name", "lab", "--device", GPU, "--apply", "--replace")
    bmc = ("--bmc", lab.machine.bmc_address, "--secret", USER)
    site.provision("host", "add", "--from-seen", MAC, "--name", NAME, "--profile", "lab", *bmc)
    profile = json.loads(site.provision("profile", "show", "lab", "-o", "json"))["profile"]
    assert (GPU, 1) in [(gpu["id"], gpu["count"]) for gpu in profile["gpus"]]
    assert profile["deadlines"] == DEADLINES
    assert profile["disks"][0]["min_size"] < DISK < profile["disks"][0]["max_size"]
    assert site.client.machines().machines == ()


def deploy(site: Site) -> list[str]:
    """Until the disk that the learned hints name is written; the kinds of the events."""
    site.provision("image", "add", str(site.supplies.pack))
    erases = site.client.plan(NAME, site.supplies.image).erases
    assert erases.seen and erases.serial == DISK_SERIAL, "the disk is known from the inventory"
    image = ("--image", site.supplies.image)
    ident = site.provision("deploy", NAME, *image, "--yes", "--no-wait", "--until", "writing").strip()
    kinds = [event.kind for news in site.client.follow(ident) for event in news.events]
    row = site.client.deployment(ident)
    assert row.stage == "cancelled" and row.reason.startswith("stopped after"), row
    return kinds


def test_a_machine_that_nobody_knows_is_looked_at_adopted_and_deployed() -> None:
    if not network.inside():
        return strangerlab.again_inside(__file__)
    with strangerlab.started() as lab:
        check_row(lab.look(), str(lab.machine.spec.uuid))
        adopt(lab)
        kinds = deploy(lab.site)
        assert {"script.served", "agent.hello", "agent.written"} <= set(kinds)
        assert lab.site.answers()[-1].startswith("Ramdisk") and lab.machine.faults == []
        print("measured: adopted, and its disk was written")
    return None
