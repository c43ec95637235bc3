"""What is known of the deployment LAN: whose an address is, and which other DHCP servers answer there."""

from ipaddress import AddressValueError, IPv4Address
from typing import Any

from provisioner.errors import RefusedError
from provisioner.site.site import Site

FOREIGN = "dhcp.servers"  # the key of the service's own values under which the DHCP service keeps them
DEAF = "dhcp.deaf"  # likewise: the interfaces on which they cannot be heard
FRESH = 3600.0  # seconds for which what a relayed packet said of an address is believed


def belongs(site: Site, mac: str, address: str) -> bool:
    """Whether the address is that of the known MAC: the gate before anything that is for one host only.

    Where we give the addresses, it is the fixed one, or on another network of ours our lease. Where another
    server gives them, the kernel says whose card has answered for the address it now talks to; behind a
    relay that is a router's, so there it is what the MAC's last relayed packet said.
    """
    row = site.database.macs.get(mac)
    if row is None or not address:
        return False
    if site.settings.dhcp.mode == "authoritative":
        return bool(row["address"] == address) or _leased(site, mac, address)
    return is_neighbour(site, mac, address, also=_cards(site, row)) or _relayed(site, mac, address)


def is_neighbour(site: Site, mac: str, address: str, also: tuple[str, ...] = ()) -> bool:
    """Whether a card with this MAC (or one of `also`) has the address, on an interface that we serve."""
    found, interface = site.neighbour(address)
    served = {site.settings.interface, *(one.interface for one in site.settings.networks)}
    return bool(found) and found in (mac, *also) and interface in served


def is_strangers(site: Site, mac: str, address: str) -> bool:
    """Whether the address is one that an unknown machine with this MAC may have."""
    settings = site.settings
    try:
        number = IPv4Address(address)
    except AddressValueError:
        return False
    if settings.dhcp.mode != "authoritative":
        return is_neighbour(site, mac, address)
    return number in settings.discovery_range or any(number in one.range for one in settings.networks)


def _cards(site: Site, row: dict[str, Any]) -> tuple[str, ...]:
    """The other cards of the host: its system may answer by any of them."""
    return site.database.hosts.get(row["host"]).macs if row["role"] == "host" else ()


def _leased(site: Site, mac: str, address: str) -> bool:
    """A lease of a further network; in the main one a known MAC has its fixed address, or none."""
    held = site.database.leases.get(mac)
    if held is None or held["address"] != address or not held["bound"] or held["expires"] <= site.clock():
        return False
    return any(IPv4Address(address) in one.net for one in site.settings.networks)


def _relayed(site: Site, mac: str, address: str) -> bool:
    seen = site.database.sightings.get(mac)
    if seen is None or not seen["data"].get("relay") or seen["address"] != address:
        return False
    return bool(site.clock() - seen["last_seen"] <= FRESH)


def servers(site: Site) -> list[dict[str, Any]]:
    """DHCP servers that are not ours: `address`, `mac`, `interface`, `offer`, `boots`, `since`.

    `offer` is the address that it offered last, empty where it gives none; `boots` what it named to boot.
    """
    found: list[dict[str, Any]] = site.database.values.get(FOREIGN, [])
    return found if "dhcp" in site.settings.services else []


def describe(server: dict[str, Any]) -> str:
    """One server in words."""
    gives = [f"offers {server['offer']}"] if server["offer"] else []
    gives += ["names a boot file"] if server["boots"] else []
    return f"{server['address']} ({server['mac']}) on {server['interface']} {' and '.join(gives)}".rstrip()


def is_alone(site: Site) -> bool:
    """Whether nothing is known that `check_alone` would refuse."""
    return site.settings.dhcp.mode != "authoritative" or not servers(site)


def check_alone(site: Site) -> None:
    """Raises RefusedError (PV-670) where we should be the only DHCP server, and are not.

    A host that takes another server's answer boots something else, and nobody would know what.
    """
    if not is_alone(site):
        found = servers(site)
        raise RefusedError(
            f"another DHCP server answers on the deployment LAN: {'; '.join(map(describe, found))}",
            hint='unplug it, or switch it off; if it belongs to the site, set dhcp.mode = "proxy"'
            " (docs/network.md); provision net check says when it is gone",
            code=670,
        )
