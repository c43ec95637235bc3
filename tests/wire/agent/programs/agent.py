"""The agent with a file for a disk: agent SERVER FILE KEYS. Prints its own /proc/self/status at the end."""

import sys
from pathlib import Path

from provisioner.agent import arguments, protocol
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.job import Job

server, disk, keys = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
Job(
    arguments.KernelArguments(server, "52:54:00:00:00:01", "n0nce"),
    keys=keys,
    interval=0.05,
    reboot=lambda: print("rebooted"),
    set_clock=lambda now: None,
    open_disk=lambda name: BlockDevice(disk),
    find_disks=lambda: [protocol.Disk("vda", disk.stat().st_size, 512)],
).run()
print(Path("/proc/self/status").read_text())
