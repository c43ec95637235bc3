"""Whose an address is, in each mode; and when another DHCP server stops deploys."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner import discovery
from provisioner import settings as settings_module
from provisioner.deployment import boot
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.boot_plan import Asker, Local, Ramdisk
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.host import Host
from provisioner.errors import RefusedError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.values import RogueServer
from provisioner.system import neighbours

MAC, SECOND, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:99"
FURTHER = {
    "name": "rack-b",
    "subnet": "10.78.0.0/24",
    "range": {"first": "10.78.0.100", "last": "10.78.0.199"},
}
Neighbours = dict[str, tuple[str, str]]


def in_mode(site: Site, mode: str, known: Neighbours | None = None, **more: object) -> Site:
    body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24", **more}
    settings = settings_module.check({**body, "dhcp": {"mode": mode}}, source="test")
    table = known or {}
    return dataclasses.replace(
        site, settings=settings, neighbour=lambda address: table.get(address, ("", ""))
    )


def armed(site: Site) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    record(site, row.id, PowerBegan(nonce="a-nonce"), source="worker")


def saw(site: Site, mac: str, address: str, relay: str = "") -> None:
    packet = ClientPacket(mac, relay=relay, boots=True)
    site.database.sightings.put([NewSighting(mac, site.clock(), 1, address, packet)])


@pytest.mark.parametrize("mode", ["proxy", "external"])
def test_beside_another_server_an_armed_host_boots_from_the_address_for_which_its_card_answers(
    site: Site, mode: str
) -> None:
    site = in_mode(site, mode, {"10.77.0.150": (MAC, "lan0")})
    armed(site)
    assert isinstance(boot.answer(site, Asker(mac=MAC, address="10.77.0.150")).plan, Ramdisk)


@pytest.mark.parametrize(
    ("address", "neighbour"),
    [
        ("10.77.0.150", (OTHER, "lan0")),  # another machine names the host's MAC
        ("10.77.0.150", ("", "")),  # the kernel knows nobody there
        ("10.77.0.150", (MAC, "eth9")),  # it comes by an interface that we do not serve
        ("", (MAC, "lan0")),
    ],
)
@pytest.mark.parametrize("mode", ["proxy", "external"])
def test_beside_another_server_nobody_else_gets_an_armed_hosts_script(
    site: Site, mode: str, address: str, neighbour: tuple[str, str]
) -> None:
    site = in_mode(site, mode, {"10.77.0.150": neighbour})
    armed(site)
    plan, why = boot.answer(site, Asker(mac=MAC, address=address))
    assert isinstance(plan, Local) and "not from the host's own address" in why


def test_the_fixed_address_is_nobodys_word_where_another_server_gives_addresses(site: Site) -> None:
    site = in_mode(site, "proxy")
    row = site.database.macs.get(MAC)
    assert row and not lan.has_address(site, MAC, row.address)


def test_a_host_may_be_reached_by_another_of_its_cards(site: Site) -> None:
    host = Host(name="vc-1", macs=(MAC, SECOND), profile="cube")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    site = in_mode(site, "proxy", {"10.77.0.150": (SECOND, "lan0")})
    assert lan.has_address(site, MAC, "10.77.0.150") and not lan.has_address(site, OTHER, "10.77.0.150")


def test_behind_a_relay_the_macs_last_relayed_packet_is_believed_for_an_hour(
    site: Site, clock: Callable[[], float]
) -> None:
    site = in_mode(site, "proxy", {"10.79.0.5": ("52:54:00:00:00:fe", "lan0")})
    saw(site, MAC, "10.79.0.5")
    assert not lan.has_address(site, MAC, "10.79.0.5"), "it was not relayed: its own card must answer"
    saw(site, MAC, "10.79.0.5", relay="10.79.0.1")
    assert lan.has_address(site, MAC, "10.79.0.5")
    assert not lan.has_address(site, MAC, "10.79.0.6")
    clock.now += lan.FRESH + 1  # type: ignore[attr-defined]
    assert not lan.has_address(site, MAC, "10.79.0.5")


def test_on_a_further_network_a_host_has_the_address_that_we_lease_it(
    site: Site, clock: Callable[[], float]
) -> None:
    site = in_mode(site, "authoritative", networks=[FURTHER])
    lease = LeaseRow(MAC, "10.78.0.100", clock() + 100, bound=True)
    site.database.leases.put([lease])
    assert lan.has_address(site, MAC, "10.78.0.100") and not lan.has_address(site, MAC, "10.78.0.101")
    site.database.leases.put([replace(lease, bound=False)])
    assert not lan.has_address(site, MAC, "10.78.0.100"), "it was only offered"
    site.database.leases.put([replace(lease, expires=clock())])
    assert not lan.has_address(site, MAC, "10.78.0.100"), "it has expired"
    site.database.leases.put([replace(lease, address="10.77.0.150")])
    assert not lan.has_address(site, MAC, "10.77.0.150"), "on the main network only the fixed address counts"


def test_a_script_names_our_address_in_the_askers_own_network(site: Site) -> None:
    direct = {k: v for k, v in FURTHER.items() if k != "subnet"}
    direct |= {"interface": "lan1", "address": "10.78.0.1/24"}
    site = in_mode(site, "authoritative", networks=[direct])
    lease = LeaseRow(MAC, "10.78.0.100", site.clock() + 100, bound=True)
    site.database.leases.put([lease])
    armed(site)
    plan = boot.answer(site, Asker(mac=MAC, address="10.78.0.100")).plan
    assert isinstance(plan, Ramdisk) and plan.kernel == "http://10.78.0.1/boot/files/vmlinuz"
    assert "pv.server=http://10.78.0.1 " in plan.args


def test_an_unknown_machine_beside_another_server_is_looked_at_only_from_its_own_address(site: Site) -> None:
    site = in_mode(site, "proxy", {"10.77.0.150": (OTHER, "lan0")}, discovery={"boot": True})
    assert discovery.refusal(site, Asker(mac=OTHER, address="10.77.0.150")) == ""
    assert "discovery range" in discovery.refusal(site, Asker(mac=OTHER, address="10.77.0.151"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("10.77.0.5  0x1  0x2  52:54:00:AA:00:05  *  lan0", ("52:54:00:aa:00:05", "lan0")),
        ("10.77.0.5  0x1  0x6  52:54:00:aa:00:05  *  lan0", ("52:54:00:aa:00:05", "lan0")),
        ("10.77.0.5  0x1  0x0  00:00:00:00:00:00  *  lan0", ("", "")),  # it has not answered
        ("10.77.0.55  0x1  0x2  52:54:00:aa:00:05  *  lan0", ("", "")),
        ("rubbish", ("", "")),
    ],
)
def test_the_kernels_table_is_read(tmp_path: Path, line: str, found: tuple[str, str]) -> None:
    table = tmp_path / "arp"
    table.write_text(f"IP address  HW type  Flags  HW address  Mask  Device\n{line}\n")
    assert neighbours.find("10.77.0.5", table) == found
    assert neighbours.find("10.77.0.5", tmp_path / "missing") == ("", "")


SERVER = RogueServer("10.77.0.9", OTHER, "lan0", offer="10.77.0.99")


def test_deploys_are_refused_while_another_server_answers_where_we_give_the_addresses(site: Site) -> None:
    site.database.values.put_rogue_servers([SERVER])
    with pytest.raises(RefusedError, match=r"10\.77\.0\.9 \(52:54:00:00:00:99\) on lan0 offers") as caught:
        armed(site)
    assert caught.value.code == 670 and "proxy" in caught.value.hint
    for mode in ("proxy", "external"):
        assert lan.is_sole_server(in_mode(site, mode)), "there it is the site's own"
    site.database.values.put_rogue_servers([])
    armed(site)


def test_what_was_heard_is_old_news_where_this_service_no_longer_listens(site: Site) -> None:
    site.database.values.put_rogue_servers([SERVER])
    assert lan.is_sole_server(in_mode(site, "authoritative", services=["web", "worker"]))
