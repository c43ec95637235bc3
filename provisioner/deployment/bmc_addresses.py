"""Which addresses of this site are no BMC's own: ours, those that DHCP gives to machines, and networks'."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from provisioner.domain.host import Host
from provisioner.errors import InventoryError, raise_together
from provisioner.power import registry
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.system.units import named


def check(site: Site, hosts: Iterable[Host]) -> None:
    """Refuse BMCs at addresses that are somebody else's; within the transaction that has written the hosts.

    Raises InventoryError (PV-111), with one for each other host behind it (`also`).
    """
    raise_together(list(_faults(site, hosts)))


def _faults(site: Site, hosts: Iterable[Host]) -> Iterator[InventoryError]:
    for host in hosts:
        address = host.bmc.address
        reason, hint = _refused(site, host, address) if address else ("", "")
        if reason:
            words = f"{host.name}: bmc.address: {address} {reason}"
            yield InventoryError(words, hint=hint, code=111)


def _refused(site: Site, host: Host, address: IPv4Address) -> tuple[str, str]:
    """Why it cannot be the BMC's, and what to do; both are empty where it can be."""
    settings = site.settings
    nets = (settings.address.network, *(network.net for network in settings.networks))
    for net in nets:
        if address in (net.network_address, net.broadcast_address):
            return (
                f"is that of the network {net}, or of all in it",
                "read the address from the BMC's own page",
            )
    if address in settings.addresses and _is_usual_port(host):
        return "is the service's own", (
            "read the address from the BMC's own page; where a port of this machine is forwarded to it, "
            "another one than the usual, and bmc: {port: NUMBER}"
        )
    if kind := _given(settings, address):
        return _refused_of_range(site, host, address, kind)
    return "", ""


def _refused_of_range(site: Site, host: Host, address: IPv4Address, kind: str) -> tuple[str, str]:
    """Of our ranges a BMC has the one address that is fixed for its MAC."""
    row = site.database.macs.get(host.bmc.mac) if host.bmc.mac else None
    if row and row.address == str(address):
        return "", ""
    if row:
        return f"is not the one that DHCP gives to its MAC {row.mac}: {row.address}", "leave bmc.address out"
    return f"lies in {kind}, so a machine may be given it", (
        "write its MAC in place of the address (bmc: {mac: …}): it then has a fixed one; "
        "or give it one outside of dhcp.hosts and dhcp.discovery"
    )


def _given(settings: Settings, address: IPv4Address) -> str:
    """The range of ours in which it lies, where we give addresses at all."""
    if settings.dhcp.mode != "authoritative" or "dhcp" not in settings.services:
        return ""
    for name, pool in (("hosts", settings.hosts_range), ("discovery", settings.discovery_range)):
        if address in pool:
            return f"dhcp.{name} ({pool.first}-{pool.last})"
    return ""


def _is_usual_port(host: Host) -> bool:
    """Whether nobody can mean a port that is forwarded from there."""
    return host.bmc.port in (None, registry.find(host.bmc.driver, host.name).port)


def doubtful(site: Site, hosts: Iterable[Host]) -> tuple[str, ...]:
    """Sentences about addresses that a BMC can have, and seldom keeps: ours by loopback, and leased ones."""
    hosts = [host for host in hosts if host.bmc.address]
    local = [host.name for host in hosts if _is_loopback(host) and _is_usual_port(host)]
    leased = [host.name for host in hosts if _is_leased(site.settings, host)]
    told = []
    if local:
        told.append(
            f"the BMC of {named(local)} is looked for on this machine itself (127.0.0.0/8): right for "
            "simulated ones alone; another address: provision host edit HOST --bmc ADDRESS"
        )
    if leased:
        told.append(
            f"the BMC of {named(leased)} has an address of a range that DHCP leases: it may have another one "
            "some day; bmc: {mac: …} in place of the address finds it then"
        )
    return tuple(told)


def _is_loopback(host: Host) -> bool:
    return host.bmc.address is not None and host.bmc.address.is_loopback


def _is_leased(settings: Settings, host: Host) -> bool:
    """Whether its address is one of a further network, where known cards have leases, too."""
    address = host.bmc.address
    return address is not None and any(address in network.range for network in settings.networks)
