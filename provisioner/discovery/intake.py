"""Takes the inventory that an unknown machine hands in: whose word it is, and what of it is kept."""

import logging
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from provisioner.agent.protocol import Inventory
from provisioner.discovery.hardware import reported
from provisioner.domain.values import machine_uuid, parse_mac, printable
from provisioner.errors import InputError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.surveys import SurveyRow

log = logging.getLogger(__name__)
LARGEST = 128 << 10  # bytes of a message; sixteen GPUs and thirty disks need 12 kB
LONGEST = 200  # characters of a text
MOST = {"disks": 128, "nics": 64, "devices": 512, "macs": 64}  # entries of each list that are kept
_Model = TypeVar("_Model", bound=BaseModel)


def take(site: Site, message: Inventory, address: str) -> bool:
    """Keep what a machine at `address` says of itself.

    False, with the reason in the log, where discovery is off, or it is not this machine's to say.
    """
    macs = [mac for text in (message.mac, *message.macs[: MOST["macs"]]) if (mac := _mac(text))]
    if fault := _fault(site, message, macs, address):
        log.warning("an inventory from %s is not taken: %s", address, fault)
        return False
    hardware = clean(reported(message)).model_copy(update={"macs": tuple(dict.fromkeys(macs))})
    uuid = machine_uuid(message.uuid)
    known = site.database.surveys.find(macs[0], uuid) or SurveyRow(macs[0])
    site.database.surveys.put(
        replace(
            known,
            uuid=uuid or known.uuid,
            macs=hardware.macs,
            address=address,
            reported=site.clock(),
            hardware=hardware,
        )
    )
    log.info("%s (%s) handed in its inventory: serial %s", macs[0], address, hardware.serial or "none")
    return True


def _fault(site: Site, message: Inventory, macs: list[str], address: str) -> str:
    if not site.settings.discovery.boot:
        return "discovery.boot is off"
    if not macs or macs[0] != message.mac:
        return "it names no MAC"
    if not lan.is_discovery_address(site, macs[0], address):
        return "that is no address of the discovery range"
    if owner := next((row.host for mac in macs if (row := site.database.macs.get(mac))), ""):
        return f"it names a MAC of {owner}"
    if site.settings.dhcp.mode != "authoritative":
        return ""  # its card has answered for the address
    lease = site.database.leases.get(macs[0])
    if lease is None or lease.expires <= site.clock() or lease.address != address:
        return f"the address is not that of {macs[0]}"
    return ""


def _mac(text: str) -> str:
    """As parsed; empty for what no Ethernet card has, such as an InfiniBand address."""
    try:
        return parse_mac(text)
    except InputError:
        return ""


def clean(model: _Model) -> _Model:
    """The same with printable, short texts and bounded lists: it is shown on people's terminals."""
    return model.model_copy(update={name: _bounded(name, value) for name, value in model})


def _bounded(name: str, value: object) -> object:
    if isinstance(value, str):
        return printable(value[:LONGEST])
    if isinstance(value, tuple):
        return tuple(_bounded(name, item) for item in value[: MOST.get(name, 0)])
    return clean(value) if isinstance(value, BaseModel) else value
