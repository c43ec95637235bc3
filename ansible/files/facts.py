"""Prints what this machine is as one JSON object; runs on the target, with its Python alone."""

import json
import os
import shutil
import subprocess
from pathlib import Path

SYS = Path("/sys")


def word(path: Path) -> str:
    """The file's text without its newline; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def release() -> dict[str, str]:
    """The pairs of os-release(5)."""
    lines = [line for line in word(Path("/etc/os-release")).splitlines() if "=" in line]
    return {key: value.strip("\"'") for key, value in (line.split("=", 1) for line in lines)}


def memory() -> int:
    """MemTotal in bytes; the kernel says KiB."""
    for line in word(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def macs() -> list[str]:
    """Every card's address; a card in a bond shows the bond's, and its own in another file."""
    found = set()
    for card in (SYS / "class/net").iterdir():
        found |= {word(card / "address").lower(), word(card / "bonding_slave/perm_hwaddr").lower()}
    return sorted(found - {"", "00:00:00:00:00:00"})


def pci() -> list[str]:
    """`vendor:device` of every PCI function but virtual ones (SR-IOV), four hexadecimal digits each."""
    functions = SYS / "bus/pci/devices"
    places = sorted(functions.iterdir()) if functions.is_dir() else []
    places = [place for place in places if not (place / "physfn").is_symlink()]
    return [f"{word(place / 'vendor')[2:]}:{word(place / 'device')[2:]}" for place in places]


def output_of(*argv: str) -> str:
    """What a program prints; empty where it is missing or fails."""
    path = shutil.which(argv[0])
    if not path:
        return ""
    done = subprocess.run([path, *argv[1:]], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


def root_disks() -> list[dict[str, str]]:
    """The disks below the root file system: one, or several below a RAID or LVM."""
    number = os.stat("/").st_dev  # noqa: PTH116  this file runs with no import that it can do without
    place = SYS / f"dev/block/{os.major(number)}:{os.minor(number)}"
    if not place.exists():  # btrfs and overlays have a number of no device
        source = output_of("findmnt", "--noheadings", "--nofsroot", "--output", "SOURCE", "/")
        place = SYS / "class/block" / Path(source or "none").resolve().name
    disks = {disk.name: disk for disk in below(place.resolve())}
    return [
        {"name": name, "serial": serial(disk), "wwn": word(disk / "wwid") or word(disk / "device/wwid")}
        for name, disk in sorted(disks.items())
    ]


def below(place: Path) -> list[Path]:
    """The whole disks that a block device lies on."""
    if not place.exists():
        return []
    lower = [child.resolve() for child in (place / "slaves").iterdir()] if (place / "slaves").is_dir() else []
    if lower:
        return [disk for child in lower for disk in below(child)]
    return [place.parent if (place / "partition").exists() else place]


def serial(disk: Path) -> str:
    """virtio and NVMe have a file; SCSI has the unit's serial number page (SPC-4, VPD page 80h)."""
    for name in ("serial", "device/serial"):
        if text := word(disk / name):
            return text
    try:
        return (disk / "device/vpd_pg80").read_bytes()[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        return output_of("lsblk", "--nodeps", "--noheadings", "--output", "SERIAL", f"/dev/{disk.name}")


def cloud_init() -> str:
    """`done`, `running`, `disabled`, `none`, or its errors; its own status command takes seconds."""
    run = Path("/run/cloud-init")
    if not run.is_dir():
        return "none"
    if (run / "disabled").exists():
        return "disabled"
    try:
        errors = json.loads((run / "result.json").read_text())["v1"]["errors"]
    except (OSError, ValueError, KeyError):
        return "running"
    return "; ".join(map(str, errors)) or "done"


if __name__ == "__main__":
    system = release()
    print(
        json.dumps(
            {
                "image_id": system.get("IMAGE_ID", ""),
                "image_version": system.get("IMAGE_VERSION", ""),
                "root_disks": root_disks(),
                "memory": memory(),
                "macs": macs(),
                "pci": pci(),
                "machine_id": word(Path("/etc/machine-id")),
                "kernel": os.uname().release,
                "cloud_init": cloud_init(),
            }
        )
    )
