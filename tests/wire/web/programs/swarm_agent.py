"""The agent in a network of its own: swarm_agent.py SERVER ADDRESS MAC NONCE DISK KEYS [liar].

It says its process id, waits until a line comes (then its end of the cable, eth0, is there), and is the agent
of that host, with a file for a disk. It says `rebooted` at the end. A liar gives others other bytes.
"""

import os
import subprocess
import sys
from pathlib import Path

from provisioner.agent import facts, protocol, swarm
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.disks import EMPTY
from provisioner.agent.frame_store import FrameStore
from provisioner.agent.job import Job


class _LyingStore(FrameStore):
    """Its frames are of other bytes."""

    def get(self, number: int) -> bytes:
        frame = bytearray(super().get(number))
        frame[-1] ^= 1
        return bytes(frame)


if sys.argv[7:] == ["liar"]:
    swarm.FrameStore = _LyingStore  # type: ignore[attr-defined]
server, address, mac, nonce = sys.argv[1:5]
disk, keys = Path(sys.argv[5]), Path(sys.argv[6])
print(os.getpid(), flush=True)
sys.stdin.readline()
for words in (
    ["link", "set", "lo", "up"],
    ["address", "add", f"{address}/24", "dev", "eth0"],
    ["link", "set", "eth0", "up"],
):
    subprocess.run(["ip", *words], check=True)
facts.serial = lambda: ""
facts.uuid = lambda: ""
facts.nics = lambda: [protocol.Nic("eth0", mac, up=True)]
found = protocol.Disk("vda", disk.stat().st_size, 512, serial="disk-1", content=EMPTY)
Job(
    KernelArguments(server, mac, nonce),
    keys=keys,
    interval=0.5,
    reboot=lambda: print("rebooted", flush=True),
    set_clock=lambda now: None,
    open_disk=lambda name: BlockDevice(disk),
    find_disks=lambda: [found],
).run()
