"""A lab of one host that is powered on and waits to be killed: lab_child FOLDER TAP."""

import sys
import time
from pathlib import Path

from provisioner.lab import machine, qemu
from provisioner.power.protocol import BmcAddress

folder, tap = Path(sys.argv[1]), sys.argv[2]
machine.fill(folder / "disk", 1 << 20)
described = qemu.MachineSpec("k-1", "52:54:00:00:00:09", (qemu.Disk(folder / "disk", "D1"),), memory=64)
bmc = BmcAddress("ipmi", "127.0.0.1", 6230, "provision", "lab-secret", "k-1")
with machine.Machine(described, folder / "k-1", tap=tap, bmc=bmc) as host:
    host.chassis.handle("set power 1")
    host.wait_starts(1, 30)
    print("running", flush=True)
    time.sleep(600)
