"""One host of the swarm rows: `python -m bench.swarm_host SERVER MAC NONCE DISK KEYS [liar]`.

It says `ready`, waits for a line, and is the agent with a file for a disk. When it tells that all is written
it prints a JSON line: when (seconds of the monotonic clock), bytes fetched and how many of them from peers.
Then it gives to others until its standard input closes. A `liar` gives them other bytes than the image's.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from provisioner.agent import facts, protocol
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.disks import EMPTY
from provisioner.agent.frame_store import FrameStore
from provisioner.agent.job import Job
from provisioner.agent.link import Link

MEMORY = 1 << 30  # bytes that it thinks its machine has


class _ToldLink(Link):
    """Says once when the service is told that the disk is whole."""

    is_told = False

    def post(self, path: str, message: protocol.Message) -> protocol.Answer:
        if isinstance(message, protocol.Written) and not self.is_told:
            self.is_told = True
            said = {"at": time.monotonic(), "fetched": message.bytes_fetched}
            print(json.dumps({**said, "from_peers": message.bytes_from_peers}), flush=True)
        return super().post(path, message)


class _LyingStore(FrameStore):
    """Its frames are of other bytes."""

    def get(self, number: int) -> bytes:
        frame = bytearray(super().get(number))
        frame[-1] ^= 1
        return bytes(frame)


def main() -> None:
    """Never returns before its standard input closes."""
    server, mac, nonce = sys.argv[1:4]
    disk, keys = Path(sys.argv[4]), Path(sys.argv[5])
    if sys.argv[6:] == ["liar"]:
        from provisioner.agent import swarm

        swarm.FrameStore = _LyingStore  # type: ignore[attr-defined]
    facts.serial = facts.uuid = lambda: ""
    facts.memory = lambda: MEMORY
    facts.nics = lambda: [protocol.Nic("eth0", mac, up=True)]
    found = protocol.Disk("vda", disk.stat().st_size, 512, serial="d", content=EMPTY)
    job = Job(
        KernelArguments(server, mac, nonce),
        connect=_ToldLink,
        keys=keys,
        reboot=lambda: None,
        set_clock=lambda now: None,
        open_disk=lambda name: BlockDevice(disk),
        find_disks=lambda: [found],
    )
    print("ready", flush=True)
    sys.stdin.readline()
    threading.Thread(target=job.run, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
