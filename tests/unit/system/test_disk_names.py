"""One disk in every notation that people have at hand; what no disk can be called is said at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.domain.profile import Hints
from provisioner.system import disk_names
from provisioner.system.placeholders import is_placeholder

NAA6 = "naa.600508b1001c7ef0a5d2c1b4e3f60718"
NAA5 = "naa.5000c500a1b2c3d4"
SAMPLES = (
    *(
        "0",
        "00000000",
        "0000-0000",
        "..........",
        "FFFFFFFF",
        "XXXX",
        "none",
        "N/A",
        "unknown",
        "Not Specified",
    ),
    *(
        "Default string",
        "To be filled by O.E.M.",
        "0123456789",
        "123456789",
        "0123456789ABCDEF",
        "SN: 123456",
    ),
)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("0x5000c500a1b2c3d4", NAA5),
        ("wwn-0x5000C500A1B2C3D4", NAA5),
        ("/dev/disk/by-id/wwn-0x5000c500a1b2c3d4", NAA5),
        ("5 000c50 0a1b2c3d4", NAA5),  # smartctl: LU WWN Device Id
        (" NAA.5000c500a1b2c3d4 ", NAA5),
        ("50:00:c5:00:a1:b2:c3:d4", NAA5),
        ("35000c500a1b2c3d4", NAA5),  # scsi_id, multipath -ll
        ("3600508b1001c7ef0a5d2c1b4e3f60718", NAA6),
        ("/dev/disk/by-id/scsi-3600508b1001c7ef0a5d2c1b4e3f60718", NAA6),
        ("nvme-eui.0025388b1114a1f0", "eui.0025388b1114a1f0"),
        ("002538 8b1114a1f0", "eui.0025388b1114a1f0"),
        ("6eb6b0a0-1d9f-4b1e-9c0b-2f4f1f0f3a77", "uuid.6eb6b0a0-1d9f-4b1e-9c0b-2f4f1f0f3a77"),
        ("nvme.1b36-4c414244-51454d55-00000001", "nvme.1b36-4c414244-51454d55-00000001"),
        ("t10.ATA_ST4000NM0035_ZC1", "t10.ATA     ST4000NM0035     ZC1"),
        ("wwn-0x600508b1001c7ef00xa5d2c1b4e3f60718", NAA6),  # udev's ID_WWN and its vendor extension
        ("0x600508b1001c7ef0 0xa5d2c1b4e3f60718", NAA6),
        ("0x600508b1001c7ef0+0xa5d2c1b4e3f60718", NAA6),
        ("WWN-0X600508B1001C7EF0A5D2C1B4E3F60718", NAA6),
        ("60:05:08:b1:00:1c:7e:f0:a5:d2:c1:b4:e3:f6:07:18", NAA6),
        ("50.00.c5.00.a1.b2.c3.d4", NAA5),  # as switches print it
        (
            "/dev/disk/by-id/nvme-uuid.6eb6b0a0-1d9f-4b1e-9c0b-2f4f1f0f3a77",
            "uuid.6eb6b0a0-1d9f-4b1e-9c0b-2f4f1f0f3a77",
        ),
        ("nvme-nvme.1b36-4c414244-51454d55-00000001", "nvme.1b36-4c414244-51454d55-00000001"),
    ],
)
def test_a_wwn_is_the_same_in_all_notations(wanted: str, has: str) -> None:
    assert disk_names.is_same_wwn(wanted, has)
    assert disk_names.is_same_wwn(Hints(wwn=wanted).wwn, has)


# of 24 bits that are the maker's and 40 that are the disk's, not all of them zeros
@given(st.integers(2**60, 2**64 - 2).filter(lambda n: n % 2**40), st.integers(2**60, 2**64 - 2))
def test_two_numbers_are_never_one_wwn(one: int, other: int) -> None:
    for notation in ("naa.{:016x}", "0x{:016X}", "wwn-0x{:016x}", "{:016x}", "3{:016x}"):
        assert disk_names.is_same_wwn(notation.format(one), f"naa.{other:016x}") == (one == other)
        assert disk_names.is_same_wwn(notation.format(one), f"naa.{one:016x}")


@pytest.mark.parametrize(
    "number",
    [
        *("naa.0000000000000000", "eui.ffffffffffffffff", "0x0", ""),
        *("eui.0100000000000000", "eui.0025380000000000", "eui.00000000000000010000000000000000"),
    ],
)
def test_what_names_no_disk_is_the_same_as_nothing(number: str) -> None:
    assert not disk_names.is_same_wwn(number, number)
    assert not disk_names.tells_apart("0000 0000") and disk_names.tells_apart("0F00")


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("pci-0000:41:00.0", "pci-0000:41:00.0-nvme-1"),
        ("/dev/disk/by-path/pci-0000:41:00.0-nvme-1", "pci-0000:41:00.0-nvme-1"),
        ("41:00.0", "pci-0000:41:00.0-nvme-1"),  # lspci
        ("0000:41:00.0", "pci-0000:41:00.0-nvme-1"),
        ("PCI-0000:00:1F.2-ATA-1.0", "pci-0000:00:1f.2-ata-1"),
        ("virtio-pci-0000:00:04.0", "pci-0000:00:04.0"),
        ("pci-0000:41:00.0-nvme-1", "pci-0000:41:00.0"),  # of an older agent
        ("pci-10000:81:00.0-nvme-1", "pci-0000:c9:00.5-pci-10000:81:00.0-nvme-1"),
        ("pci-0000:c9:00.5-pci-10000:81:00.0-nvme-1", "pci-10000:81:00.0-nvme-1"),
        ("pci@0000:41:00.0", "pci-0000:41:00.0-nvme-1"),  # lshw
        ("pci-41:00.0-nvme-1", "pci-0000:41:00.0-nvme-1"),
        ("41:00.0-nvme-1", "pci-0000:41:00.0-nvme-1"),
        ("pci-0000:00:1f.2-ata-1.1", "pci-0000:00:1f.2-ata-1.1"),
        ("platform-80860F14:00", "platform-80860F14:00"),
        ("pci-0000:00:14.0-usbv3-0:2:1.0-scsi-0:0:0:0", "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0"),
    ],
)
def test_a_place_is_the_same_as_udev_lspci_and_the_kernel_say_it(wanted: str, has: str) -> None:
    assert disk_names.is_same_path(Hints(by_path=wanted).by_path, has)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("pci-0000:00:1f.2-ata-1", "pci-0000:00:1f.2-ata-10"),
        ("pci-0000:00:1f.2-ata-1", "pci-0000:00:1f.2-ata-2"),
        ("pci-0000:41:00.0", "pci-0000:42:00.0-nvme-1"),
        ("pci-0000:41:00.0-nvme-1", "pci-0000:41:00.0-nvme-2"),
        ("pci-0000:41:00.0", ""),
        ("pci-0000:00:1f.2-ata-1.0", "pci-0000:00:1f.2-ata-1.1"),  # the second on one cable
        ("pci-0000:00:1f.2-ata-1", "pci-0000:00:1f.2-ata-1.2.0"),  # behind a port multiplier
    ],
)
def test_another_port_is_another_place(wanted: str, has: str) -> None:
    assert not disk_names.is_same_path(wanted, has)


SHELF = "pci-0000:3b:00.0-sas-exp0x500304801f2a77bf-phy17-lun-0"


@pytest.mark.parametrize(
    ("wanted", "has", "address", "is_same"),
    [
        ("pci-0000:3b:00.0-sas-0x5000c500a1b2c3d5-lun-0", SHELF, "0x5000c500a1b2c3d5", True),
        (
            "3b:00.0-sas-0x4433221104000000-lun-0",
            "pci-0000:3b:00.0-sas-phy4-lun-0",
            "0x4433221104000000",
            True,
        ),
        ("pci-0000:3b:00.0-SAS-0x5000C500A1B2C3D5-lun-0", SHELF, "0x5000c500a1b2c3d5", True),
        (SHELF, SHELF, "0x5000c500a1b2c3d5", True),
        ("pci-0000:3b:00.0", SHELF, "0x5000c500a1b2c3d5", True),
        (
            "pci-0000:3b:00.0-sas-0x5006016844602198-lun-3",
            "pci-0000:3b:00.0-sas-0x5006016844602198-lun-3",
            "",
            True,
        ),
        ("pci-0000:3b:00.0-sas-0x5000c500a1b2c3d6-lun-0", SHELF, "0x5000c500a1b2c3d5", False),
        ("pci-0000:3b:00.0-sas-0x5000c500a1b2c3d5-lun-1", SHELF, "0x5000c500a1b2c3d5", False),
        ("pci-0000:3c:00.0-sas-0x5000c500a1b2c3d5-lun-0", SHELF, "0x5000c500a1b2c3d5", False),
        ("pci-0000:3b:00.0-sas-0x5000c500a1b2c3d5-lun-0", SHELF, "", False),  # of an older agent
        ("pci-0000:3b:00.0-sas-0x500304801f2a77bf-lun-0", SHELF, "0x5000c500a1b2c3d5", False),
        ("pci-0000:3b:00.0-sas-exp0x500304801f2a77bf-phy1-lun-0", SHELF, "0x5000c500a1b2c3d5", False),
    ],
)
def test_the_address_of_an_sas_disk_may_stand_for_its_phy(
    wanted: str, has: str, address: str, is_same: bool
) -> None:
    assert disk_names.is_same_path(Hints(by_path=wanted).by_path, has, address) is is_same


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("S64HNE0R", True),
        (" s64hne0r ", True),
        ("nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R", True),  # udev's by-id
        ("/dev/disk/by-id/nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R_1", False),  # a path: refused at apply
        ("SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R", True),
        ("nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R_1", True),  # a namespace
        ("scsi-SATA_SAMSUNG_MZQL23T8_S64HNE0R", True),  # cut as the kernel cuts it
        ("scsi-1ATA_SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R", True),
        ("usb-Samsung_SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R-0:0", True),
        ("virtio-S64HNE0R", True),
        ("nvme-eui.3634353130303030", True),
        ("wwn-0x3634353130303030", True),
        ("/dev/disk/by-id/scsi-33634353130303030", True),
        ("nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0X", False),
        ("ata-INTEL_SSDSC2KB96_S64HNE0R", False),
        ("wwn-0x3634353130303031", False),
        ("0x3634353130303030", True),  # lsblk calls a SCSI disk's WWN its serial
        ("S64HNE0", False),
        ("INTEL_SSD_S64HNE0R", False),
    ],
)
def test_a_serial_is_known_alone_behind_its_model_or_as_a_wwn(wanted: str, fits: bool) -> None:
    has = ("S64HNE0R", "SAMSUNG MZQL23T8HCLS-00A07", "eui.3634353130303030")
    if fits:
        assert disk_names.is_serial_of(Hints(serial=wanted).serial, *has)
    else:
        assert "/" in wanted or not disk_names.is_serial_of(wanted, *has)


@pytest.mark.parametrize(
    ("wanted", "has", "fits"),
    [
        ("SAMSUNG MZ7LH960HAJR-00005", "SAMSUNG MZ7LH960", True),
        ("INTEL_SSDSC2KB960G8", "INTEL SSDSC2KB96", True),
        ("SAMSUNG MZ7LH960", "SAMSUNG MZ7LH960HAJR-00005", True),  # learned where it was cut
        ("SEAGATE ST4000NM0023", "ST4000NM0023", True),  # the maker before it, as smartctl has it
        ("KCD61LUL960G", "KIOXIA KCD61LUL960G", True),  # the label has no maker, the disk does
        ("mzql23t8hcls_00a07", "SAMSUNG MZQL23T8HCLS-00A07", False),  # udev writes no underscore for a hyphen
        ("MZQL23T8HCLS-*", "SAMSUNG MZQL23T8HCLS-00A07", False),
        ("KCD61LUL960", "KIOXIA KCD61LUL960G", False),
        ("LUL960G", "KIOXIA KCD61LUL960G", False),
        ("Series A100", "ACME SSD Series A100", False),  # no more than the maker may be missing
        ("samsung*", "SAMSUNG MZ7LH960", True),
        ("SAMSUNG MZ7LH480HAHQ-00005", "SAMSUNG MZ7LH960", False),
        ("MZ7LH960HAJR", "SAMSUNG MZ7LH960", False),
        ("ST4000NM0023X", "ST4000NM0023", False),
    ],
)
def test_a_model_is_known_by_its_whole_name_where_scsi_cuts_it(wanted: str, has: str, fits: bool) -> None:
    assert disk_names.fits_model(wanted, has, may_be_cut=True) is fits


def test_a_model_that_nothing_cuts_must_fit_as_a_whole() -> None:
    assert not disk_names.fits_model("INTEL SSDPE2KX01T8", "INTEL SSDPE2KX01", may_be_cut=False)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({"name": "/dev/sda1"}, "is a partition"),
        ({"name": "nvme0n1p2"}, "is a partition"),
        ({"name": "nvme0"}, "is no disk of its own"),
        ({"name": "/dev/mapper/mpatha"}, "is no disk of its own"),
        ({"name": "/dev/disk/by-path/pci-0000:41:00.0-nvme-1"}, "write it as by_path"),
        ({"name": "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4"}, "write serial or wwn"),
        ({"name": "the big one"}, "is no name as lsblk prints them"),
        ({"by_path": "/dev/sda"}, "is no place at a bus"),
        ({"by_path": "pci-0000:41:00.0-nvme-1-part1"}, "is a partition"),
        ({"by_path": "slot 3"}, "is no place at a bus"),
        ({"wwn": "naa.5000c500"}, "is no WWN"),
        ({"wwn": "S64HNE0R"}, "is no WWN"),
        ({"wwn": "0x0000000000000000"}, "is what several disks say"),
        ({"wwn": "wwn-0x600508b1001c7ef0"}, "is the first half of a WWN"),
        ({"serial": "/dev/disk/by-id/x/y"}, "is a path"),
        ({"serial": "00000000"}, "is what disks without a serial say"),
        ({"serial": "0123456789ABCDEF"}, "is what disks without a serial say"),  # of USB bridges
        ({"serial": "To be filled by O.E.M."}, "is what disks without a serial say"),
        ({"serial": "/dev/disk/by-path/pci-0000:41:00.0-nvme-1"}, "write it as by_path"),
        ({"serial": "pci-0000:41:00.0-nvme-1"}, "write it as by_path"),
        ({"serial": "/dev/sda"}, "write it as name"),
        ({"serial": "nvme0n1"}, "write it as name"),
        ({"serial": "scsi-3600508b1001c7ef0"}, "is the first half of a WWN"),
        ({"serial": "ata-ST4000NM0035-1V4107_ZC1-part1"}, "is a partition"),
        ({"serial": "wwn-0x600508b1001c7ef0"}, "is the first half of a WWN"),
        ({"serial": "0x600508b1001c7ef0"}, "is the first half of a WWN"),
        ({"serial": "naa.5000c5"}, "is no WWN"),
        ({"serial": "eui.0000000000000000"}, "is what several disks say"),
        ({"wwn": "naa.600508b1001c7ef0"}, "is the first half of a WWN"),
        ({"wwn": "wwn-0x5000c500a1b2c3d4-part2"}, "is a partition"),
        ({"wwn": "naa.5000000000000000"}, "is what several disks say"),
        ({"wwn": "ata-SAMSUNG_MZ7LH960HAJR-00005_S45NNA0N"}, "is no WWN"),
        ({"wwn": "/dev/disk/by-path/pci-0000:41:00.0-nvme-1"}, "is no WWN"),
        *(
            ({"name": name}, "is no disk of its own")
            for name in (
                *(
                    "dm-0",
                    "md127",
                    "md/home",
                    "md_home",
                    "loop7",
                    "zram0",
                    "ram3",
                    "nbd0",
                    "sr0",
                    "fd0",
                    "rbd1",
                ),
                *("mmcblk0boot0", "/dev/mmcblk0rpmb", "mmcblk0gp1", "mtdblock2", "nvme0c0n1", "ng0n1", "sg2"),
                *("zd16", "nullb0", "etherd/e0.0", "8:0", "/dev/block/8:0", "/dev/mapper/vg-root", "drbd0"),
            )
        ),
        ({"name": "pmem0p1"}, "is a partition"),
        ({"name": "/dev/"}, "is no name as lsblk prints them"),
        ({"by_path": "pci-slot3"}, "is no place at a bus"),
        ({"by_path": "nvme0n1"}, "is no place at a bus"),
        ({"by_path": "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4"}, "is no place at a bus"),
        ({"min_size": ">= 900GB"}, "is not a size"),
        ({"min_size": "1,92TB"}, "is not a size"),
        ({"min_size": "3,840TB"}, "is the comma a decimal point"),
        ({"max_size": "960"}, "is the unit missing"),
        ({"max_size": "1.92"}, "is the unit missing"),
        ({"min_size": "9000000000P"}, "more than any machine has"),
        ({"serial": "S64\u200bHNE0R"}, "cannot be seen"),
        ({"by_path": "pci-0000:41:00.0\u2011nvme-1"}, "is no place at a bus"),
        ({"min_size": "2TB", "max_size": "1TB"}, "no disk fits both"),
        ({"min_size": "1.5 parsecs"}, "is not a size"),
    ],
)
def test_what_no_disk_can_be_called_is_refused_in_words(hints: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Hints.model_validate(hints)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("/dev/nvme0n1", "nvme0n1"),
        (" sda ", "sda"),
        ("/dev/cciss/c0d0", "cciss!c0d0"),
        ("mmcblk0", "mmcblk0"),
        ("dev/sda", "sda"),
        ("/dev//sda/", "sda"),
        ("/sys/block/nvme0n1", "nvme0n1"),
        ("/sys/class/block/sda", "sda"),
        ("/dev/NVME0N1", "nvme0n1"),
        ("pmem0", "pmem0"),
    ],
)
def test_a_name_is_the_devices_own(wanted: str, has: str) -> None:
    assert disk_names.is_same_device(Hints(name=wanted).name, has)
    assert disk_names.device_path(has).endswith(disk_names.device(wanted).replace("!", "/"))


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("480GB", 480 * 10**9),
        ("480 gb", 480 * 10**9),
        ("480G", 480 << 30),
        ("480GiB", 480 << 30),
        ("3.84TB", 3_840_000_000_000),
        ("447.1G", int(4471 * 2**30 / 10)),  # lsblk
        ("1,920,383,410,176 bytes", 1_920_383_410_176),  # smartctl
        ("1920383410176 B", 1_920_383_410_176),
        ("512", 512),
        ("1TB", 10**12),
        ("1 TB", 10**12),
        ("960 Gbytes", 960 * 10**9),
        ("1TiB", 1 << 40),
        ("1T", 1 << 40),
        ("960g", 960 << 30),
        ("0.96TB", 960 * 10**9),
        ("960\u00a0GB", 960 * 10**9),
    ],
)
def test_sizes_are_taken_as_they_are_printed_and_gb_is_not_gib(written: str, size: int) -> None:
    assert Hints.model_validate({"min_size": written}).min_size == size


@pytest.mark.parametrize("word", SAMPLES)
def test_what_makers_leave_in_place_of_a_serial_is_none_of_a_disk_either(word: str) -> None:
    """One list, for machines and for disks."""
    assert is_placeholder(word) and not disk_names.tells_apart(word) and disk_names.evidence(word) == ""
    with pytest.raises(ValidationError, match=r"name the wwn|is a path"):
        Hints(serial=word)


@pytest.mark.parametrize(
    "number", ["S64HNE0R", "QM00001", "1234", "drive-scsi0", "OEM7", "beaf11", "LABDISK1"]
)
def test_a_makers_own_number_is_one(number: str) -> None:
    assert disk_names.evidence(number) == number == Hints(serial=number).serial
