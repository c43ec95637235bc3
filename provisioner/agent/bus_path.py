"""Where a disk hangs, in the words of udev's by-path (systemd's udev-builtin-path_id.c), read from /sys."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from provisioner.agent.sysfs import read_word

_PCI = re.compile(r"[0-9a-f]{4,5}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_SCSI = re.compile(r"(\d+):(\d+):(\d+):(\d+)")  # host, channel, target, unit
_USB = re.compile(r"\d+-([\d.]+:\d+\.\d+)")
_NVME = re.compile(r"nvme\d+")


def of(place: Path) -> str:
    """As `pci-0000:41:00.0-nvme-1`; empty for a disk whose bus is not known. `place` lies in /sys/block."""
    folder = place.resolve()
    if "nvme-subsystem" in folder.parts:
        folder = _controller(folder.parent) / folder.name
    functions = _functions(folder.parts)
    if not functions:
        return _platform(folder.parts)
    return "-".join([*(f"pci-{function}" for function in functions), *_port(folder, place)])


def sas_address(place: Path) -> str:
    """Of the port of the disk that a SAS controller sees; empty for other disks. `place` as for `of`."""
    device = _sas_device(place.resolve())
    return read_word(device / "sas_address") if device else ""


def _controller(subsystem: Path) -> Path:
    """Of a disk that hangs at several NVMe controllers: the first of them."""
    links = [link for link in subsystem.iterdir() if _NVME.fullmatch(link.name) and link.is_symlink()]
    places = sorted(link.resolve() for link in links)
    return next((place for place in places if _functions(place.parts)), subsystem)


def _functions(parts: Sequence[str]) -> list[str]:
    """The function that the disk hangs at; before it, for a domain of its own (VMD), that domain's."""
    functions: list[str] = []
    for before, part in pairwise(parts):
        if _PCI.fullmatch(part):
            if functions and _PCI.fullmatch(before):
                functions.pop()  # a bridge
            functions.append(part)
    return functions


def _platform(parts: Sequence[str]) -> str:
    """Of a controller that the board itself describes, such as an eMMC's."""
    names = [name for before, name in pairwise(parts) if before == "platform" and not name.startswith("host")]
    return f"platform-{names[0]}" if names else ""


def _port(folder: Path, place: Path) -> list[str]:
    """What tells apart the disks of one controller; nothing where there is only one."""
    parts = folder.parts
    if number := read_word(place / "nsid"):
        return ["nvme", number]
    if usb := [match[1] for part in parts if (match := _USB.fullmatch(part))]:
        return ["usb", f"0:{usb[-1]}", *_scsi(folder)]
    if port := next((part for part in parts if re.fullmatch(r"ata\d+", part)), ""):
        return ["ata", _ata(folder, port) + _drive(parts)]
    return _sas(folder) or _fibre_channel(folder) or _scsi(folder) or _namespace(folder)


def _namespace(folder: Path) -> list[str]:
    match = re.fullmatch(r"nvme\d+n(\d+)", folder.name)
    return ["nvme", match[1]] if match else []


def _ata(folder: Path, port: str) -> str:
    """The port's number at its controller; the kernel counts all ports of the machine."""
    place = next(parent for parent in folder.parents if parent.name == port)
    if number := read_word(place / "ata_port" / port / "port_no"):
        return number
    numbers = [int(path.name[3:]) for path in place.parent.glob("ata*") if path.name[3:].isdecimal()]
    return str(int(port[3:]) - min(numbers) + 1)


def _drive(parts: Sequence[str]) -> str:
    """Which of several at one port: behind a multiplier its port, on an old cable the second."""
    _, channel, target, _ = _address(parts) or ("0", "0", "0", "0")
    if channel != "0":
        return f".{channel}.0"
    return f".{target}" if target != "0" else ""


def _sas_device(folder: Path) -> Path | None:
    """What the kernel says of the port of the disk at `folder`, below its end device."""
    end = _above(folder, "end_device-")
    return end / "sas_device" / end.name if end else None


def _sas(folder: Path) -> list[str]:
    device = _sas_device(folder)
    if device is None:
        return []
    phy, address = read_word(device / "phy_identifier"), read_word(device / "sas_address")
    port = device.parents[2]
    expander = _above(port, "expander-")
    if address and read_word(port / "sas_port" / port.name / "num_phys") not in ("", "1"):
        return ["sas", address, "lun", _unit(folder)]
    if expander and phy:
        above = read_word(expander / "sas_device" / expander.name / "sas_address")
        return ["sas", f"exp{above}", f"phy{phy}", "lun", _unit(folder)]
    if phy or address:
        return ["sas", f"phy{phy}" if phy else address, "lun", _unit(folder)]
    return []


def _fibre_channel(folder: Path) -> list[str]:
    place, target = _above(folder, "rport-"), _above(folder, "target")
    if place is None or target is None:
        return []
    port = read_word(target / "fc_transport" / target.name / "port_name")
    return ["fc", port, "lun", _unit(folder)] if port else []


def _scsi(folder: Path) -> list[str]:
    """Host (of those at this controller), channel, target and unit."""
    address, host = _address(folder.parts), _above(folder, "host")
    if address is None or host is None:
        return []
    hosts = [int(path.name[4:]) for path in host.parent.glob("host*") if path.name[4:].isdecimal()]
    own = int(address[0]) - min(hosts, default=int(address[0]))
    return ["scsi", f"{own}:{address[1]}:{address[2]}:{address[3]}"]


def _unit(folder: Path) -> str:
    """The unit's number; a large one in the eight bytes of SCSI (SAM-5, 4.7), as udev has it."""
    address = _address(folder.parts)
    number = int(address[3]) if address else 0
    return str(number) if number < 256 else f"0x{number & 0xFFFF:04x}{number >> 16 & 0xFFFF:04x}00000000"


def _address(parts: Sequence[str]) -> tuple[str, str, str, str] | None:
    """Host, channel, target and unit of a SCSI disk."""
    match = next((found for part in parts if (found := _SCSI.fullmatch(part))), None)
    return (match[1], match[2], match[3], match[4]) if match else None


def _above(folder: Path, name: str) -> Path | None:
    """The nearest folder above whose name begins so and goes on with a number."""
    return next(
        (place for place in folder.parents if re.fullmatch(rf"{re.escape(name)}\d[\d:-]*", place.name)), None
    )
