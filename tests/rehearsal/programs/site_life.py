"""A site's life in namespaces of its own: its machine, a host of the lab, a second machine; no way out.

site_life FOLDER: with what site_supplies.make has put there. Prints what the machines say on their serial
ports; FOLDER/attempts.json is told what would have gone beyond the LAN, FOLDER/starts how often the host
was started.
"""

import json
import select
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from provisioner import run
from provisioner.cli.ramdisk import CACHE
from provisioner.lab import inventory, machine, network, qemu
from provisioner.mirror import gap
from provisioner.power.protocol import BmcAddress
from tests.rehearsal.site_supplies import BMC, CARD, HOST, MAC, SERIAL

GATEWAY = "10.77.0.250/24"  # the bridge's own: frames to it are what somebody would send on
DISK = 1 << 30  # bytes of the host's
# seconds from power-on to the end, on a loaded machine without KVM
LIMITS = {"installed": 7200.0, "restored": 3000.0}
# What goes from port to port of the bridge may pass here, too (br_netfilter). IGMP, ff02:: and the like are
# what kernels say to neighbours; a BMC is a neighbour, a DHCP server is asked by broadcast.
RULES = f"""table inet gap {{
{gap.SETS}
  chain arriving {{
    type filter hook prerouting priority -300;
    iifname != "lan0" accept
    ip daddr != 10.77.0.250 ip daddr {{ 10.77.0.0/23, 224.0.0.0/4, 255.255.255.255 }} accept
    ip daddr 10.77.0.250 icmp type {{ echo-request, echo-reply, destination-unreachable }} accept
    ip6 daddr {{ ff00::/8, fe80::/10 }} meta l4proto ipv6-icmp accept
    ip6 daddr ff00::/8 accept
{gap.COUNT}
    drop
  }}
}}"""


def live(folder: Path) -> None:
    with ExitStack() as stack:
        lan = stack.enter_context(network.Lan(GATEWAY))
        run.run(["nft", RULES], timeout=10)
        accelerator = qemu.choose_accelerator(CACHE / "accelerator.json")
        host = stack.enter_context(lab_host(folder, lan, accelerator))
        for role, limit in LIMITS.items():
            boot(folder, role, lan.tap("site"), accelerator, limit)
            attempts = [asdict(attempt) for attempt in gap.packets()]
            (folder / "attempts.json").write_text(json.dumps(attempts))
            (folder / "starts").write_text(str(len(host.starts)))


def lab_host(folder: Path, lan: network.Lan, accelerator: qemu.Accelerator) -> machine.Machine:
    """Off, with a disk that holds no zeros, behind a BMC of its own."""
    machine.fill(folder / "host.raw", DISK)
    spec = qemu.MachineSpec(
        HOST, MAC, (qemu.Disk(folder / "host.raw", "LABDISK1"),), serial_number=SERIAL, extra_pci=("edu",)
    )
    address = lan.bmc(HOST)
    assert address == BMC
    password = (folder / "password").read_text()
    bmc = BmcAddress("ipmi", address, 623, inventory.USER, password, name=HOST)
    return machine.Machine(spec, folder / HOST, tap=lan.tap(HOST), bmc=bmc, accelerator=accelerator)


def boot(folder: Path, role: str, tap: str, accelerator: qemu.Accelerator, limit: float) -> None:
    """A machine from power-on to its script's end; what it says on its serial port is printed."""
    argv = [
        *(qemu.PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-m", "2048", "-smp", "2"),
        *qemu.base(accelerator),
        *("-machine", "graphics=off", "-chardev", f"stdio,id=console,logfile={folder}/{role}.log"),
        *("-serial", "chardev:console", "-device", "virtio-rng-pci"),
        *("-netdev", f"tap,id=lan,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=lan,mac={CARD}"),
    ]
    for number, (file, more) in enumerate(
        ((f"{role}.raw", ""), ("packages.raw", "readonly=on,"), ("carry.raw", ""))
    ):
        argv += ["-drive", f"if=none,id=d{number},format=raw,{more}file={folder}/{file}"]
        argv += ["-device", f"virtio-blk-pci,drive=d{number}"]
    process = run.start(argv, stdout=run.PIPE)
    assert process.stdout
    until, tail = time.monotonic() + limit, b""
    try:
        while b"@@ end" not in tail:
            wait = max(0.0, until - time.monotonic())
            if not select.select([process.stdout], [], [], wait)[0]:
                break
            if not (block := process.stdout.read1(65536)):  # type: ignore[attr-defined]
                break
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            tail = (tail + block)[-70000:]
        process.wait(60)  # it switches itself off: what it has written is on its disks then
    finally:
        run.stop(process)


if __name__ == "__main__":
    live(Path(sys.argv[1]))
