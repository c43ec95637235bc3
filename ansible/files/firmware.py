"""Prints which machine this is, its parts' firmware and its programs' versions, as one JSON object.

Runs on the target with its Python alone; only root may read the serial numbers of SMBIOS. Argument, for
tests: another root folder. Changes nothing, starts nothing but programs that print their version.
"""

import ctypes
import fcntl
import json
import re
import shutil
import socket
import struct
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

SIOCETHTOOL, ETHTOOL_GDRVINFO = 0x8946, 3  # linux/sockios.h, linux/ethtool.h
# struct ethtool_drvinfo: cmd, driver, version, fw_version, bus_info, and what is not asked here
DRVINFO = struct.Struct("I32s32s32s32s64x")
LONGEST = 120  # characters of a name or number
LIMIT = 20  # seconds for a program to say its version
# what is asked for its version, and how; the first number with a dot in what it prints is taken
PROGRAMS = {
    "docker": ("docker", "--version"),
    "container-toolkit": ("nvidia-ctk", "--version"),
    "dcgm": ("dcgmi", "--version"),
}
# Python's packages, looked for in the product's environment and in the frameworks', and not imported
PACKAGES = ("nvidia-ml-py", "tensorflow", "torch", "vllm")
ENVIRONMENTS = ("opt/provisioner/python", "opt/ml/*")


def word(path: Path) -> str:
    """The file's text without its newline, cut; empty where it cannot be read."""
    return read(path)[:LONGEST]


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def machine(root: Path) -> dict[str, str]:
    """Who the machine is by SMBIOS."""
    dmi = root / "sys/class/dmi/id"
    names = {"serial": "product_serial", "board_serial": "board_serial", "uuid": "product_uuid"}
    return {
        "product": f"{word(dmi / 'sys_vendor')} {word(dmi / 'product_name')}".strip(),
        "board": f"{word(dmi / 'board_vendor')} {word(dmi / 'board_name')}".strip(),
        **{name: word(dmi / file) for name, file in names.items()},
    }


def processors(root: Path) -> str:
    """`2 × MODEL`, by sockets; empty where the kernel names no model."""
    text = read(root / "proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
    sockets = set(re.findall(r"^physical id\s*: (\d+)$", text, re.MULTILINE))
    return f"{len(sockets) or 1} × {' '.join(models[0].split())}" if models else ""


def parts(root: Path) -> list[dict[str, str]]:
    """The firmware that says its version; a part that says none is left out."""
    dmi = root / "sys/class/dmi/id"
    bios = part("bios", word(dmi / "bios_vendor"), word(dmi / "bios_version"), word(dmi / "bios_date"))
    bmcs = [
        part("bmc", place.name, word(place / "firmware_revision"), bmc_maker(place))
        for place in sorted((root / "sys/devices/platform").glob("ipmi_bmc.*"))
    ]
    disks = [
        part("nvme", word(one / "serial"), word(one / "firmware_rev"), word(one / "model"))
        for one in sorted((root / "sys/class/nvme").glob("nvme*"))
    ]
    cards = {one["place"]: one for one in map(card, network(root)) if one}  # a card's ports share a place
    return [one for one in (bios, *bmcs, *cards.values(), *disks) if one["version"]]


def part(kind: str, place: str, version: str, about: str) -> dict[str, str]:
    return {"part": kind, "place": place, "version": version, "about": about}


def bmc_maker(place: Path) -> str:
    """Numbers of IANA, as `manufacturer 0x002a7c, product 0x1b0d`."""
    return f"manufacturer {word(place / 'manufacturer_id')}, product {word(place / 'product_id')}"


def network(root: Path) -> list[str]:
    """The interfaces that are cards."""
    return sorted(place.parent.name for place in (root / "sys/class/net").glob("*/device"))


def card(interface: str) -> dict[str, str]:
    """A network card's driver and firmware; empty where the driver does not answer."""
    try:
        driver, firmware, place = driver_info(interface)
    except OSError:
        return {}
    return part("nic", place or interface, "" if firmware == "N/A" else firmware, driver)


def driver_info(interface: str) -> tuple[str, str, str]:
    """Driver, firmware's version and PCI place by ETHTOOL_GDRVINFO, which anyone may ask. Raises OSError."""
    answer = ctypes.create_string_buffer(DRVINFO.pack(ETHTOOL_GDRVINFO, b"", b"", b"", b""), DRVINFO.size)
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(answer))  # struct ifreq
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        fcntl.ioctl(asker, SIOCETHTOOL, request)
    _, *texts = DRVINFO.unpack(answer.raw)
    driver, _, firmware, place = (text.split(b"\0")[0].decode(errors="replace") for text in texts)
    return driver, firmware.strip(), place


def stack(root: Path) -> dict[str, str]:
    """Program or package → version. Environments that differ in a package are told each."""
    found = {name: version(argv) for name, argv in PROGRAMS.items()}
    return {name: text for name, text in {**found, **packages(root)}.items() if text}


def version(argv: tuple[str, ...]) -> str:
    """What a program says of its version; empty where it is missing, fails or says something else."""
    path = shutil.which(argv[0])
    if not path:
        return ""
    try:
        done = subprocess.run([path, *argv[1:]], capture_output=True, check=False, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.search(r"\d+\.\d[\w.+~-]*", done.stdout.decode(errors="replace"))
    return said[0] if said and done.returncode == 0 else ""


def packages(root: Path) -> dict[str, str]:
    """Packages of the environments by the names that PACKAGES has."""
    found: dict[str, dict[str, str]] = {}  # package → environment → version
    for environment in sorted(one for pattern in ENVIRONMENTS for one in root.glob(pattern)):
        folders = [str(one) for one in environment.glob("lib/python3*/site-packages")]
        for one in distributions(path=folders) if folders else ():
            name = str(one.metadata["Name"] or "").lower().replace("_", "-")
            if name in PACKAGES:
                found.setdefault(name, {})[environment.name] = one.version
    return {name: told(versions) for name, versions in sorted(found.items())}


def told(versions: dict[str, str]) -> str:
    if len(set(versions.values())) == 1:
        return next(iter(versions.values()))
    return ", ".join(f"{version} in {environment}" for environment, version in versions.items())


def ask(root: Path) -> dict[str, Any]:
    """All of it."""
    return {**machine(root), "cpu": processors(root), "parts": parts(root), "stack": stack(root)}


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1] if len(sys.argv) > 1 else "/"))))
