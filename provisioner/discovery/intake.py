"""Takes the inventory that an unknown machine hands in: whose word it is, and what of it is kept."""

import logging
from dataclasses import replace

from provisioner.agent.protocol import Inventory
from provisioner.discovery.hardware import reported
from provisioner.discovery.owners import Owners
from provisioner.domain.identity import MachineIdentity
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.surveys import SurveyRow

log = logging.getLogger(__name__)
# of network cards on USB that speak no vendor's own protocol, as BMCs' do
USB_DRIVERS = frozenset({"cdc_ether", "cdc_eem", "cdc_ncm", "cdc_subset", "rndis_host"})
LARGEST = 128 << 10  # bytes of a message; sixteen GPUs and thirty disks need 12 kB


def take(site: Site, message: Inventory, address: str) -> bool:
    """Keep what a machine at `address` says of itself.

    False, with the reason in the log, where discovery is off, or it is not this machine's to say.
    """
    macs = _own_cards(site, message)
    if fault := _fault(site, message, macs, address):
        log.warning("an inventory from %s is not taken: %s", address, fault)
        return False
    hardware = reported(message).model_copy(update={"macs": tuple(dict.fromkeys(macs))})
    said = MachineIdentity(message.serial, message.uuid, hardware.macs)
    found = (site.database.surveys.find(mac, said) for mac in hardware.macs)
    known = next(filter(None, found), None) or SurveyRow(macs[0])
    site.database.surveys.put(
        replace(
            known,
            uuid=hardware.uuid or known.uuid,
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


def _own_cards(site: Site, message: Inventory) -> list[str]:
    """Its MACs, the booting card's first, without what is not its own.

    A BMC shows its host a network card on USB, and all of its make have the same MAC there: known by the
    driver, or since a host that is certainly another machine has it.
    """
    macs = [mac for text in (message.mac, *message.macs) if (mac := _mac(text))]
    others = {nic.mac for nic in message.nics if nic.driver in USB_DRIVERS}
    if hosts := {mac: row.host for mac in macs if (row := site.database.macs.get(mac))}:
        said, owners = MachineIdentity(message.serial, message.uuid, tuple(macs)), Owners(site.database)
        others |= {mac for mac, host in hosts.items() if owners.is_other(host, said)}
    return [mac for mac in macs if mac == message.mac or mac not in others]


def _mac(text: str) -> str:
    """As parsed; empty for what no Ethernet card has, such as an InfiniBand address."""
    try:
        return parse_mac(text)
    except InputError:
        return ""
