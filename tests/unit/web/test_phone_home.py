"""Which system is the one that was written: what its phone-home says of the disk below its root."""

import pytest

from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.stage import Stage
from provisioner.web.machines import phone_home
from provisioner.web.machines.phone_home import PhonedDisk, PhoneHome


def wrong(written: dict[str, str], phoned: dict[str, str], version: str = "1") -> str:
    row = Deployment(
        id="d-1",
        host="vc-1",
        mac="52:54:00:00:00:01",
        image="vault-os@1",
        stage=Stage.RESTARTING,
        stage_since=0,
        deadline=0,
        created=0,
        expires=0,
        disk=WrittenDisk.model_validate({"name": "sda", "size": 8} | written),
    )
    disk = PhonedDisk.model_validate({"name": "sdb", "size": 8} | phoned)
    told = {"image_id": "vault-os", "image_version": version, "root_disk": disk}
    report = PhoneHome.model_validate({"deployment": "d-1", "token": "t", "host_keys": []} | told)
    return phone_home._wrong_system(row, report)


@pytest.mark.parametrize(
    ("written", "phoned"),
    [
        ({"serial": "D1"}, {"serial": "D1"}),
        ({"serial": "D1"}, {"serial": " d1"}),
        ({"serial": "D1", "wwn": "naa.5000c5"}, {"serial": "D1"}),
        ({"serial": "D1", "wwn": "naa.5000c5"}, {"serial": "other number", "wwn": "naa.5000C5"}),
        ({"serial": "D1"}, {"serial": ""}),
        ({}, {"serial": "D1"}),
    ],
)
def test_the_disk_that_was_written_may_be_spelt_otherwise(
    written: dict[str, str], phoned: dict[str, str]
) -> None:
    assert wrong(written, phoned) == ""
    assert "came up with vault-os@2" in wrong(written, phoned, version="2")


@pytest.mark.parametrize(
    ("written", "phoned", "words"),
    [
        ({"serial": "D1"}, {"serial": "D2"}, "came up from disk D2, but disk D1 was written"),
        (  # two namespaces of one NVMe, two volumes of one controller
            {"serial": "D1", "wwn": "eui.01"},
            {"serial": "D1", "wwn": "eui.02"},
            "came up from disk D1 eui.02, but disk D1 eui.01 was written",
        ),
    ],
)
def test_another_disk_is_another_system(written: dict[str, str], phoned: dict[str, str], words: str) -> None:
    assert words in wrong(written, phoned)
