"""An address that is another machine's, or nobody's, is no BMC's: refused with the host's name, or said."""

from ipaddress import IPv4Address

import pytest

from provisioner import settings
from provisioner.deployment import bmc_addresses, inventory_update
from provisioner.domain.host import Bmc, Host
from provisioner.errors import InventoryError
from provisioner.site.site import Site

MAC = "52:54:00:00:0b:07"


@pytest.fixture
def site(site: Site) -> Site:
    """At 10.77.0.1/24; behind a relay is 10.78.0.0/24, of which .100 to .120 are leased."""
    body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
    further = {
        "name": "bmcs",
        "subnet": "10.78.0.0/24",
        "range": {"first": "10.78.0.100", "last": "10.78.0.120"},
    }
    site.settings = settings.check({**body, "networks": [further]}, source="test")
    return site


def host(address: str, name: str = "vc-7", **bmc: object) -> Host:
    body = {"driver": "ipmi", "address": address, "port": 623, "secret": "lab", **bmc}
    number = int(name.removeprefix("vc-"))
    return Host(
        name=name, macs=(f"52:54:00:00:00:{number:02x}",), profile="cube", bmc=Bmc.model_validate(body)
    )


def put(site: Site, *hosts: Host) -> None:
    inventory_update.replace(site, list(hosts), [], inventory_update.Removals(), by="ann")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.77.0.1", "is the service's own"),
        ("10.77.0.0", "is that of the network 10.77.0.0/24, or of all in it"),
        ("10.77.0.255", "is that of the network 10.77.0.0/24"),
        ("10.78.0.255", "is that of the network 10.78.0.0/24"),
        ("10.77.0.64", r"lies in dhcp.hosts \(10.77.0.64-10.77.0.127\), so a machine may be given it"),
        ("10.77.0.191", r"lies in dhcp.discovery \(10.77.0.128-10.77.0.191\)"),
    ],
)
def test_what_is_another_machine_s_is_refused_and_nothing_changed(
    site: Site, address: str, words: str
) -> None:
    with pytest.raises(InventoryError, match=rf"vc-7: bmc\.address: {address} {words}") as caught:
        put(site, host(address))
    assert caught.value.code == 111 and caught.value.hint
    assert not site.database.hosts.known(["vc-7"])


def test_each_host_is_named(site: Site) -> None:
    with pytest.raises(InventoryError) as caught:
        put(site, host("10.77.0.1"), host("10.77.0.9", "vc-8"), host("10.77.0.70", "vc-9"))
    said = [str(fault).partition(":")[0] for fault in (caught.value, *caught.value.also)]
    assert said == ["vc-7", "vc-9"]


@pytest.mark.parametrize("address", ["10.77.0.9", "10.77.0.63", "10.77.0.192", "10.20.0.42", "10.78.0.9"])
def test_any_other_address_is_taken_without_a_word(site: Site, address: str) -> None:
    put(site, host(address))
    assert bmc_addresses.doubtful(site, [host(address)]) == ()


def test_a_port_of_ours_that_is_forwarded_is_a_bmc_s(site: Site) -> None:
    put(site, host("10.77.0.1", port=6230))
    assert site.database.hosts.get("vc-7").bmc.port == 6230


def test_of_our_range_a_bmc_has_the_address_that_is_fixed_for_its_mac(site: Site) -> None:
    bare = host("10.20.0.1", mac=MAC)
    put(site, bare.model_copy(update={"bmc": bare.bmc.model_copy(update={"address": None})}))
    row = site.database.macs.get(MAC)
    assert row is not None
    put(site, host(row.address, mac=MAC))
    assert site.database.hosts.get("vc-7").bmc.address == IPv4Address(row.address)
    with pytest.raises(InventoryError, match=rf"is not the one that DHCP gives to its MAC {MAC}") as caught:
        put(site, host("10.77.0.120", mac=MAC))
    assert row.address in str(caught.value) and "leave bmc.address out" in caught.value.hint


def test_where_another_server_gives_the_addresses_our_ranges_mean_nothing(site: Site) -> None:
    body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
    site.settings = settings.check({**body, "dhcp": {"mode": "proxy"}}, source="test")
    put(site, host("10.77.0.70"))
    assert site.database.hosts.get("vc-7").bmc.address == IPv4Address("10.77.0.70")


def test_loopback_is_for_simulated_bmcs_and_said(site: Site) -> None:
    put(site, host("127.0.0.1"), host("127.0.0.1", "vc-8", port=6230))
    (told,) = bmc_addresses.doubtful(site, site.database.hosts.all())
    assert told.startswith("the BMC of vc-7 is looked for on this machine itself")


def test_a_leased_address_is_said(site: Site) -> None:
    (told,) = bmc_addresses.doubtful(site, [host("10.78.0.100"), host("10.78.0.120", "vc-8")])
    assert told.startswith("the BMC of vc-7, vc-8 has an address of a range that DHCP leases")
