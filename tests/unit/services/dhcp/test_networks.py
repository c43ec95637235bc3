"""Several networks: what the settings may say, which one a request belongs to, whose lease is kept."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from provisioner import settings as settings_module
from provisioner.errors import SettingsError
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.networks import ServedNetworks
from provisioner.services.dhcp.packet import Option, Packet
from provisioner.site.site import Site

VLAN: dict[str, Any] = {
    "name": "vlan20",
    "interface": "lan1",
    "address": "10.78.0.1/24",
    "range": {"first": "10.78.0.100", "last": "10.78.0.101"},
}
RACK: dict[str, Any] = {
    "name": "rack-b",
    "subnet": "10.79.0.0/24",
    "range": {"first": "10.79.0.100", "last": "10.79.0.199"},
}
MAC, MOVER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def with_networks(site: Site, *networks: dict[str, Any]) -> Site:
    body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
    return replace(site, settings=settings_module.check(body | {"networks": networks}, source="test"))


def made(site: Site) -> ServedNetworks:
    memory = HostCache(site.database)
    memory.refresh(now=True)
    return ServedNetworks(with_networks(site, VLAN, RACK), memory)


@pytest.mark.parametrize(
    ("network", "fault"),
    [
        (VLAN | {"subnet": "10.78.0.0/24"}, "give interface and address, or subnet"),
        ({**RACK, "subnet": None}, "give interface and address, or subnet"),
        ({**VLAN, "address": None}, "give interface and address, or subnet"),
        (RACK | {"range": {"first": "10.78.0.1", "last": "10.78.0.9"}}, "range does not lie in 10.79.0.0/24"),
        (VLAN | {"range": {"first": "10.78.0.1", "last": "10.78.0.9"}}, "the service's own address"),
        (RACK | {"range": {"first": "10.79.0.9", "last": "10.79.0.1"}}, "range is empty"),
        (RACK | {"subnet": "10.77.0.128/25", "range": VLAN["range"]}, "range does not lie"),
        (VLAN | {"interface": "lan0"}, "vlan20 is at the main interface lan0"),
        (RACK | {"name": "Rack B"}, "name"),
    ],
)
def test_a_network_that_contradicts_itself_is_refused(
    site: Site, network: dict[str, Any], fault: str
) -> None:
    with pytest.raises(SettingsError, match=fault):
        with_networks(site, network)


def test_networks_do_not_overlap(site: Site) -> None:
    inside = {
        "name": "in",
        "subnet": "10.77.0.128/25",
        "range": {"first": "10.77.0.130", "last": "10.77.0.131"},
    }
    with pytest.raises(SettingsError, match=r"in \(10.77.0.128/25\) overlaps the main one"):
        with_networks(site, inside)
    with pytest.raises(SettingsError, match="overlaps rack-b"):
        with_networks(site, RACK, RACK)


def info(interface: str) -> PacketInfo:
    address = IPv4Address("10.77.0.1")
    return PacketInfo(DhcpListener(interface, address), (address, 67), address)


def asked(giaddr: str = "0.0.0.0", relay: bytes = b"") -> Packet:
    options: dict[int, bytes] = {Option.RELAY: relay} if relay else {}
    return Packet(op=1, xid=1, chaddr=bytes(6), giaddr=IPv4Address(giaddr), options=options)


@pytest.mark.parametrize(
    ("packet", "interface", "network"),
    [
        (asked(), "lan0", "10.77.0.0/24"),
        (asked(), "lan1", "10.78.0.0/24"),
        (asked("10.79.0.1"), "lan0", "10.79.0.0/24"),
        (asked("10.78.0.9"), "lan0", "10.78.0.0/24"),
        (asked("10.99.0.1"), "lan0", ""),
        (asked("10.77.0.9", b"\5\4" + bytes([10, 79, 0, 0])), "lan0", "10.79.0.0/24"),  # RFC 3527
        (asked("10.77.0.9", b"\5\3" + bytes([10, 79, 0])), "lan0", "10.77.0.0/24"),
        (asked("10.79.0.1", b"\5\4" + bytes(4)), "lan0", "10.79.0.0/24"),  # a subnet of zeros is none
    ],
)
def test_a_request_belongs_to_the_network_of_its_relay_or_its_listener(
    site: Site, packet: Packet, interface: str, network: str
) -> None:
    found = made(site).for_request(packet, info(interface))
    assert (str(found.config.network) if found else "") == network


def test_what_hosts_are_told_is_their_own_networks(site: Site) -> None:
    vlan = made(site).at_interface("lan1").config
    assert (str(vlan.server), vlan.url) == ("10.78.0.1", "http://10.78.0.1")
    rack = made(site).containing(IPv4Address("10.79.0.5"))
    assert rack and (str(rack.config.server), rack.config.url) == ("10.77.0.1", "http://10.77.0.1")


def test_a_machine_that_moves_keeps_one_row_its_newest(site: Site) -> None:
    networks = made(site)
    vlan, rack = (networks.containing(IPv4Address(place)) for place in ("10.78.0.1", "10.79.0.1"))
    assert vlan and rack
    assert vlan.leases.commit(MOVER, IPv4Address("10.78.0.100"), 1000.0, 600)
    assert rack.leases.commit(MOVER, IPv4Address("10.79.0.100"), 2000.0, 600)
    rows, gone = networks.take_changes(2000.0)
    assert [row.address for row in rows] == ["10.79.0.100"] and gone == []
    assert networks.take_changes(2001.0) == ([], [])


def test_a_lease_that_was_forgotten_leaves_the_database(site: Site) -> None:
    networks = made(site)
    networks.main.leases.commit(MOVER, IPv4Address("10.77.0.150"), 1000.0, 600)
    rows, gone = networks.take_changes(1000.0)
    site.database.leases.put(rows, gone)
    assert [row.mac for row in site.database.leases.all()] == [MOVER]
    again = made(site)
    assert again.main.leases.current_address(MOVER, 1500.0) == IPv4Address("10.77.0.150")
    again.main.leases.decline(MOVER, IPv4Address("10.77.0.150"), 1500.0)
    site.database.leases.put(*again.take_changes(1500.0))
    assert site.database.leases.all() == []


def test_only_what_was_taken_is_kept_not_what_was_offered(site: Site) -> None:
    networks = made(site)
    assert networks.main.leases.offer(MOVER, 1000.0)
    assert networks.changed and networks.take_changes(1000.0) == ([], [])


@pytest.mark.parametrize(("services", "runs"), [(("dhcp", "dns"), True), (("dhcp",), False)])
def test_hosts_are_told_our_name_server_of_their_network_where_it_runs(
    site: Site, services: tuple[str, ...], runs: bool
) -> None:
    known = with_networks(site, VLAN, RACK)
    known = replace(known, settings=known.settings.model_copy(update={"services": services}))
    networks = ServedNetworks(known, HostCache(site.database))
    homes = [networks.containing(IPv4Address(at)) for at in ("10.77.0.9", "10.78.0.9", "10.79.0.9")]
    found = {str(one.config.network): [str(a) for a in one.config.name_servers] for one in homes if one}
    told = {"10.77.0.0/24": ["10.77.0.1"], "10.78.0.0/24": ["10.78.0.1"], "10.79.0.0/24": ["10.77.0.1"]}
    assert found == (told if runs else {net: [] for net in told})
