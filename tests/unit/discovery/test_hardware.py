"""What machines say of their hardware, as the service takes it."""

import pytest

from provisioner.agent import protocol
from provisioner.discovery import hardware

MAC = "52:54:00:00:00:01"


def hello(disk: protocol.Disk) -> protocol.Hello:
    return protocol.Hello("n", "b", MAC, [MAC], "S1", "", 1 << 30, "0", disks=[disk])


@pytest.mark.parametrize(
    ("serial", "wwn"),
    [
        ("0123456789ABCDEF", "naa.0000000000000000"),
        ("00000000", "eui.ffffffffffffffff"),
        ("To be filled by O.E.M.", "naa.5000000000000000"),
        ("SN: 123456", ""),
    ],
)
def test_what_tells_no_two_disks_apart_is_no_number_whoever_says_it(serial: str, wwn: str) -> None:
    """The installer's script, and a ramdisk of before, know no placeholders."""
    said = hello(protocol.Disk("sda", 480 << 30, 512, "USB", serial, wwn))
    for [disk] in (hardware.reported(said).disks, hardware.claim_of(said, is_own_address=True).disks or ()):
        assert (disk.serial, disk.wwn, disk.model) == ("", "", "USB")


def test_a_disks_own_numbers_stay_as_they_are() -> None:
    disk = protocol.Disk("sda", 480 << 30, 512, "ST", "ZL2ABCDE", "t10.ATA     ST4000NM0035     ZC1")
    [known] = hardware.reported(hello(disk)).disks
    assert hardware.agent_disk(known) == disk
