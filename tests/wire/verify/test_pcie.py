"""The script that follows GPUs to their root ports, over a /sys of files and SMBIOS tables of DSP0134."""

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioner import run
from provisioner.verify.evidence import PcieFunction, PcieReport, read_evidence
from tests.wire import nvmllab

SCRIPT = nvmllab.ROOT / "ansible/files/pcie.py"
ROOT_PORT, UPSTREAM, DOWNSTREAM = "0000:15:01.0", "0000:16:00.0", "0000:17:00.0"
FIRST, SECOND = "0000:18:00.0", "0000:5d:00.0"
H100 = {"vendor": "0x10de", "device": "0x2330", "class": "0x030200"}
BRIDGE = {"vendor": "0x1000", "device": "0xc030", "class": "0x060400"}
FAST = {"current_link_width": "16", "max_link_width": "16", "max_link_speed": "32.0 GT/s PCIe"}
UP = {**FAST, "current_link_speed": "32.0 GT/s PCIe"}
# what the kernel prints, Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats
FATAL = "Undefined 0\nDLP 0\nSDES 0\nTLP 0\nFCP 0\nTOTAL_ERR_FATAL {}\n"
CORRECTABLE = "RxErr {0}\nBadTLP 0\nBadDLLP 0\nRollover 0\nTimeout 0\nNonFatalErr 0\nTOTAL_ERR_COR {0}\n"


def function(
    sysfs: Path, way: str, files: Mapping[str, str], *, fatal: int = 0, correctable: int = 0
) -> Path:
    """A function below `way` in the tree, as the kernel shows it."""
    place = sysfs / "devices/pci0000:15" / way
    place.mkdir(parents=True)
    aer = {
        "aer_dev_fatal": FATAL.format(fatal),
        "aer_dev_nonfatal": FATAL.format(0).replace("FATAL", "NONFATAL"),
        "aer_dev_correctable": CORRECTABLE.format(correctable),
    }
    for name, text in {**aer, **files}.items():
        (place / name).write_text(text if text.endswith("\n") else text + "\n")
    link = sysfs / "bus/pci/devices" / place.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(place)
    return place


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A GPU behind a switch, with virtual functions and an NVSwitch beside it; one at its root port."""
    above = f"{ROOT_PORT}/{UPSTREAM}/{DOWNSTREAM}"
    function(tmp_path, ROOT_PORT, {**BRIDGE, **UP})
    function(tmp_path, f"{ROOT_PORT}/{UPSTREAM}", {**BRIDGE, **UP}, fatal=1)
    function(tmp_path, above, {**BRIDGE, **FAST, "current_link_speed": "16.0 GT/s PCIe"}, correctable=812)
    gpu = function(tmp_path, f"{above}/{FIRST}", {**H100, **UP, "current_link_width": "8"}, correctable=7)
    for number in "45":
        share = function(tmp_path, f"{above}/0000:18:00.{number}", H100)
        (share / "physfn").symlink_to(gpu)
    function(tmp_path, f"{above}/0000:19:00.0", {**H100, "device": "0x22a3", "class": "0x068000"})
    function(tmp_path, "0000:15:03.0", {**BRIDGE, **UP})
    function(tmp_path, f"0000:15:03.0/{SECOND}", {**H100, **UP, "current_link_speed": "2.5 GT/s PCIe"})
    return tmp_path


def structure(kind: int, body: bytes, *strings: str) -> bytes:
    """One structure of SMBIOS tables: header, formatted area, strings, an empty one."""
    text = b"".join(string.encode() + b"\0" for string in strings) or b"\0"
    return struct.pack("<BBH", kind, 4 + len(body), 0x0900) + body + text + b"\0"


def slot(
    designation: str, segment: int, bus: int, device: int, number: int = 0, *, extra: bytes = b""
) -> bytes:
    """A system slot (type 9), DSP0134 7.10: of a PCI Express slot, in use, with the address at its end."""
    body = struct.pack("<BBBBBHBBHBB", 1, 0xB6, 0x0D, 4, 4, 3, 0x0C, 1, segment, bus, device << 3 | number)
    return structure(9, body + extra, designation)


BIOS = structure(0, b"\1\2\0\xf0\3", "American Megatrends", "2.1", "10/05/2024")
UNUSED = structure(
    9, struct.pack("<BBBBBHBBHBB", 1, 0xB6, 0x0D, 3, 4, 9, 0x0C, 1, 0xFFFF, 0xFF, 0xFF), "SLOT9"
)
OLD = structure(9, struct.pack("<BBBBBHBB", 1, 0xA6, 0x0D, 4, 4, 3, 0x0C, 1), "before SMBIOS 2.6")
END = structure(127, b"")


def tables(sysfs: Path, *structures: bytes) -> None:
    (sysfs / "firmware/dmi/tables").mkdir(parents=True)
    (sysfs / "firmware/dmi/tables/DMI").write_bytes(b"".join(structures))


def driver_slot(sysfs: Path, name: str, address: str) -> None:
    (sysfs / "bus/pci/slots" / name).mkdir(parents=True)
    (sysfs / "bus/pci/slots" / name / "address").write_text(address + "\n")


def ask(sysfs: Path) -> PcieReport:
    done = run.run(["/usr/bin/python3", "-", sysfs], stdin=SCRIPT.read_bytes())
    said = read_evidence({"pcie": done.stdout.decode()}).pcie
    assert said is not None, done.stdout
    return said


def slots(said: PcieReport) -> dict[str, str]:
    return {one.bus: one.slot for one in said.functions if one.slot}


def test_each_gpu_is_followed_to_its_root_port(sysfs: Path) -> None:
    said = ask(sysfs)
    assert said.gpus == (FIRST, SECOND)
    known = {one.bus: one for one in said.functions}
    assert {bus: one.parent for bus, one in known.items()} == {
        **{FIRST: DOWNSTREAM, DOWNSTREAM: UPSTREAM, UPSTREAM: ROOT_PORT, ROOT_PORT: ""},
        **{SECOND: "0000:15:03.0", "0000:15:03.0": ""},
    }
    assert known[FIRST] == PcieFunction(
        bus=FIRST,
        parent=DOWNSTREAM,
        width=8,
        width_max=16,
        speed=32,
        speed_max=32,
        aer_fatal=0,
        aer_nonfatal=0,
        aer_correctable=7,
    )
    assert (known[DOWNSTREAM].speed, known[DOWNSTREAM].aer_correctable, known[UPSTREAM].aer_fatal) == (
        16,
        812,
        1,
    )
    assert known[SECOND].speed == 2.5, "it idles"


def test_shares_of_a_gpu_and_switches_are_no_gpus(sysfs: Path) -> None:
    places = {one.bus for one in ask(sysfs).functions}
    assert not places & {"0000:18:00.4", "0000:18:00.5", "0000:19:00.0"}


def test_a_gpu_that_answers_nothing_but_ones_has_no_width(sysfs: Path) -> None:
    place = (sysfs / "bus/pci/devices" / FIRST).resolve()
    (place / "current_link_width").write_text("63\n")
    (place / "max_link_width").write_text("255\n")
    (place / "current_link_speed").write_text("Unknown\n")
    for name in ("fatal", "nonfatal", "correctable"):
        (place / f"aer_dev_{name}").unlink()
    gpu = next(one for one in ask(sysfs).functions if one.bus == FIRST)
    assert (gpu.width, gpu.width_max, gpu.speed, gpu.aer_fatal, gpu.aer_correctable) == (None,) * 5


def test_a_link_that_is_down_has_no_lanes(sysfs: Path) -> None:
    ((sysfs / "bus/pci/devices" / FIRST).resolve() / "current_link_width").write_text("0\n")
    assert next(one for one in ask(sysfs).functions if one.bus == FIRST).width == 0


def test_slots_have_the_names_that_smbios_has_for_gpu_or_port(sysfs: Path) -> None:
    gpu, port = slot("GPU SLOT 3", 0, 0x18, 0, extra=b"\4\0\0"), slot("PCIe 7", 0, 0x15, 3)
    tables(sysfs, BIOS, OLD, UNUSED, gpu, port, END)
    said = ask(sysfs)
    assert slots(said) == {FIRST: "GPU SLOT 3", "0000:15:03.0": "PCIe 7"}
    assert said.reason == ""


def test_slots_have_the_slot_drivers_names_where_smbios_has_none(sysfs: Path) -> None:
    driver_slot(sysfs, "3", "0000:18:00")
    driver_slot(sysfs, "7", "0000:5d:00")
    tables(sysfs, BIOS, slot("GPU SLOT 7", 0, 0x5D, 0), END)
    assert slots(ask(sysfs)) == {FIRST: "3", SECOND: "GPU SLOT 7"}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (slot("S", 0, 0x18, 0)[:-2], "the SMBIOS tables are damaged"),
        (slot("S", 0, 0x18, 0)[:9], "the SMBIOS tables are damaged"),
        (b"\x09\x02\0\0" * 9, ""),
        (b"\xff" * 7, "the SMBIOS tables are damaged"),
        (b"", ""),
    ],
    ids=["no end", "cut", "a length of two", "ones", "empty"],
)
def test_damaged_tables_name_nothing_and_hinder_nothing(damage: bytes, expected: str, sysfs: Path) -> None:
    tables(sysfs, damage)
    said = ask(sysfs)
    assert (slots(said), said.reason, len(said.functions)) == ({}, expected, 6)


def test_closed_tables_are_told(sysfs: Path) -> None:
    assert ask(sysfs).reason == "the SMBIOS tables cannot be read: No such file or directory"


def test_a_machine_without_gpus_has_no_ways(tmp_path: Path) -> None:
    said = ask(tmp_path)
    assert (said.gpus, said.functions) == ((), ())


def test_this_machine_can_be_asked() -> None:
    assert ask(Path("/sys")).gpus is not None
