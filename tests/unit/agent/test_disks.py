"""Which disk is meant: exactly one, told apart by what it is; none or several are refused in words."""

from pathlib import Path

import pytest

from provisioner.agent import disks, facts
from provisioner.agent.protocol import Disk, DiskHints
from provisioner.errors import DiskError

NVME = Disk(
    "nvme0n1",
    3_840_755_982_336,
    512,
    "SAMSUNG MZQL23T8HCLS-00A07",
    "S64HNE0R",
    "eui.3634",
    by_path="pci-0000:41:00.0",
)
SAME = Disk("nvme1n1", 3_840_755_982_336, 512, "SAMSUNG MZQL23T8HCLS-00A07", "S64HNE0T", "eui.3635")
SPIN = Disk("sda", 16_000_900_661_248, 4096, "ST16000NM001G", "ZL2ABCDE", "naa.5000c500", rotational=True)
ALL = [NVME, SAME, SPIN]


@pytest.mark.parametrize(
    ("hints", "meant"),
    [
        (DiskHints(serial="S64HNE0T"), SAME),
        (DiskHints(serial="s64hne0t"), SAME),
        (DiskHints(wwn="eui.3634"), NVME),
        (DiskHints(name="sda"), SPIN),
        (DiskHints(by_path="pci-0000:41:00.0"), NVME),
        (DiskHints(model="ST16000*"), SPIN),
        (DiskHints(model="samsung*", serial="S64HNE0R"), NVME),
        (DiskHints(rotational=True), SPIN),
        (DiskHints(min_size=4_000_000_000_000), SPIN),
        (DiskHints(max_size=4_000_000_000_000, wwn="EUI.3635"), SAME),
        (DiskHints(min_size=16_000_900_661_248, max_size=16_000_900_661_248), SPIN),
    ],
)
def test_the_one_disk_that_fits_every_hint_is_chosen(hints: DiskHints, meant: Disk) -> None:
    assert disks.choose(ALL, hints) is meant


def test_the_only_disk_needs_no_hint() -> None:
    assert disks.choose([SPIN], DiskHints()) is SPIN


def test_no_fitting_disk_is_refused_with_everything_that_was_seen_and_why() -> None:
    with pytest.raises(DiskError) as caught:
        disks.choose([NVME, SPIN], DiskHints(serial="XYZ", rotational=False, max_size=10**12))
    assert caught.value.code == 312
    assert str(caught.value) == (
        "no disk fits the hints. Seen: "
        "nvme0n1 SAMSUNG MZQL23T8HCLS-00A07 3.84 TB serial S64HNE0R: serial is S64HNE0R, not XYZ, "
        "larger than 1 TB; "
        "sda ST16000NM001G 16 TB serial ZL2ABCDE: serial is ZL2ABCDE, not XYZ, larger than 1 TB, it rotates"
    )
    assert caught.value.hint.startswith("it must be serial XYZ, at most 1 TB, not rotating: correct the ")


def test_a_machine_without_any_disk_is_refused_in_words() -> None:
    with pytest.raises(DiskError, match="Seen: no disk at all") as caught:
        disks.choose([], DiskHints())
    assert caught.value.code == 312


@pytest.mark.parametrize("hints", [DiskHints(model="SAMSUNG*"), DiskHints(rotational=False)])
def test_two_fitting_disks_are_refused_and_both_are_named(hints: DiskHints) -> None:
    with pytest.raises(DiskError, match=r"2 disks fit.*serial S64HNE0R; .*serial S64HNE0T") as caught:
        disks.choose(ALL, hints)
    assert caught.value.code == 313


@pytest.mark.parametrize(
    "hints",
    [
        DiskHints(serial="S64HNE0"),
        DiskHints(wwn="naa"),
        DiskHints(model="MZQL2*"),
        DiskHints(min_size=3_840_755_982_337, max_size=10**13),
        DiskHints(serial="S64HNE0R", rotational=True),
    ],
)
def test_half_a_match_is_none(hints: DiskHints) -> None:
    with pytest.raises(DiskError, match="no disk fits"):
        disks.choose([NVME, SAME], hints)


def test_a_disk_that_says_no_serial_fits_no_serial() -> None:
    with pytest.raises(DiskError, match="serial is unknown, not XYZ"):
        disks.choose([Disk("vda", 10**10, 512)], DiskHints(serial="XYZ"))


VOLUMES = [
    Disk(
        name, 480 << 30, 512, "LOGICAL VOLUME", "PDNLH0BRH00001", wwn=f"naa.600508b1001c7ef0a5d2c1b4e3f607{n}"
    )
    for name, n in (("sda", 18), ("sdb", 19))
]
NAMESPACES = [
    Disk(f"nvme0n{n}", 480 << 30, 512, "MICRON", "S1", wwn=f"eui.000000000000000100a0752{n}aa01bb02")
    for n in (1, 2)
]


@pytest.mark.parametrize("twins", [VOLUMES, NAMESPACES])
def test_where_a_serial_is_shared_the_wwn_decides(twins: list[Disk]) -> None:
    with pytest.raises(DiskError, match="2 disks fit") as caught:
        disks.choose(twins, DiskHints(serial=twins[0].serial))
    assert caught.value.code == 313
    assert caught.value.hint.startswith(f"add a hint that tells them apart: wwn is {twins[0].wwn} or ")
    assert disks.choose(twins, DiskHints(serial=twins[0].serial, wwn=twins[1].wwn)) is twins[1]


def test_disks_with_one_wwn_and_two_serials_are_two_disks() -> None:
    twins = [
        Disk(name, 512 << 30, 512, "TEAM T253", serial, wwn="naa.5024475c41000001")
        for name, serial in (("sda", "TPBF2210170050100571"), ("sdb", "TPBF2210170050100572"))
    ]
    with pytest.raises(DiskError, match=r"2 disks fit the hints, and only one may") as caught:
        disks.choose(twins, DiskHints(wwn="0x5024475c41000001"))
    assert caught.value.hint.endswith("serial is TPBF2210170050100571 or TPBF2210170050100572")
    assert disks.choose(twins, DiskHints(wwn="0x5024475c41000001", serial="TPBF2210170050100572")) is twins[1]


def test_two_paths_of_one_unit_are_said_to_be_that_and_one_may_be_named() -> None:
    paths = [
        Disk(
            name,
            480 << 30,
            512,
            "VIRTUAL-DISK",
            "beaf11",
            wwn="naa.600140500000000e00000000020001ff",
            by_path=at,
        )
        for name, at in (("sda", "pci-0000:3b:00.0-fc-0x50-lun-1"), ("sdb", "pci-0000:3b:00.1-fc-0x51-lun-1"))
    ]
    with pytest.raises(
        DiskError, match=r"2 disks fit the hints, and are one: paths to naa\.6001405"
    ) as caught:
        disks.choose(paths, DiskHints(serial="beaf11"))
    assert caught.value.code == 313 and "serial" not in caught.value.hint
    assert caught.value.hint.endswith(
        "or set by_path to one of them: pci-0000:3b:00.0-fc-0x50-lun-1 or pci-0000:3b:00.1-fc-0x51-lun-1"
    )
    assert disks.choose(paths, DiskHints(by_path="3b:00.1")) is paths[1]


STICK = Disk("sda", 30_000_000_000, 512, "Ultra Fit", "4C53", medium="a USB medium")
SWITCHED = Disk("sdb", 30_000_000_000, 512, "Virtual Media", read_only=True)


def test_a_stick_is_meant_only_if_it_is_named() -> None:
    assert disks.choose([STICK, SWITCHED, NVME], DiskHints()) is NVME
    for hints in (DiskHints(serial="4C53"), DiskHints(name="/dev/sda")):
        assert disks.choose([STICK, SWITCHED, NVME], hints) is STICK


def test_a_read_only_medium_is_never_meant() -> None:
    with pytest.raises(DiskError, match="it is read-only"):
        disks.choose([SWITCHED], DiskHints(name="sdb"))


def test_a_stick_that_is_the_only_disk_left_is_refused_as_such() -> None:
    with pytest.raises(DiskError) as caught:
        disks.choose([STICK, SWITCHED], DiskHints(min_size=1))
    assert caught.value.code == 312 and "controller" in caught.value.hint
    assert str(caught.value) == (
        "this machine shows no disk that could be meant. Seen: "
        "sda Ultra Fit 30 GB serial 4C53: it is a USB medium, and no hint names it; "
        "sdb Virtual Media 30 GB: it is read-only"
    )


def test_other_sectors_than_the_image_was_made_for_are_refused() -> None:
    with pytest.raises(DiskError, match="sectors of 4096 bytes, the image was made for 512") as caught:
        disks.check(SPIN, 10**9, 512)
    assert caught.value.code == 314


def test_a_disk_smaller_than_the_image_is_refused_and_one_of_the_same_size_is_not() -> None:
    disks.check(NVME, NVME.size, 512)
    with pytest.raises(DiskError, match="is too small: the image needs") as caught:
        disks.check(NVME, NVME.size + 1, 512)
    assert caught.value.code == 311


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1000 kB"), (1_500_000, "1.5 MB"),
        (3_840_755_982_336, "3.84 TB"), (1_600_321_314_816, "1.6 TB"), (2 * 10**15, "2000 TB"),
    ],
)  # fmt: skip
def test_sizes_are_said_as_disks_are_sold(number: int, words: str) -> None:
    assert disks.size(number) == words


def put(place: Path, **files: str) -> None:
    for name, text in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_disks_are_read_from_sys_without_loops_and_hidden_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = tmp_path / "block"
    put(block / "nvme0n1", size="2048", device__model="PM9A3", device__serial="S1", wwid="eui.1", hidden="0")
    put(block / "nvme0c0n1", size="2048", device__serial="S1", wwid="eui.1", hidden="1")  # a path of nvme0n1
    put(block / "sda", size="4096", queue__logical_block_size="4096", queue__rotational="1")
    (block / "sda/device").mkdir()
    (block / "sda/device/vpd_pg80").write_bytes(b"\x00\x80\x00\x08 ZL2ABC\x00")
    put(block / "loop0", size="2048")
    put(block / "sdb", size="0")  # an empty card reader
    monkeypatch.setattr(facts, "SYS", tmp_path)
    found = facts.disks()
    assert [(d.name, d.size, d.logical_sector, d.serial, d.rotational) for d in found] == [
        ("nvme0n1", 1 << 20, 512, "S1", False),
        ("sda", 2 << 20, 4096, "ZL2ABC", True),
    ]
    assert found[0].wwn == "eui.1" and found[0].model == "PM9A3"


def test_a_sata_disk_says_its_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"SAMSUNG MZ7LH960HAJR-00005".ljust(40)
    page = bytearray(60 + 512)
    page[60 + 54 : 60 + 94] = b"".join(whole[at : at + 2][::-1] for at in range(0, 40, 2))
    place = tmp_path / "block/sda"
    put(place, size="4096", device__model="SAMSUNG MZ7LH960")
    (place / "device/vpd_pg89").write_bytes(page)
    monkeypatch.setattr(facts, "SYS", tmp_path)
    [disk] = facts.disks()
    assert disk.model == "SAMSUNG MZ7LH960HAJR-00005"
    for hint in ("SAMSUNG MZ7LH960", "SAMSUNG_MZ7LH960HAJR-00005", "*HAJR*"):
        assert disks.choose([disk], DiskHints(model=hint)) is disk
    (place / "device/vpd_pg89").write_bytes(page[:70])
    assert facts.disks()[0].model == "SAMSUNG MZ7LH960", "half a page says nothing"


def test_a_number_that_several_disks_say_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tmp_path / "block/sda",
        size="4096",
        device__serial="000000000000",
        device__wwid="naa.0000000000000000",
    )
    monkeypatch.setattr(facts, "SYS", tmp_path)
    [disk] = facts.disks()
    assert (disk.serial, disk.wwn) == ("", "")


def test_what_cannot_be_read_is_no_serial_and_words_are_made_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tmp_path / "block/sda",
        size="4096",
        device__model="WDC  WD40\x1b[2JEFRX  ",
        device__serial="S1\x07",
        wwid="t10.ATA     ST4000",
    )
    names = {"product_serial": "S\u202e1", "sys_vendor": "Super\u200bmicro \t X", "product_name": "ü"}
    put(tmp_path / "class/dmi/id", **names)
    monkeypatch.setattr(facts, "SYS", tmp_path)
    [disk] = facts.disks()
    assert (disk.model, disk.serial, disk.wwn) == ("WDC WD40\\x1b[2JEFRX", "", "t10.ATA     ST4000")
    assert (facts.serial(), facts.maker(), facts.product()) == ("", "Super\\u200bmicro X", "ü")
    assert disks.choose([disk], DiskHints(model="WDC  WD40*")) is disk, "blanks are one in the hint, too"


@pytest.fixture
def three_buses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Disk]:
    """virtio, NVMe and SATA as /sys shows them under QEMU: each below its controller's PCI function."""
    devices, block = tmp_path / "devices/pci0000:00", tmp_path / "block"
    vda = devices / "0000:00:04.0/virtio2/block/vda"
    nvme = devices / "0000:00:05.0/nvme/nvme0/nvme0n1"
    sda = devices / "0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda"
    put(vda, size="2097152", serial="V1", queue__rotational="1")
    put(nvme, size="4194304", wwid="nvme.1b36-4e31", device__serial="N1", device__model="QEMU NVMe Ctrl")
    put(sda, size="6291456", device__wwid="naa.5000c500a1b2c3d4", device__model="ST4000NM000A")
    (sda / "device/vpd_pg80").write_bytes(b"\x00\x80\x00\x14" + b"A1".ljust(20))
    block.mkdir()
    for place in (vda, nvme, sda):
        (block / place.name).symlink_to(place)
    monkeypatch.setattr(facts, "SYS", tmp_path)
    return facts.disks()


@pytest.mark.parametrize(
    ("hints", "name"),
    [
        (DiskHints(serial="V1"), "vda"),
        (DiskHints(serial="N1"), "nvme0n1"),
        (DiskHints(serial="A1"), "sda"),
        (DiskHints(wwn="NAA.5000C500A1B2C3D4"), "sda"),
        (DiskHints(wwn="nvme.1b36-4e31"), "nvme0n1"),
        (DiskHints(model="qemu nvme*"), "nvme0n1"),
        (DiskHints(by_path="pci-0000:00:1f.2"), "sda"),
        (DiskHints(by_path="pci-0000:00:04.0"), "vda"),
        (DiskHints(min_size=3 << 30), "sda"),
        (DiskHints(max_size=1 << 30), "vda"),
    ],
)
def test_every_hint_finds_its_disk_as_the_kernel_shows_it(
    three_buses: list[Disk], hints: DiskHints, name: str
) -> None:
    assert disks.choose(three_buses, hints).name == name


def test_what_a_disk_holds_is_said_in_words(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(2 << 20))
    assert facts.content(disk, 512) == facts.EMPTY == "no partition table, zeros"
    disk.write_bytes(bytes(65536) + b"_BHRfS_M" + bytes(2 << 20))  # a file system without a table
    assert facts.content(disk, 512) == "no partition table"
    disk.write_bytes(bytes(446) + b"\x80".ljust(64, b"\1") + b"\x55\xaa" + bytes(4096))
    assert facts.content(disk, 512) == "an MBR partition table"
    assert facts.content(tmp_path / "none", 512) == "cannot be read: No such file or directory"
