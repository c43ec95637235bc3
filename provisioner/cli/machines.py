"""How machines that nobody knows are printed; `host list --unknown` and `net watch` share it."""

from typing import Any

from provisioner.cli.common import Column, local_time
from provisioner.system.units import size

Row = dict[str, Any]


def describe(row: Row) -> str:
    """What it is, as far as that is known: `Supermicro SYS-421, serial S1, 2 disks, 512.00 GiB`."""
    if row["host"]:
        return f"a network card of {row['host']}"
    if not row["inventoried"]:
        port = f"port {row['port']}" if row["port"] else ""
        return ", ".join(word for word in (row["hostname"], port, row["note"]) if word)
    words = [f"{row['maker']} {row['product']}".strip(), f"serial {row['serial']}" if row["serial"] else ""]
    disks = ", ".join(f"{disk['model']} {size(disk['size'])}".strip() for disk in row["disks"])
    return ", ".join(word for word in (*words, size(row["memory"]), f"disks: {disks or 'none'}") if word)


COLUMNS: tuple[Column, ...] = (
    ("MAC", lambda r: "\n".join(r["macs"])),
    ("VENDOR", lambda r: r["vendor"]),
    ("FIRMWARE", lambda r: r["architecture"]),
    ("ADDRESS", lambda r: r["address"]),
    ("FIRST SEEN", lambda r: local_time(r["first_seen"])),
    ("LAST SEEN", lambda r: local_time(r["last_seen"])),
    ("COUNT", lambda r: str(r["count"])),
    ("MACHINE", describe),
)


def sentence(row: Row, *, is_new: bool) -> str:
    """One line about one machine that was seen."""
    words = (row["vendor"], row["architecture"], row["address"], describe(row))
    often = "first seen" if is_new else f"seen {row['count']} times"
    return f"{', '.join(row['macs'])}: {', '.join(word for word in (*words, often) if word)}"
