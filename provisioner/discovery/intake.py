"""Takes the inventory that an unknown machine hands in: whose word it is, and what of it is kept."""

import logging
from dataclasses import asdict, replace
from typing import Any

from provisioner.agent.protocol import Inventory
from provisioner.discovery import records
from provisioner.discovery.records import Record
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError
from provisioner.site import lan
from provisioner.site.site import Site

log = logging.getLogger(__name__)
LARGEST = 128 << 10  # bytes of a message; sixteen GPUs and thirty disks need 12 kB
LONGEST = 200  # characters of a text
LISTS = {"disks": 128, "nics": 64, "devices": 512, "macs": 64}  # entries that are kept


def take(site: Site, message: Inventory, address: str) -> bool:
    """Keep it; False where discovery is off, or it is not this machine's to say."""
    macs = [mac for text in (message.mac, *message.macs[: LISTS["macs"]]) if (mac := _mac(text))]
    fault = _fault(site, message, macs, address)
    if fault:
        log.warning("an inventory from %s is not taken: %s", address, fault)
        return False
    now, uuid = site.clock(), records.usable_uuid(message.uuid)
    body = clean(asdict(message)) | {"macs": list(dict.fromkeys(macs))}
    known = records.find(site.database, macs[0], uuid) or Record(macs[0])
    new = replace(known, uuid=uuid or known.uuid, macs=tuple(body["macs"]), address=address)
    records.put(site.database, replace(new, reported=now, body=body))
    log.info("%s (%s) handed in its inventory: serial %s", macs[0], address, body["serial"] or "none")
    return True


def _fault(site: Site, message: Inventory, macs: list[str], address: str) -> str:
    if not site.settings.discovery.boot:
        return "discovery.boot is off"
    if not macs or macs[0] != message.mac:
        return "it names no MAC"
    if not lan.is_strangers(site, macs[0], address):
        return "that is no address of the discovery range"
    if owner := next((row["host"] for mac in macs if (row := site.database.macs.get(mac))), ""):
        return f"it names a MAC of {owner}"
    if site.settings.dhcp.mode != "authoritative":
        return ""  # its card has answered for the address
    now = site.clock()
    held = (row for row in site.database.leases.all() if row["mac"] == macs[0] and row["expires"] > now)
    if address not in {row["address"] for row in held}:
        return f"the address is not that of {macs[0]}"
    return ""


def _mac(text: str) -> str:
    """As parsed; empty for what no Ethernet card has, such as an InfiniBand address."""
    try:
        return parse_mac(text)
    except InputError:
        return ""


def clean(value: Any, key: str = "") -> Any:
    """The same data with printable, short texts and bounded lists: it is shown on people's terminals."""
    if isinstance(value, dict):
        return {name: clean(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value[: LISTS.get(key, 0)]]
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "?" for letter in value[:LONGEST])
    return value
