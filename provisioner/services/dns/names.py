"""Which names a site has: the service's own, what the settings name, and every host with its BMC."""

import logging
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from provisioner.services.dns.packet import Labels
from provisioner.services.dns.zone import Address, Apex, Zone, labels, reverse
from provisioner.settings import Settings
from provisioner.state.macs import MacRow

log = logging.getLogger(__name__)
OWN = ("provision", "apt", "images")
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")


def site_zone(
    settings: Settings, rows: Iterable[MacRow], serial: int, own_address: IPv4Address | None = None
) -> Zone:
    """The zones of a site; `rows` are the known MACs.

    `own_address` is the address of ours that is asked: there, and perhaps nowhere else, is the service found.
    """
    domain = settings.dhcp.domain.strip(".")
    server, mailbox = labels(f"provision.{domain}"), labels(f"hostmaster.{domain}")
    own = list(_own(settings, domain, own_address or settings.address.ip))
    taken = {name for name, _ in own}
    hosts = [pair for pair in _hosts(rows, domain) if pair[0] not in taken]
    names = own + hosts
    networks = [settings.address.network, *(network.net for network in settings.networks)]
    zones = [labels(domain), *dict.fromkeys(zone for network in networks for zone in _reverse_tops(network))]
    zones += {reverse(address)[16:] for address in settings.dns.also if address.version == 6}  # each /64
    apexes = [Apex(zone, server, mailbox, serial) for zone in zones]
    # an address that several names share is said to be the first's: ours, then the host's, then its BMC's
    pointers: dict[Labels, Labels] = {reverse(address): server for address in settings.addresses}
    for name, address in names:
        pointers.setdefault(reverse(address), name)
    return Zone(apexes, names, pointers.items())


def _own(settings: Settings, domain: str, own_address: IPv4Address) -> Iterator[tuple[Labels, Address]]:
    for hostname in OWN:
        for address in (own_address, *settings.dns.also):
            yield labels(f"{hostname}.{domain}"), address
    if settings.mirror.name.endswith(f".{domain}"):
        yield labels(settings.mirror.name), own_address
    for hostname, addresses in settings.dns.names.items():
        for address in addresses:
            yield labels(f"{hostname}.{domain}"), address


def _hosts(rows: Iterable[MacRow], domain: str) -> Iterator[tuple[Labels, Address]]:
    for row in sorted(rows, key=lambda row: (row.role == "bmc", row.host, row.mac)):
        hostname = f"{row.host}-bmc" if row.role == "bmc" else row.host
        if not all(LABEL.fullmatch(part) for part in hostname.lower().split(".")):
            log.warning("%.60s is no name that DNS can have; it is not answered", hostname)
            continue
        yield labels(f"{hostname}.{domain}"), IPv4Address(row.address)


def _reverse_tops(network: IPv4Network) -> list[Labels]:
    """The reverse zones of the LAN: in-addr.arpa is cut at whole bytes only."""
    cut = min(24, max(8, -(-network.prefixlen // 8) * 8))
    whole = (
        network.subnets(new_prefix=cut) if network.prefixlen <= cut else [network.supernet(new_prefix=cut)]
    )
    return [reverse(part.network_address)[4 - cut // 8 :] for part in whole]
