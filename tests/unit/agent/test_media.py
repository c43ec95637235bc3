"""Which block devices are disks: generated /sys trees, read by the agent and by the installer."""

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.agent import disks, facts
from provisioner.agent.protocol import Disk, DiskHints
from provisioner.domain.profile import Hints
from provisioner.errors import DiskError
from provisioner.system import shipped

PCI = "devices/pci0000:00"
END = "../../../../sas_device/end_device-"  # above a SAS disk


@dataclass(frozen=True)
class Kind:
    """A block device: where it lies, `{n}` is a number of its own; its files; what becomes of it."""

    place: str
    files: dict[str, str]
    verdict: str  # fixed, named (only if a hint names it), never (listed, and refused), hidden
    has_place: bool = True  # that a hint can name


KINDS = {
    "nvme": Kind(
        f"{PCI}/0000:4{{n}}:00.0/nvme/nvme{{n}}/nvme{{n}}n1",
        {"device/model": "PM9A3", "device/serial": "N{n}", "wwid": "eui.00253850000000{n:02x}", "nsid": "1"},
        "fixed",
    ),
    "sata": Kind(
        f"{PCI}/0000:00:17.0/ata{{n}}/host{{n}}/target{{n}}:0:0/{{n}}:0:0:0/block/sd{{letter}}",
        {"device/model": "ST4000NM000A", "device/serial": "A{n}", "queue/rotational": "1"},
        "fixed",
    ),
    "raid": Kind(
        f"{PCI}/0000:3b:00.0/host20/target20:2:{{n}}/20:2:{{n}}:0/block/sd{{letter}}",
        {"device/model": "PERC H740P Adp", "device/wwid": "naa.64cd98f0b4518d002f355bc93432dc{n:02x}"},
        "fixed",
    ),
    "virtio": Kind(f"{PCI}/0000:00:0{{n}}.0/virtio{{n}}/block/vd{{letter}}", {"serial": "V{n}"}, "fixed"),
    "emmc": Kind(f"{PCI}/0000:00:1a.{{n}}/mmc_host/mmc0/mmcblk{{n}}", {"device/type": "MMC"}, "fixed"),
    "vmware": Kind(
        f"{PCI}/0000:00:10.0/host30/target30:0:{{n}}/30:0:{{n}}:0/block/sd{{letter}}",
        {"device/model": "Virtual disk", "device/vendor": "VMware"},
        "fixed",
    ),
    "stick": Kind(
        f"{PCI}/0000:00:14.0/usb1/1-{{n}}/1-{{n}}:1.0/host4{{n}}/target4{{n}}:0:0/4{{n}}:0:0:0/block/sd{{letter}}",
        {"removable": "1", "device/model": "Ultra Fit", "device/vendor": "SanDisk"},
        "named",
    ),
    "usb disk": Kind(
        f"{PCI}/0000:00:14.0/usb2/2-{{n}}/2-{{n}}:1.0/host5{{n}}/target5{{n}}:0:0/5{{n}}:0:0:0/block/sd{{letter}}",
        {"removable": "0", "device/model": "Elements 25A3"},
        "named",
    ),
    "bmc": Kind(
        f"{PCI}/0000:00:14.0/usb1/1-{{n}}/1-{{n}}:1.1/host6{{n}}/target6{{n}}:0:0/6{{n}}:0:0:0/block/sd{{letter}}",
        {"removable": "1", "device/model": "Virtual HDisk0", "device/vendor": "AMI"},
        "named",
    ),
    "sd card": Kind(f"{PCI}/0000:00:1b.{{n}}/mmc_host/mmc1/mmcblk1{{n}}", {"device/type": "SD"}, "named"),
    "switched": Kind(
        f"{PCI}/0000:00:18.0/ata{{n}}/host7{{n}}/target7{{n}}:0:0/7{{n}}:0:0:0/block/sd{{letter}}",
        {"ro": "1"},
        "never",
    ),
    "empty reader": Kind(f"{PCI}/0000:00:14.0/usb1/1-9{{n}}/block/sd{{letter}}", {"size": "0"}, "hidden"),
    "boot area": Kind(f"{PCI}/0000:00:1a.0/mmc_host/mmc0/mmcblk{{n}}boot0", {"ro": "0"}, "hidden"),
    "rpmb": Kind(f"{PCI}/0000:00:1a.0/mmc_host/mmc0/mmcblk{{n}}rpmb", {}, "hidden"),
    "path": Kind("devices/virtual/nvme-subsystem/nvme{n}c0n1", {"hidden": "1"}, "hidden"),
    "loop": Kind("devices/virtual/block/loop{n}", {}, "hidden"),
    "mapper": Kind("devices/virtual/block/dm-{n}", {}, "hidden"),
    "array": Kind("devices/virtual/block/md12{n}", {}, "hidden"),
    "bay": Kind(  # AHCI says of a port with hot plug that its disk is removable
        f"{PCI}/0000:00:19.0/ata{{n}}/host{{n}}/target{{n}}:0:0/{{n}}:0:0:0/block/sd{{letter}}",
        {"removable": "1", "device/model": "ST4000NM000A", "device/serial": "B{n}"},
        "fixed",
    ),
    "aacraid": Kind(  # sets it for all of its volumes
        f"{PCI}/0000:5e:00.0/host21/target21:0:{{n}}/21:0:{{n}}:0/block/sd{{letter}}",
        {
            "removable": "1",
            "device/vendor": "ASR8405",
            "device/model": "LogicalDrv 0",
            "device/serial": "L{n}",
        },
        "fixed",
    ),
    "sas": Kind(
        f"{PCI}/0000:af:00.0/host22/port-22:{{n}}/end_device-22:{{n}}/target22:0:{{n}}/22:0:{{n}}:0/block"
        "/sd{letter}",
        {
            "device/model": "ST16000NM002G",
            "device/serial": "ZL2{n}ABCD",
            "device/wwid": "naa.5000c500a1b2c3{n:02x}",
        },
        "fixed",
    ),
    "sas phy": Kind(
        f"{PCI}/0000:b0:00.0/host23/port-23:{{n}}/end_device-23:{{n}}/target23:0:{{n}}/23:0:{{n}}:0/block"
        "/sd{letter}",
        {
            "device/wwid": "naa.5000c500a1b2c4{n:02x}",
            f"{END}23:{{n}}/phy_identifier": "{n}",
            f"{END}23:{{n}}/sas_address": "0x5000c500a1b2c4{n:02x}",
        },
        "fixed",
    ),
    "sata at an sas controller": Kind(  # which makes up an address for it
        f"{PCI}/0000:b1:00.0/host24/port-24:{{n}}/end_device-24:{{n}}/target24:0:{{n}}/24:0:{{n}}:0/block"
        "/sd{letter}",
        {
            f"{END}24:{{n}}/phy_identifier": "{n}",
            f"{END}24:{{n}}/sas_address": "0x443322110{n}000000",
        },
        "fixed",
    ),
    "sas shelf": Kind(
        f"{PCI}/0000:b2:00.0/host25/port-25:0/expander-25:0/port-25:0:{{n}}/end_device-25:0:{{n}}"
        "/target25:0:{n}/25:0:{n}:0/block/sd{letter}",
        {
            f"{END}25:0:{{n}}/phy_identifier": "{n}",
            f"{END}25:0:{{n}}/sas_address": "0x5000cca2a1b2c5{n:02x}",
            "../../../../../../sas_device/expander-25:0/sas_address": "0x500304801f2a77bf",
        },
        "fixed",
    ),
    "wide sas port": Kind(
        f"{PCI}/0000:b3:00.0/host26/port-26:{{n}}/end_device-26:{{n}}/target26:0:{{n}}/26:0:{{n}}:3/block"
        "/sd{letter}",
        {
            f"{END}26:{{n}}/phy_identifier": "0",
            f"{END}26:{{n}}/sas_address": "0x50060168446021{n:02x}",
            "../../../../../sas_port/port-26:{n}/num_phys": "4",
        },
        "fixed",
    ),
    "second on the cable": Kind(
        f"{PCI}/0000:00:01.{{n}}/ata1/host80/target80:0:1/80:0:1:0/block/sd{{letter}}",
        {"device/model": "QEMU HARDDISK", "device/serial": "QM0000{n}X"},
        "fixed",
    ),
    "board emmc": Kind(
        "devices/platform/80860F14:0{n}/mmc_host/mmc{n}/mmcblk{n}",
        {"device/type": "MMC", "device/name": "DG4016", "device/serial": "0x1234ab{n:02x}"},
        "fixed",
    ),
    "firewire": Kind(
        f"{PCI}/0000:00:1c.{{n}}/fw1/fw1.{{n}}/host9{{n}}/target9{{n}}:0:0/9{{n}}:0:0:0/block/sd{{letter}}",
        {"device/model": "LaCie"},
        "named",
    ),
    "removable somewhere": Kind("devices/odd/sd{letter}", {"removable": "1"}, "named", has_place=False),
    "memory": Kind(
        "devices/LNXSYSTM:00/ndbus0/region{n}/namespace{n}.0/block/pmem{n}", {}, "named", has_place=False
    ),
    "zoned": Kind(
        f"{PCI}/0000:00:1d.0/ata{{n}}/host5{{n}}0/target5{{n}}0:0:0/5{{n}}0:0:0:0/block/sd{{letter}}",
        {"queue/zoned": "host-managed", "device/model": "HSH721414AL"},
        "named",
    ),
    "openbmc": Kind(
        f"{PCI}/0000:00:14.0/usb1/1-{{n}}/1-{{n}}:1.2/host10{{n}}/target10{{n}}:0:0/10{{n}}:0:0:0/block/sd{{letter}}",
        {"removable": "1", "device/vendor": "Linux", "device/model": "File-Stor Gadget"},
        "named",
    ),
    "old path": Kind(f"{PCI}/0000:4{{n}}:00.0/nvme/nvme{{n}}/nvme{{n}}c0n1", {}, "hidden"),
    "zvol": Kind("devices/virtual/block/zd{n}", {}, "hidden"),
    "made by something new": Kind("devices/virtual/block/newblk{n}", {}, "hidden"),
    "named array": Kind("devices/virtual/block/md_home{n}", {}, "hidden"),
    "network": Kind("devices/aoe/etherd!e{n}.0", {}, "hidden"),
    "flash": Kind("devices/mtd/mtdblock{n}", {}, "hidden"),
    "dvd": Kind(f"{PCI}/0000:00:17.0/ata9{{n}}/block/sr{{n}}", {"removable": "1"}, "hidden"),
}


def build(root: Path, kinds: list[str]) -> dict[str, Kind]:
    """By its name each device of the tree."""
    names = {}
    (root / "block").mkdir()
    for n, name in enumerate(kinds, 1):
        kind, letter = KINDS[name], "abcdefghi"[n]
        place = root / kind.place.format(n=n, letter=letter)
        for file, text in {"size": "1875385008", "removable": "0", "ro": "0", **kind.files}.items():
            path = place / file.format(n=n)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(n=n) + "\n")
        (root / "block" / place.name).symlink_to(place)
        names[place.name] = kind
    return names


@cache
def load_installer() -> ModuleType:
    specification = importlib.util.spec_from_file_location("installer", shipped.file("pxe", "installer.py"))
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


trees = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=7)


@given(trees)
@settings(max_examples=150, deadline=None)
def test_only_disks_are_candidates_and_each_has_a_place_of_its_own(kinds: list[str]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        there = build(Path(folder), kinds)
        patch.setattr(facts, "SYS", Path(folder))
        found = facts.disks()
        assert {disk.name for disk in found} == {n for n, k in there.items() if k.verdict != "hidden"}
        assert {disk.name for disk in found if disk.medium} == {
            n for n, k in there.items() if k.verdict == "named"
        }
        paths = [disk.by_path for disk in found if there[disk.name].has_place]
        assert len(set(paths)) == len(paths) and all(paths)
        fixed = [name for name, kind in there.items() if kind.verdict == "fixed"]
        if len(fixed) == 1:
            assert disks.choose(found, DiskHints()).name == fixed[0]
        else:
            with pytest.raises(DiskError):
                disks.choose(found, DiskHints())
        for disk in found:
            hints = DiskHints(by_path=disk.by_path) if disk.by_path else DiskHints(name=disk.name)
            if there[disk.name].verdict == "never":
                with pytest.raises(DiskError, match="it is read-only"):
                    disks.choose(found, hints)
            else:
                assert disks.choose(found, hints) is disk


def notations(disk: Disk, kind: Kind) -> Iterator[dict[str, str]]:
    """Every way in which lsblk, udev, smartctl, multipath or a person may write which disk this is."""
    words = f"{disk.model} {disk.serial}".replace(" ", "_")
    if disk.model and disk.serial:
        for bus in ("ata-", "nvme-", "scsi-SATA_", "scsi-SSEAGATE_", "usb-SanDisk_"):
            link = f"{bus}{words}"
            yield from ({"serial": link}, {"serial": f"/dev/disk/by-id/{link}"})
            yield {"serial": f"{link}-0:0" if bus.startswith("usb") else f"{link}_1"}
    if disk.serial:
        yield from ({"serial": text} for text in (disk.serial, disk.serial.lower(), f" {disk.serial} "))
    if disk.wwn:
        yield from ({"wwn": text} for text in wwns(disk.wwn))
        yield from ({"serial": text} for text in wwns(disk.wwn) if ":" not in text)
    for text in (disk.name, f"/dev/{disk.name}", f"dev/{disk.name.upper()}", f"/sys/block/{disk.name}"):
        yield {"name": text}
    if kind.has_place:
        place = disk.by_path
        yield from ({"by_path": text} for text in (place, place.upper(), f"/dev/disk/by-path/{place}"))
    if disk.sas_address:  # as udev before version 219 has it
        function, unit = disk.by_path.split("-sas-")[0], disk.by_path.rsplit("-lun-")[1]
        yield {"by_path": f"{function}-sas-{disk.sas_address}-lun-{unit}"}
        yield {"by_path": f"/dev/disk/by-path/{function}-sas-{disk.sas_address.upper()}-lun-{unit}"}
    if disk.by_path.startswith("pci-0000:"):
        bare = disk.by_path.removeprefix("pci-0000:")
        yield from ({"by_path": text} for text in (bare, f"0000:{bare}", f"pci-{bare}", f"pci@0000:{bare}"))


def wwns(number: str) -> Iterator[str]:
    kind, digits = number.split(".")
    link = f"/dev/disk/by-id/nvme-{number}" if kind == "eui" else f"wwn-0x{digits}"
    pairs = ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    yield from (number, number.upper(), link, f"0x{digits}", digits, f" {digits.upper()} ", pairs)
    yield f"/dev/disk/by-id/scsi-{3 if kind == 'naa' else 2}{digits}"
    if len(digits) == 32:
        yield from (f"wwn-0x{digits[:16]}0x{digits[16:]}", f"0x{digits[:16]} 0x{digits[16:]}")


@given(trees)
@settings(max_examples=80, deadline=None)
def test_a_disk_is_found_in_every_notation_that_people_have_at_hand(kinds: list[str]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        there = build(Path(folder), kinds)
        patch.setattr(facts, "SYS", Path(folder))
        found = [disk for disk in facts.disks() if not disk.read_only]
        for disk in found:
            for said in notations(disk, there[disk.name]):
                hints = Hints.model_validate(said)  # what is refused here is refused at apply
                assert disks.choose(found, DiskHints(**hints.model_dump())) is disk, said


@given(trees)
@settings(max_examples=60, deadline=None)
def test_the_installer_sees_the_same_disks_as_the_agent(kinds: list[str]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        build(Path(folder), kinds)
        patch.setattr(facts, "SYS", Path(folder))
        script = load_installer()
        patch.setattr(script, "SYS", Path(folder))
        patch.setattr(script, "UDEV", Path(folder) / "udev")
        seen = script.disks()
        ours = [asdict(disk) for disk in facts.disks()]
        for said, known in zip(seen, ours, strict=True):
            assert known["by_path"].startswith(said.pop("by_path"))
            assert said == {key: known[key] for key in said}


def test_the_installer_takes_the_place_that_udev_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, ["sata"])
    (tmp_path / "block/sdb/dev").write_text("8:16\n")
    (tmp_path / "udev").mkdir()
    (tmp_path / "udev/b8:16").write_text("S:disk/by-id/x\nE:ID_PATH=pci-0000:00:17.0-ata-1.0\nE:ID_BUS=ata\n")
    script = load_installer()
    monkeypatch.setattr(script, "SYS", tmp_path)
    monkeypatch.setattr(script, "UDEV", tmp_path / "udev")
    assert [disk["by_path"] for disk in script.disks()] == ["pci-0000:00:17.0-ata-1.0"]
