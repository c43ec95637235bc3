"""The kernel's ARP table: which card answered for an address when this machine last talked to it."""

from pathlib import Path
from typing import NamedTuple

TABLE = Path("/proc/net/arp")
COMPLETE = 0x02  # <linux/if_arp.h>: the neighbour has answered


class Neighbour(NamedTuple):
    """A card on a network of ours: its MAC in lower case, and the interface that it is behind."""

    mac: str
    interface: str


NOBODY = Neighbour("", "")


def find(address: str, table: Path = TABLE) -> Neighbour:
    """The neighbour with an IPv4 address; NOBODY where the kernel does not know its card.

    `table` has the format of /proc/net/arp (proc_net(5)).
    """
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return NOBODY
    for line in lines:  # IP address, HW type, flags, HW address, mask, device (proc_net(5))
        words = line.split()
        if len(words) == 6 and words[0] == address and int(words[2], 16) & COMPLETE:
            return Neighbour(words[3].lower(), words[5])
    return NOBODY
