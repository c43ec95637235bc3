"""What a rehearsal reads of a deployment's events: which serial each of those who looked has seen."""

import json

import pytest

from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.verification import VerifyTask
from provisioner.lab.second_boot import serials_seen
from provisioner.verify.evidence import read_facts
from provisioner.verify.judge import judge, tasks
from provisioner.verify.model import Evidence, Expected

NVME = "nvme.1b36-4c41424449534b31-51454d55204e564d65204374726c-00000001"


@pytest.mark.parametrize("wwn", ["", NVME, "naa.5000c500a1b2c3d4"])
def test_the_serial_is_read_whatever_else_the_verification_says_of_the_disk(wwn: str) -> None:
    disk = {"name": "nvme0n1", "serial": "LABDISK1", "wwn": wwn}
    said = {"image_id": "os", "image_version": "1", "root_disks": [disk], "memory": 0, "macs": [], "pci": []}
    facts = read_facts(json.dumps(said | {"machine_id": "", "kernel": "", "cloud_init": ""}))
    assert facts
    expected = Expected("os", "1", "LABDISK1", 0, (), (), root_disk_wwn=wwn)
    results = tasks(judge(Evidence(facts), expected))
    told = [VerifyTask(task=one.name, result=one.result, sentence=one.sentence) for one in results]
    written = AgentWritten(disk=WrittenDisk(serial="LABDISK1"))
    assert serials_seen([written, *told]) == {"agent": "LABDISK1", "verification": "LABDISK1"}


def test_whoever_has_not_looked_has_seen_nothing() -> None:
    other = VerifyTask(task="root disk", sentence="the root file system is on no disk that is known")
    assert serials_seen([]) == {"verification": "never looked"}
    assert serials_seen([other])["verification"] == other.sentence
