"""A profile that is learned from a machine fits that machine, and says which disk is meant."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.agent import disks, protocol
from provisioner.discovery import learn
from provisioner.discovery.hardware import agent_disk
from provisioner.domain.acceptance import Level
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts, NicInfo
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.requirements import Requirements
from provisioner.errors import NotFoundError
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory

GB = 10**9


def disk(name: str, size: int, model: str = "", *, rotational: bool = False, by_path: str = "") -> DiskInfo:
    return DiskInfo(
        name=name, size=size, model=model, serial=f"S-{name}", rotational=rotational, by_path=by_path
    )


def facts(*found: DiskInfo, devices: Sequence[DeviceInfo] = ()) -> HardwareFacts:
    nics = (NicInfo(name="eth0", mac="52:54:00:00:00:01"),)
    return HardwareFacts(disks=found, nics=nics, devices=tuple(devices), memory=540 << 30)


def chosen(hardware: HardwareFacts) -> str:
    """The disk that the agent takes by the learned hints."""
    hints = learn.profile(hardware, "p").disks[0].model_dump()
    seen = [agent_disk(disk) for disk in hardware.disks]
    return disks.choose(seen, protocol.DiskHints(**hints)).name


def test_the_smallest_disk_that_is_alone_of_its_kind_and_does_not_rotate_is_meant() -> None:
    data = [disk(f"nvme{n}n1", 3840 * GB, "PM9A3") for n in range(8)]
    old = disk("sda", 240 * GB, "HDD", rotational=True)
    boot, other = disk("sdb", 480 * GB, "SSD"), disk("sdc", 960 * GB, "SSD")
    assert chosen(facts(*data, old, other, boot)) == "sdb"
    assert chosen(facts(*data, old)) == "sda", "the others are eight alike"


def test_twins_are_told_apart_by_their_place() -> None:
    twins = [disk(f"nvme{n}n1", 480 * GB, "PM9A3", by_path=f"pci-0000:0{n}:00.0") for n in range(2)]
    assert chosen(facts(*twins)) == "nvme0n1"
    assert learn.profile(facts(*twins), "p").disks[0].by_path == "pci-0000:00:00.0"


def test_signs_of_a_shell_pattern_in_a_model_are_meant_literally() -> None:
    assert chosen(facts(disk("sda", 480 * GB, "SSD [A]*?"), disk("sdb", 480 * GB, "SSD A-x"))) == "sda"


@given(st.integers(1 << 20, 1 << 46), st.booleans())
def test_a_single_disk_of_any_size_fits_its_own_hints(size: int, rotational: bool) -> None:
    assert chosen(facts(disk("sda", size, rotational=rotational))) == "sda"


def test_gpus_are_counted_and_the_bmcs_screen_is_none() -> None:
    kinds = {"10de:2330": "030200", "1a03:2000": "030000", "102b:0522": "030000", "1da3:1020": "120000"}
    devices = [DeviceInfo(id=ident, kind=kind) for ident, kind in kinds.items()]
    devices += [devices[0]] * 7 + [DeviceInfo(id="1234:11e8", kind="00ff00")]
    found = {gpu.id: gpu.count for gpu in learn.profile(facts(devices=devices), "p").gpus}
    assert found == {"10de:2330": 8, "1da3:1020": 1}
    assert "1234:11e8" in {
        gpu.id for gpu in learn.profile(facts(devices=devices), "p", devices=("1234:11e8",)).gpus
    }


@pytest.mark.parametrize(
    ("ident", "kind", "place", "is_gpu"),
    [
        ("10de:2684", "030000", "0000:01:00.0", True),  # GeForce RTX 4090
        ("1002:744c", "030000", "0000:03:00.0", True),  # Radeon RX 7900
        ("8086:56c0", "038000", "0000:4d:00.0", True),  # Data Center GPU Flex 170
        ("1002:74a1", "120000", "0000:05:00.0", True),  # Instinct MI300X
        ("8086:a780", "030000", "0000:00:02.0", False),  # the processor's own
        ("19e5:1711", "030000", "0000:08:00.0", False),  # iBMC
        ("1a03:2000", "030000", "0000:03:00.0", False),  # ASPEED
        ("1234:1111", "030000", "0000:00:01.0", False),  # QEMU
    ],
)
def test_a_board_s_own_screen_is_no_gpu(ident: str, kind: str, place: str, is_gpu: bool) -> None:
    device = DeviceInfo(id=ident, kind=kind, place=place)
    assert bool(learn.profile(facts(devices=[device]), "p").gpus) == is_gpu


def test_what_is_printed_is_read_back_from_the_inventory_folder(tmp_path: Path) -> None:
    devices = [DeviceInfo(id="10de:2684", kind="030000")]
    made = learn.profile(facts(disk("sda", 480 * GB, "on"), devices=devices), "on")
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    (tmp_path / "profiles.yml").write_text(learn.as_yaml(made))
    assert inventory.read(tmp_path, DRIVERS)[1] == [made]
    assert "memory_min: 540G" in learn.as_yaml(made)


def test_what_is_known_of_a_gpu_beside_its_count_stays() -> None:
    h100 = Gpu(id="10de:2330", count=8, memory_min=80 << 30, ecc=True, nvlinks=18)
    base = Profile(name="p", gpu_driver="580", gpus=(h100,), acceptance=Requirements(level=Level.FULL))
    device = DeviceInfo(id="10de:2330", kind="030200")
    seven = learn.profile(facts(devices=[device] * 7), "p", base=base)
    assert seven.gpus == (h100.model_copy(update={"count": 7}),)
    assert (seven.gpu_driver, seven.acceptance) == (base.gpu_driver, base.acceptance)
    assert learn.profile(facts(), "p", base=base).gpus == (h100,), "its devices were not reported"
    other = learn.profile(facts(devices=[DeviceInfo(id="8086:1533", kind="020000")]), "p", base=base)
    assert (other.gpus, other.gpu_driver, other.acceptance) == ((), "", Requirements())


@pytest.mark.parametrize("said", [HardwareFacts(), HardwareFacts(serial="S1")])
def test_nothing_is_learned_from_a_machine_that_was_not_looked_at(said: HardwareFacts) -> None:
    with pytest.raises(NotFoundError, match="nothing is known yet") as caught:
        learn.profile(said, "p")
    assert caught.value.code == 136


def test_a_machine_without_disks_gives_hints_for_none() -> None:
    assert learn.profile(facts(), "p").disks[0].model_dump(exclude_defaults=True) == {}


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0"), (1 << 40, "1T"), (953 << 20, "953M"), (5 << 10, "5K"), (1, "1")]
)
def test_sizes_are_said_exactly(size: int, words: str) -> None:
    assert learn.text(size) == words
