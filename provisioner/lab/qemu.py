"""A virtual machine described and turned into QEMU's arguments, and whether KVM works here."""

import json
import os
import platform
import select
import shutil
import socket
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner import run
from provisioner.power.protocol import BootDevice
from provisioner.system import outputs

PROGRAM = "qemu-system-x86_64"
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
ROM = Path("/usr/lib/ipxe/qemu/efi-virtio.rom")  # iPXE, which a card under SeaBIOS brings itself
KVM = Path("/dev/kvm")
SECTOR = 512  # bytes
PROBE_LIMIT = 20.0  # seconds; with KVM the firmware speaks after two
FIRMWARE_SPEAKS = b"BdsDxe"  # the first word of OVMF's boot manager on the serial line
NAMESPACE = uuid.UUID("6f1c6d1e-5a53-4b1c-9f0e-7a8a52b8a7c4")  # for machines' UUIDs, so that they stay

Accelerator = Literal["kvm", "tcg"]
Bus = Literal["virtio", "nvme", "ahci"]
Firmware = Literal["uefi", "bios"]


@dataclass(frozen=True)
class Disk:
    """A raw file as a disk; `serial` is what the guest reads from it (20 characters at most)."""

    path: Path
    serial: str
    bus: Bus = "virtio"
    sector: int = SECTOR  # bytes, logical and physical; AHCI knows no other


@dataclass(frozen=True)
class MachineSpec:
    """A host as one would order it; the first disk is the one to boot from."""

    name: str
    mac: str
    disks: tuple[Disk, ...]
    memory: int = 1024  # MiB
    cpus: int = 2
    firmware: Firmware = "uefi"
    serial_number: str = ""  # SMBIOS; the name unless given
    extra_pci: tuple[str, ...] = ()  # QEMU device names: pci-testdev, edu, …
    properties: tuple[str, ...] = ()  # of the board's own devices: DRIVER.PROPERTY=VALUE
    ipv6_pxe: bool = False  # off saves the firmware's waiting for IPv6 routers
    http_boot: bool = False  # no PXE: OVMF then boots by HTTP

    @property
    def uuid(self) -> uuid.UUID:
        """The system UUID, always the same for a name."""
        return uuid.uuid5(NAMESPACE, self.name)


@dataclass(frozen=True)
class Wiring:
    """Where a machine is plugged in. File names are relative to the folder that QEMU is started in."""

    tap: str
    qmp: int  # file descriptor: one end of a socket pair
    variables: str = "variables.fd"
    serial: str = "serial"  # two pipes, with .in and .out behind it
    serial_log: str = "serial.log"


def arguments(machine: MachineSpec, wiring: Wiring, accelerator: Accelerator, order: BootDevice) -> list[str]:
    """The command line of a machine that boots from `order` first, then from the other."""
    return [
        *(PROGRAM, "-name", _value(machine.name), "-nodefaults", "-no-user-config", "-display", "none"),
        *base(accelerator),
        *("-m", str(machine.memory), "-smp", str(machine.cpus), "-rtc", "base=utc", "-vga", "std"),
        *("-smbios", _smbios(machine)),
        # SeaBIOS shows its screen on the serial line too, as a BMC does it for a BIOS
        *(_flash(wiring) if machine.firmware == "uefi" else ["-machine", "graphics=off"]),
        *([] if machine.ipv6_pxe else ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no"]),
        *(["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=no"] if machine.http_boot else []),
        # the lab starts it again itself, with the boot order that then holds
        *("-action", "reboot=shutdown"),
        *("-chardev", f"socket,id=qmp,fd={wiring.qmp}", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", _console(wiring), "-serial", "chardev:console"),
        *(word for one in machine.properties for word in ("-global", one)),
        *("-device", "virtio-rng-pci"),
        *_network(machine, wiring, order),
        *_disks(machine, order),
        *(word for device in machine.extra_pci for word in ("-device", device)),
    ]


def base(accelerator: Accelerator) -> list[str]:
    """Board, accelerator and processor. A plain old processor is quickest to emulate."""
    if accelerator == "kvm":
        return ["-machine", "q35", "-accel", "kvm", "-cpu", "host"]
    return ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem"]


def drive_name(number: int) -> str:
    """What QMP calls a machine's disk, counted from 0."""
    return f"disk{number}"


def _value(text: object) -> str:
    """A value within QEMU's comma-separated options."""
    return str(text).replace(",", ",,")


def _smbios(machine: MachineSpec) -> str:
    serial = machine.serial_number or machine.name
    return f"type=1,manufacturer=Provisioner,product=Lab,serial={_value(serial)},uuid={machine.uuid}"


def _flash(wiring: Wiring) -> list[str]:
    code = f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,unit=1,file={_value(wiring.variables)}"]


def _console(wiring: Wiring) -> str:
    """The serial port's wire; QEMU also writes down itself what it sends there."""
    place, log = _value(wiring.serial), _value(wiring.serial_log)
    return f"pipe,id=console,path={place},logfile={log},logappend=on"


def _network(machine: MachineSpec, wiring: Wiring, order: BootDevice) -> list[str]:
    first = 1 if order == "network" else 1 + len(machine.disks)
    # OVMF brings its own PXE, so it gets no ROM; SeaBIOS has none, so it keeps QEMU's iPXE
    rom = ",romfile=" if machine.firmware == "uefi" else ""
    card = f"virtio-net-pci,netdev=lan,mac={machine.mac},bootindex={first}{rom}"
    return ["-netdev", f"tap,id=lan,ifname={wiring.tap},script=no,downscript=no", "-device", card]


def _disks(machine: MachineSpec, order: BootDevice) -> list[str]:
    first = 2 if order == "network" else 1
    words = []
    for number, disk in enumerate(machine.disks):
        words += ["-drive", _drive(disk, number), "-device", _device(disk, number, first + number)]
    return words


def _drive(disk: Disk, number: int) -> str:
    file = _value(disk.path.absolute())
    return f"if=none,id={drive_name(number)},format=raw,cache=writeback,discard=unmap,file={file}"


def _device(disk: Disk, number: int, bootindex: int) -> str:
    model = {"virtio": "virtio-blk-pci", "nvme": "nvme", "ahci": "ide-hd"}[disk.bus]
    words = [model, f"drive={drive_name(number)}", f"serial={_value(disk.serial)}", f"bootindex={bootindex}"]
    if disk.bus == "ahci":
        words.append(f"bus=ide.{number}")
    if disk.sector != SECTOR:
        words.append(f"logical_block_size={disk.sector},physical_block_size={disk.sector}")
    return ",".join(words)


def choose_accelerator(cache: Path) -> Accelerator:
    """KVM where it boots a real firmware, else TCG; remembered in `cache` for this kernel and QEMU.

    A device file proves nothing: there are machines whose KVM runs a few instructions, then hangs.
    """
    try:
        os.close(os.open(KVM, os.O_RDWR))
    except OSError:
        return "tcg"  # not remembered: a group membership is quickly mended
    here = f"{platform.release()} {run.text([PROGRAM, '--version']).splitlines()[0]}"
    known = _remembered(cache)
    if known.get("here") == here and "kvm" in known:
        return "kvm" if known["kvm"] is True else "tcg"
    works = boots("kvm", PROBE_LIMIT)
    cache.parent.mkdir(parents=True, exist_ok=True)
    outputs.write(cache, json.dumps({"here": here, "kvm": works}))
    return "kvm" if works else "tcg"


def _remembered(cache: Path) -> dict[str, object]:
    try:
        return dict(json.loads(cache.read_text()))
    except (OSError, ValueError, TypeError):
        return {}  # never probed, or not our file


def boots(accelerator: Accelerator, limit: float) -> bool:
    """Whether the firmware reaches its boot manager within `limit` seconds."""
    with tempfile.TemporaryDirectory(prefix="lab-probe-") as folder:
        place = Path(folder)
        shutil.copyfile(VARIABLES, place / "variables.fd")
        ours, its = socket.socketpair()
        argv = [
            *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-m", "256", "-vga", "std"),
            *(*base(accelerator), *_flash(Wiring("", 0))),
            *("-chardev", f"socket,id=console,fd={its.fileno()}", "-serial", "chardev:console"),
        ]
        with ours:
            with its:
                process = run.start(argv, log=place / "log", cwd=place, pass_fds=[its.fileno()])
            try:
                return _says(ours, FIRMWARE_SPEAKS, limit)
            finally:
                run.stop(process, grace=0.5)


def _says(line: socket.socket, word: bytes, limit: float) -> bool:
    """Whether the word comes over the line in time; its end is a no."""
    output, until = b"", time.monotonic() + limit
    while word not in output:
        if not select.select([line], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        if not (block := line.recv(65536)):
            return False
        output += block
    return True
