"""The service against clients that others wrote, and a thousand machines at once."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.lab.service import Service
from tests.wire import conftest
from tests.wire.dhcplab import Lab, Machine

if TYPE_CHECKING:
    from tests.wire.conftest import World

ADDRESS = "10.77.0.1/20"
FIRST, LAST = IPv4Address("10.77.8.0"), IPv4Address("10.77.11.255")  # the third quarter
PROGRAMS = Path(__file__).with_name("programs")
SETTINGS = '[dhcp]\ntime_server = "10.77.0.1"\nrouter = "10.77.0.1"\n'


class Wide(conftest.Inside):
    """A service with room for a thousand strangers."""

    def __init__(self, lan: conftest.Namespace, folder: conftest.Path, settings: str) -> None:
        super().__init__(lan, folder, settings)
        lan.run("ip", "address", "flush", "dev", "lan0")
        lan.add_address(ADDRESS)
        self._argv = [ADDRESS if word == "10.77.0.1/24" else word for word in self._argv]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World]]:
    folder = tmp_path_factory.mktemp("clients")
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, folder, stack)
        world = conftest.World(lan, stack.enter_context(Wide(lan, folder, SETTINGS)), folder)
        stack.callback(world.site.database.close)
        yield made, world


def in_pool(address: str) -> bool:
    return FIRST <= IPv4Address(address) <= LAST


def test_dhcpcd_takes_address_router_and_time_server(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    client = made.machine("dhcpcd")
    said = client.run(
        "dhcpcd", "-4", "-1", "-B", "-t", "20", "--noarp", "-c", "/usr/bin/env", "eth0", check=False
    )
    text = said.out + said.err
    assert said.code == 0, text
    found = dict(line.split("=", 1) for line in text.splitlines() if line.startswith("new_"))
    assert in_pool(found["new_ip_address"]) and found["new_subnet_cidr"] == "20"
    assert found["new_routers"] == found["new_ntp_servers"] == "10.77.0.1"


def test_dhclient_binds_and_gives_back(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    client = made.machine("dhclient")
    files = ("-lf", str(made.folder / "dhclient.leases"), "-pf", str(made.folder / "dhclient.pid"))
    said = client.run("dhclient", "-4", "-1", "-v", "-sf", "/bin/true", *files, "eth0")
    address = re.search(r"bound to ([\d.]+)", said.err)
    assert address and in_pool(address[1]), said.err
    client.run("ip", "address", "add", f"{address[1]}/20", "dev", "eth0")
    said = client.run("dhclient", "-4", "-r", "-v", "-sf", "/bin/true", *files, "eth0")
    assert f"DHCPRELEASE of {address[1]} on eth0 to 10.77.0.1" in said.err, said.err


def test_dhcping_gets_its_answer(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    client = made.machine("dhcping")
    address = client.udhcpc()
    said = client.run(
        "dhcping", "-v", "-t", "5", "-c", address, "-h", client.mac, "-s", "10.77.0.1", check=False
    )
    assert said.code == 0 and "Got answer from: 10.77.0.1" in said.out, said.out + said.err


def test_nmap_discovers_the_server_and_finds_nothing_odd(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    client = made.machine("nmap", address="10.77.0.9/20")
    said = client.run("nmap", "-e", "eth0", "--script", "broadcast-dhcp-discover")
    assert "Server Identifier: 10.77.0.1" in said.out, said.out + said.err
    assert "DHCP Message Type: DHCPOFFER" in said.out and "Subnet Mask: 255.255.240.0" in said.out
    offered = re.search(r"IP Offered: ([\d.]+)", said.out)
    assert offered and in_pool(offered[1])


def test_an_address_that_somebody_uses_is_never_offered(lab: tuple[Lab, World]) -> None:
    made, world = lab
    client = made.machine("newcomer")
    would = client.udhcpc()
    squatter = made.machine("squatter", address=f"{IPv4Address(would) + 1}/20")
    following = made.machine("follows").udhcpc()
    assert in_pool(following) and following not in (would, str(IPv4Address(would) + 1))
    assert f"{squatter.mac}: it uses {IPv4Address(would) + 1}, which it was not given" in " ".join(
        world.service.tail(20)
    )


def offers(client: Machine, *xids: str) -> dict[str, str]:
    """The address that each transaction of the machine was offered."""
    said = client.run(sys.executable, PROGRAMS / "discovers.py", "2", *xids)
    return dict(line.split() for line in said.out.splitlines())


def test_each_transaction_is_answered_though_the_address_is_still_being_asked_for(
    lab: tuple[Lab, World],
) -> None:
    """Firmware that asks anew takes another xid, and hears the answer to the one before no more."""
    made, _ = lab
    would = IPv4Address(made.machine("before").udhcpc())
    found = offers(made.machine("hasty"), "a1", "a2", "a2", "a3")
    assert set(found) == {"a1", "a2", "a3"} and len(set(found.values())) == 1
    made.machine("sits-there", address=f"{would + 2}/20")
    found = offers(made.machine("hastier"), "b1", "b2")
    assert set(found) == {"b1", "b2"} and len(set(found.values())) == 1
    assert in_pool(found["b1"]) and IPv4Address(found["b1"]) not in (would, would + 1, would + 2)


def await_leases(service: Service, world: World, count: int) -> dict[str, str]:
    """The bound leases, as soon as there are so many in the database."""
    until = time.monotonic() + 20
    while len(rows := [row for row in world.site.database.leases.all() if row.bound]) < count:
        assert time.monotonic() < until, f"{len(rows)} leases: {service.tail(5)}"
        time.sleep(0.1)
    return {row.mac: row.address for row in rows}


def test_a_thousand_machines_get_addresses_that_survive_a_restart(lab: tuple[Lab, World]) -> None:
    made, world = lab
    before = len([row for row in world.site.database.leases.all() if row.bound])
    many = made.machine("many", address="10.77.0.8/20")
    # a busy machine is slow, which is no loss: an answer may take ten seconds
    asked = ("-4", "-l", "eth0", "-R", "1000", "-n", "1000", "-r", "250", "-d", "10", "-W", "9000000")
    asked = (*asked, "10.77.0.1")
    said = many.run("perfdhcp", *asked, check=False)
    figures = [int(number) for number in re.findall(r"received packets: (\d+)", said.out)]
    assert figures == [1000, 1000], said.out + said.err
    kept = await_leases(world.service, world, before + 1000)
    assert len(set(kept.values())) == len(kept), "no address was given to two"
    world.service.stop()
    world.service.start()
    again = many.run("perfdhcp", *asked, check=False)
    assert [int(number) for number in re.findall(r"received packets: (\d+)", again.out)] == [1000, 1000]
    after = await_leases(world.service, world, len(kept))
    assert {mac: after[mac] for mac in kept} == kept, "everybody has the same address again"
