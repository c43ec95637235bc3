"""Whose card has an address, as this machine's kernel found by ARP when it last talked to it."""

from pathlib import Path

TABLE = Path("/proc/net/arp")
COMPLETE = 0x02  # <linux/if_arp.h>: the neighbour has answered


def find(address: str, table: Path = TABLE) -> tuple[str, str]:
    """MAC and interface of who has an address; empty texts where the kernel does not know."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return "", ""
    for line in lines:  # IP address, HW type, flags, HW address, mask, device (proc_net(5))
        words = line.split()
        if len(words) == 6 and words[0] == address and int(words[2], 16) & COMPLETE:
            return words[3].lower(), words[5]
    return "", ""
