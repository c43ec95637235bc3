"""What is known of the deployment LAN: whose an address is, and which other DHCP servers answer there."""

from ipaddress import AddressValueError, IPv4Address

from provisioner.domain.host import Host
from provisioner.site.site import Site
from provisioner.state.macs import MacRow
from provisioner.state.values import RogueServer

FRESH = 3600.0  # seconds for which what a relayed packet said of an address is believed


def has_address(site: Site, mac: str, address: str) -> bool:
    """Whether the known MAC has the address now: the gate before anything that is for one host only.

    Where we give the addresses, it is the fixed one, or on another network of ours our lease. Where another
    server gives them, the kernel says whose card has answered for the address it now talks to; behind a
    relay that is a router's, so there it is what the MAC's last relayed packet said.
    """
    row = site.database.macs.get(mac)
    if row is None or not address:
        return False
    if site.settings.dhcp.mode == "authoritative":
        return row.address == address or _is_leased(site, mac, address)
    return is_neighbour(site, mac, address, also=_other_cards(site, row)) or _is_relayed(site, mac, address)


def host_has_address(site: Site, host: Host, address: str) -> bool:
    """Whether one of the host's cards has the address now."""
    return any(has_address(site, mac, address) for mac in host.macs)


def host_at(site: Site, address: str) -> str:
    """The name of the host whose fixed address this is, and who has it now; empty where it is nobody's."""
    rows = site.database.macs.at(address) if address else []
    return next((row.host for row in rows if row.role == "host" and has_address(site, row.mac, address)), "")


def is_neighbour(site: Site, mac: str, address: str, also: tuple[str, ...] = ()) -> bool:
    """Whether a card with this MAC (or one of `also`) answers ARP for the address, where we serve."""
    neighbour, interface = site.neighbour(address)
    served = {site.settings.interface, *(network.interface for network in site.settings.networks)}
    return bool(neighbour) and neighbour in (mac, *also) and interface in served


def is_discovery_address(site: Site, mac: str, address: str) -> bool:
    """Whether the address is one that an unknown machine with this MAC may have."""
    settings = site.settings
    try:
        number = IPv4Address(address)
    except AddressValueError:
        return False
    if settings.dhcp.mode != "authoritative":
        return is_neighbour(site, mac, address)
    return number in settings.discovery_range or any(number in network.range for network in settings.networks)


def _other_cards(site: Site, row: MacRow) -> tuple[str, ...]:
    """The other cards of the host: its system may answer by any of them."""
    return site.database.hosts.get(row.host).macs if row.role == "host" else ()


def _is_leased(site: Site, mac: str, address: str) -> bool:
    """A lease of a further network; in the main one a known MAC has its fixed address, or none."""
    lease = site.database.leases.get(mac)
    if lease is None or lease.address != address or not lease.bound or lease.expires <= site.clock():
        return False
    return any(IPv4Address(address) in network.net for network in site.settings.networks)


def _is_relayed(site: Site, mac: str, address: str) -> bool:
    sighting = site.database.sightings.get(mac)
    if sighting is None or not sighting.data.relay or sighting.address != address:
        return False
    return site.clock() - sighting.last_seen <= FRESH


def rogue_servers(site: Site) -> list[RogueServer]:
    """DHCP servers that are not ours, as heard last; none where this service does not listen for them."""
    return site.database.values.rogue_servers() if "dhcp" in site.settings.services else []


def describe_server(server: RogueServer) -> str:
    """One server in words: `10.77.0.9 (52:54:00:00:00:09) on lan0 offers 10.77.0.99`."""
    gives = [f"offers {server.offer}"] if server.offer else []
    gives += ["names a boot file"] if server.boots else []
    return f"{server.address} ({server.mac}) on {server.interface} {' and '.join(gives)}".rstrip()


def is_sole_server(site: Site) -> bool:
    """Whether we are the only DHCP server where we should be; elsewhere it does not matter."""
    return site.settings.dhcp.mode != "authoritative" or not rogue_servers(site)
