"""The networks in which the service gives addresses, and the DHCP relays that were heard of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from provisioner.site.site import Site
from provisioner.state.sightings import Sighting


@dataclass(frozen=True)
class HeardRelay:
    """A relay's address (giaddr, RFC 2131), and when it handed on a packet last, in seconds since 1970."""

    address: str
    heard: float


@dataclass(frozen=True)
class ServedNetwork:
    """One network: at `interface`, or behind a relay where that is empty; `range` in words, or empty."""

    name: str
    net: str
    interface: str
    range: str
    relays: tuple[HeardRelay, ...]


def look(site: Site) -> tuple[list[ServedNetwork], list[HeardRelay]]:
    """Those of the settings, the main one first; and the relays that belong to none of them."""
    settings = site.settings
    relays = list(_relays(site.database.sightings.all()))
    main = settings.address.network
    found = [ServedNetwork("main", str(main), settings.interface, _main_ranges(site), _in(main, relays))]
    for network in settings.networks:
        given = f"{network.range.first} to {network.range.last}"
        behind = _in(network.net, relays)
        found.append(ServedNetwork(network.name, str(network.net), network.interface, given, behind))
    known = {relay.address for network in found for relay in network.relays}
    return found, [relay for relay in relays if relay.address not in known]


def _main_ranges(site: Site) -> str:
    """What is given there; empty where another server gives the addresses."""
    settings = site.settings
    if settings.dhcp.mode != "authoritative":
        return ""
    hosts, strangers = settings.hosts_range, settings.discovery_range
    return f"hosts {hosts.first} to {hosts.last}, strangers {strangers.first} to {strangers.last}"


def _relays(sightings: Iterable[Sighting]) -> Iterator[HeardRelay]:
    """Each once, as it was heard last; sightings come the last first."""
    seen = set[str]()
    for row in sightings:
        address = row.data.relay
        if address and address not in seen:
            seen.add(address)
            yield HeardRelay(address, row.last_seen)


def _in(net: IPv4Network, relays: Iterable[HeardRelay]) -> tuple[HeardRelay, ...]:
    return tuple(relay for relay in relays if _lies_in(net, relay.address))


def _lies_in(net: IPv4Network, address: str) -> bool:
    try:
        return IPv4Address(address) in net
    except AddressValueError:
        return False
