#!/usr/bin/python3
"""Speaks for Ubuntu's live installer with the provisioning service: may it begin, where, and how it ended.

installer.py gate|late|error ORDER.json, run by the installer's own early-, late- and error-commands. Standard
library only. `gate` says what this machine is and puts the disk that the service names into the answers;
before that no disk fits them. Whatever goes wrong there ends the installation with no disk touched.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ANSWERS = Path("/autoinstall.yaml")  # read again by the installer after the early-commands
TARGET = Path("/target")
SYS = Path("/sys")
GIVE_UP = 10 * 60.0  # seconds
PAUSES = (1, 2, 4, 8, 15)  # seconds between two tries; the last one goes on
UDEV = Path("/run/udev/data")
# as provisioner/agent/media.py and system/disk_names.py have them
NO_DISK = re.compile(
    r"(loop|z?ram|sr|scd|fd|dm-|md(_d)?|nbd|rbd|drbd|bcache|mtd(block)?|ubiblock|romblock|zd|nullb|ublkb"
    r"|pktcdvd)\d.*|md_.+|mtdblock_ro.*|etherd!.+|mmcblk\d+(boot\d+|rpmb|gp\d+)|nvme\d+c\d+n\d+"
)
BMC_MODEL = re.compile(
    r"virtual|\b(idrac|ilo|imm|xcc|cimc|bmc|openbmc|ami|aten|lifecycle|oemdrv|kvm|gadget)\b", re.IGNORECASE
)
FIXED_BUS = re.compile(r"ata\d+|nvme\d+|virtio\d+|host\d+")
LOOSE_BUS = re.compile(r"usb\d+|fw\d+|memstick\d+")


def word(path):
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def identity(text):
    """A number that cannot be read to its last sign tells no two apart, so it counts as none."""
    return text if text.isprintable() and "\ufffd" not in text else ""


def serial_of(disk):
    found = word(disk / "serial") or word(disk / "device/serial")
    try:
        found = found or (disk / "device/vpd_pg80").read_bytes()[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        return ""
    return identity(found)


def model_of(disk):
    """A SATA disk's in full, from its ATA information page; SCSI cuts it."""
    name = word(disk / "device/model") or word(disk / "device/name")  # of an eMMC
    try:
        words = (disk / "device/vpd_pg89").read_bytes()[60:][54:94]
    except OSError:
        return name
    whole = b"".join(words[at : at + 2][::-1] for at in range(0, len(words), 2)).decode("ascii", "replace")
    return whole.strip("\0 ") if name and whole.startswith(name) else name


def bus_path(disk):
    """As udev has found it, else the controller alone."""
    for line in word(UDEV / f"b{word(disk / 'dev')}").splitlines():
        if line.startswith("E:ID_PATH="):
            return identity(line.removeprefix("E:ID_PATH="))
    parts = [part for part in disk.resolve().parts if part.count(":") == 2 and "." in part]
    return f"pci-{parts[-1]}" if parts else ""


def sas_address(disk):
    ends = [parent for parent in disk.resolve().parents if parent.name.startswith("end_device-")]
    return word(ends[0] / "sas_device" / ends[0].name / "sas_address") if ends else ""


def is_disk(place):
    is_made = "/virtual/block/" in str(place.resolve())
    has_size = bool(int(word(place / "size") or 0))
    return has_size and word(place / "hidden") != "1" and not is_made and not NO_DISK.fullmatch(place.name)


def medium_of(place):
    """Why nobody means this disk unless a hint names it; empty for a fixed disk."""
    names = " ".join(word(place / "device" / name) for name in ("vendor", "model"))
    parts = place.resolve().parts
    is_loose = any(map(LOOSE_BUS.fullmatch, parts))
    is_removable = word(place / "removable") == "1"
    if (is_loose or is_removable) and BMC_MODEL.search(names):
        return "a BMC's virtual medium"
    if is_loose:
        return "a USB medium" if any(part.startswith("usb") for part in parts) else "an external medium"
    if word(place / "device/type") == "SD":
        return "an SD card"
    if place.name.startswith("pmem"):
        return "persistent memory"
    if word(place / "queue/zoned") == "host-managed":
        return "a disk that can be written in order only (zoned)"
    is_bay = any(map(FIXED_BUS.fullmatch, parts))
    return "a removable medium" if is_removable and not is_bay else ""


def disks():
    return [
        {
            "name": place.name,
            "size": int(word(place / "size") or 0) * 512,
            "logical_sector": int(word(place / "queue/logical_block_size") or 512),
            "model": model_of(place),
            "serial": serial_of(place),
            "wwn": identity(word(place / "wwid") or word(place / "device/wwid")),
            "rotational": word(place / "queue/rotational") == "1",
            "by_path": bus_path(place),
            "sas_address": sas_address(place),
            "medium": medium_of(place),
            "read_only": word(place / "ro") == "1",
        }
        for place in sorted((SYS / "block").iterdir())
        if is_disk(place)
    ]


def cards():
    places = [place for place in sorted((SYS / "class/net").iterdir()) if (place / "device").exists()]
    return [{"name": place.name, "mac": word(place / "address").lower()} for place in places]


def machine(order):
    nics = cards()
    return {
        "nonce": order["nonce"],
        "boot_id": word(Path("/proc/sys/kernel/random/boot_id")),
        "mac": order["mac"],
        "macs": [nic["mac"] for nic in nics],
        "serial": identity(word(SYS / "class/dmi/id/product_serial")),
        "uuid": word(SYS / "class/dmi/id/product_uuid").lower(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "version": "installer",
        "disks": disks(),
        "nics": nics,
    }


def post(url, message):
    """The answer; tried again while nobody answers, but a refusal is final."""
    body = json.dumps(message).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until, tries = time.monotonic() + GIVE_UP, 0
    while True:
        try:
            with opener.open(request, timeout=15) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as fault:
            if fault.code < 500 or time.monotonic() > until:
                raise SystemExit(f"the service refuses ({fault.code}): no disk is touched") from fault
        except OSError as fault:
            print(f"installer: {url}: {fault}", flush=True)
            if time.monotonic() > until:
                raise SystemExit("the service does not answer: no disk is touched") from fault
        time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


def gate(order):
    answer = post(order["gate"], machine(order))
    if answer.get("do") != "continue":
        raise SystemExit(f"the service says: {answer.get('sentence', 'stop')}")
    text = ANSWERS.read_text()
    if order["no_disk"] not in text:
        raise SystemExit(f"{ANSWERS} is not what the service gave: no disk is touched")
    ANSWERS.write_text(text.replace(order["no_disk"], answer["disk"]))
    print(f"installer: installing on {answer['disk']}", flush=True)


def late(order):
    """Say in the installed system which image it is, and let the deployment's user in until it is sealed."""
    name, _, version = order["image"].partition("@")
    release = TARGET / "etc/os-release"
    text = (TARGET / "usr/lib/os-release").read_text()
    release.unlink()  # a link to the package's own file, which an update would replace
    release.write_text(f"{text}IMAGE_ID={name}\nIMAGE_VERSION={version}\n")
    rule = TARGET / "etc/sudoers.d/90-cloud-init-users"  # the name that sealing removes
    rule.write_text(f"{order['user']} ALL=(ALL) NOPASSWD:ALL\n")
    rule.chmod(0o440)


def error(order):
    event = {"name": "provisioner/error", "event_type": "finish", "origin": "provisioner", "result": "FAIL"}
    post(order["events"], {**event, "description": "the installer stopped", "timestamp": time.time()})


if __name__ == "__main__":
    acts = {"gate": gate, "late": late, "error": error}
    acts[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
