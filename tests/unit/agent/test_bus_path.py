"""Where a disk hangs, as udev says it, for every bus: no two disks of one machine are at one place."""

from pathlib import Path

import pytest

from provisioner.agent import bus_path

PCI = "devices/pci0000:00"
HBA = f"{PCI}/0000:00:03.0/0000:3b:00.0/host4"


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    (tmp_path / "block").mkdir()
    return tmp_path


def disk(sys: Path, place: str) -> Path:
    (sys / place).mkdir(parents=True)
    link = sys / "block" / Path(place).name
    link.symlink_to(sys / place)
    return link


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (f"{PCI}/0000:00:04.0/virtio2/block/vda", "pci-0000:00:04.0"),
        (f"{PCI}/0000:00:05.0/virtio3/host2/target2:0:1/2:0:1:0/block/sda", "pci-0000:00:05.0-scsi-0:0:1:0"),
        (f"{PCI}/0000:00:01.1/0000:41:00.0/nvme/nvme3/nvme3n1", "pci-0000:41:00.0-nvme-1"),
        (
            f"{PCI}/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sdc",
            "pci-0000:00:1f.2-ata-1",  # the only port that is there
        ),
        (
            f"{PCI}/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/host6/target6:0:0/6:0:0:0/block/sdz",
            "pci-0000:00:14.0-usb-0:4.2:1.0-scsi-0:0:0:0",
        ),
        (f"{HBA}/target4:2:7/4:2:7:0/block/sdd", "pci-0000:3b:00.0-scsi-0:2:7:0"),
        (
            "devices/pci0000:c9/0000:c9:00.5/pci10000:80/10000:80:01.0/10000:81:00.0/nvme/nvme0/nvme0n1",
            "pci-0000:c9:00.5-pci-10000:81:00.0-nvme-1",
        ),
        (f"{PCI}/0000:00:01.1/ata1/host0/target0:0:1/0:0:1:0/block/sdb", "pci-0000:00:01.1-ata-1.1"),  # IDE
        (f"{PCI}/0000:00:17.0/ata5/host4/target4:2:0/4:2:0:0/block/sdc", "pci-0000:00:17.0-ata-1.2.0"),
        ("devices/platform/80860F14:00/mmc_host/mmc0/mmc0:0001/block/mmcblk0", "platform-80860F14:00"),
        ("devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sdi", ""),  # iSCSI
        ("devices/virtual/block/sdq", ""),
    ],
)
def test_a_disk_is_where_udev_says(sys: Path, place: str, path: str) -> None:
    assert bus_path.of(disk(sys, place)) == path


def test_ports_of_one_sata_controller_are_counted_from_its_first(sys: Path) -> None:
    places = [
        disk(sys, f"{PCI}/{function}/ata{port}/host{port}/target{port}:0:0/{port}:0:0:0/block/sd{name}")
        for function, port, name in (
            ("0000:00:17.0", 7, "a"),
            ("0000:00:17.0", 9, "b"),
            ("0000:00:18.0", 1, "c"),
        )
    ]
    assert [bus_path.of(place) for place in places] == [
        "pci-0000:00:17.0-ata-1",
        "pci-0000:00:17.0-ata-3",
        "pci-0000:00:18.0-ata-1",
    ]
    put(sys / f"{PCI}/0000:00:17.0/ata9/ata_port/ata9", port_no="5")  # the kernel knows better
    assert bus_path.of(places[1]) == "pci-0000:00:17.0-ata-5"


def test_a_multi_port_nvme_disk_is_at_its_first_controller(sys: Path) -> None:
    subsystem = sys / "devices/virtual/nvme-subsystem/nvme-subsys0"
    place = disk(sys, "devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1")
    put(place, nsid="2")
    for name, function in (("nvme1", "0000:82:00.0"), ("nvme0", "0000:81:00.0")):
        controller = sys / f"devices/pci0000:80/0000:80:01.0/{function}/nvme/{name}"
        controller.mkdir(parents=True)
        (subsystem / name).symlink_to(controller)
    assert bus_path.of(place) == "pci-0000:81:00.0-nvme-2"


def test_sas_disks_are_told_apart_by_phy_expander_or_address(sys: Path) -> None:
    direct = disk(sys, f"{HBA}/port-4:0/end_device-4:0/target4:0:0/4:0:0:0/block/sda")
    put(sys / f"{HBA}/port-4:0/end_device-4:0/sas_device/end_device-4:0", phy_identifier="4")
    shelf = f"{HBA}/port-4:1/expander-4:0"
    behind = disk(sys, f"{shelf}/port-4:0:5/end_device-4:0:5/target4:0:1/4:0:1:0/block/sdb")
    put(sys / f"{shelf}/sas_device/expander-4:0", sas_address="0x500304801f2a77bf")
    put(
        sys / f"{shelf}/port-4:0:5/end_device-4:0:5/sas_device/end_device-4:0:5",
        phy_identifier="17",
        sas_address="0x5000c500a1b2c3d5",
    )
    wide = disk(sys, f"{HBA}/port-4:2/end_device-4:2/target4:0:2/4:0:2:3/block/sdc")
    put(sys / f"{HBA}/port-4:2/end_device-4:2/sas_device/end_device-4:2", sas_address="0x5006016844602198")
    put(sys / f"{HBA}/port-4:2/sas_port/port-4:2", num_phys="4")
    assert [bus_path.of(place) for place in (direct, behind, wide)] == [
        "pci-0000:3b:00.0-sas-phy4-lun-0",
        "pci-0000:3b:00.0-sas-exp0x500304801f2a77bf-phy17-lun-0",
        "pci-0000:3b:00.0-sas-0x5006016844602198-lun-3",
    ]
    assert [bus_path.sas_address(place) for place in (direct, behind, wide)] == [
        "",
        "0x5000c500a1b2c3d5",
        "0x5006016844602198",
    ]


def test_a_lun_behind_fibre_channel_is_at_its_target_port(sys: Path) -> None:
    target = f"{HBA}/rport-4:0-2/target4:0:1"
    place = disk(sys, f"{target}/4:0:1:12/block/sdx")
    assert bus_path.of(place) == "pci-0000:3b:00.0-scsi-0:0:1:12", "the next best"
    put(sys / target / "fc_transport/target4:0:1", port_name="0x500601684460219a")
    assert bus_path.of(place) == "pci-0000:3b:00.0-fc-0x500601684460219a-lun-12"
    far = disk(sys, f"{target}/4:0:1:16641/block/sdy")
    assert bus_path.of(far) == "pci-0000:3b:00.0-fc-0x500601684460219a-lun-0x4101000000000000"
