"""Several networks at once: a second interface, and one behind a real relay, dhcrelay's and dnsmasq's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wire import conftest
from tests.wire.dhcplab import Lab, Machine, recorded

if TYPE_CHECKING:
    from tests.wire.conftest import World

PROGRAMS = Path(__file__).with_name("programs")

SETTINGS = """
[dhcp]
hosts = { first = "10.77.0.10", last = "10.77.0.99" }
discovery = { first = "10.77.0.100", last = "10.77.0.149" }
[[networks]]
name = "vlan20"
interface = "lan1"
address = "10.78.0.1/24"
range = { first = "10.78.0.100", last = "10.78.0.149" }
router = "10.78.0.1"
lease_seconds = 600
[[networks]]
name = "rack-b"
subnet = "10.79.0.0/24"
range = { first = "10.79.0.100", last = "10.79.0.149" }
router = "10.79.0.1"
"""
RAMDISK, DISK = "/boot/files/vmlinuz", "# Boot this machine's own disk."
# Listens for everything that comes to a relay's port 67, and prints where it came from.
# A renewal by unicast: to which of our addresses it goes, and from which the answer comes.


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World]]:
    folder = tmp_path_factory.mktemp("relay")
    with ExitStack() as stack:
        lan = stack.enter_context(conftest.namespace())
        made = Lab(lan, folder, stack)
        made.bridge("lan1", "10.78.0.1/24")
        made.bridge("far0")
        made.run("ip", "address", "add", "10.78.0.7/24", "dev", "lan1")
        world = conftest.World(lan, stack.enter_context(conftest.Inside(lan, folder, SETTINGS)), folder)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        pack = conftest.make_pack(folder)
        for words in (("trust", folder / "release.pub"), ("add", pack)):
            assert world.provision("image", *words).code == 0
        yield made, world


RELAYS = {
    "dhcrelay": ("dhcrelay", "-4", "-d", "-a", "-id", "eth1", "-iu", "eth0", "10.77.0.1"),
    "dnsmasq": (
        *("dnsmasq", "--no-daemon", "--port=0", "--user=root", "--conf-file=/dev/null", "--log-dhcp"),
        "--dhcp-relay=10.79.0.1,10.77.0.1",
    ),
}
ROUTER = "52:54:00:aa:ff:02"


def relay_machine(lab: Lab, name: str) -> Machine:
    """A router between the far network and the service's. One card for all: ARP remembers the last one's."""
    made = lab.machine(name, mac=ROUTER, address="10.77.0.2/24")
    lab.plug(made, "eth1", "far0")
    made.run("ip", "address", "add", "10.79.0.1/24", "dev", "eth1")
    made.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.run("ip", "route", "replace", "10.79.0.0/24", "via", "10.77.0.2")
    return made


def relaying(lab: Lab, kind: str, name: str = "r") -> None:
    relay = relay_machine(lab, f"{name}-{kind}")
    relay.start(*RELAYS[kind])
    relay.await_log({"dhcrelay": "Sending on", "dnsmasq": "DHCP relay"}[kind])


def armed(world: World, mac: str) -> str:
    host = world.add_host()
    world.apply([{"name": host.name, "macs": [mac], "profile": "cube"}], [])
    host.arm()
    return host.name


def test_each_interface_has_addresses_and_settings_of_its_own(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    near, other = made.machine("near"), made.machine("other", bridge="lan1")
    [first] = near.answers(recorded("ovmf-pxe-discover"))
    [second] = other.answers(recorded("ovmf-pxe-discover"))
    assert (first["from"], first["address"], first["next"]) == ("10.77.0.1", "10.77.0.100", "10.77.0.1")
    assert (second["from"], second["address"], second["next"]) == ("10.78.0.1", "10.78.0.100", "10.78.0.1")
    assert "3" not in first["options"] and second["options"]["3"] == bytes([10, 78, 0, 1]).hex()
    assert int(second["options"]["51"], 16) == 600


def test_the_services_name_is_its_address_on_the_network_of_who_asks(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    for name, bridge, own, server in (
        ("asks-near", "lan0", "10.77.0.9/24", "10.77.0.1"),
        ("asks-other", "lan1", "10.78.0.9/24", "10.78.0.1"),
    ):
        client = made.machine(name, bridge=bridge, address=own)
        for words in ((), ("+tcp",)):
            said = client.run("dig", f"@{server}", "+short", *words, "provision.vaultcube.local")
            assert said.out.split() == [server]
        for address in ("10.77.0.1", "10.78.0.1"):
            said = client.run("dig", f"@{server}", "+short", "-x", address)
            assert said.out.split() == ["provision.vaultcube.local."]


def test_the_answer_comes_from_the_address_that_was_asked(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    client = made.machine("renews", bridge="lan1")
    address = client.udhcpc()
    for asked in ("10.78.0.1", "10.78.0.7"):
        said = client.run(sys.executable, PROGRAMS / "renew.py", address, client.mac, asked)
        assert said.out.split() == [asked, "ACK"]


def test_an_armed_host_on_a_further_network_boots_from_there(lab: tuple[Lab, World]) -> None:
    made, world = lab
    mac = "52:54:00:aa:09:01"
    client = made.machine("vlanhost", mac=mac, bridge="lan1")
    name = armed(world, mac)
    assert client.udhcpc().startswith("10.78.0.1")
    script = client.curl(f"http://10.78.0.1/boot/{mac}/boot.ipxe")
    assert f"kernel http://10.78.0.1{RAMDISK}" in script and "pv.server=http://10.78.0.1 " in script
    client.run("ip", "address", "add", "10.78.0.222/24", "dev", "eth0")
    stolen = client.run("curl", "-sS", "--interface", "10.78.0.222", f"http://10.78.0.1/boot/{mac}/boot.ipxe")
    assert DISK in stolen.out
    world.client.cancel(name)


@pytest.mark.parametrize("kind", RELAYS)
def test_a_machine_behind_a_real_relay_gets_its_networks_address_and_boots(
    lab: tuple[Lab, World], kind: str
) -> None:
    made, world = lab
    with ExitStack() as stack:
        again = Lab.again(made, stack)
        relaying(again, kind)
        mac = f"52:54:00:aa:0a:{len(kind):02x}"
        client = again.machine(f"c-{kind}", mac=mac, bridge="far0")
        name = armed(world, mac)
        [offer] = client.answers(recorded("ovmf-pxe-discover"))
        assert offer["address"].startswith("10.79.0.1") and offer["file"] == "snponly.efi"
        assert offer["options"]["3"] == bytes([10, 79, 0, 1]).hex() and "82" not in offer["options"]
        address = client.udhcpc()
        client.run("ip", "route", "add", "default", "via", "10.79.0.1")
        assert RAMDISK in client.curl(f"http://10.77.0.1/boot/{mac}/boot.ipxe")
        assert address.startswith("10.79.0.1")
        world.service.stop()
        world.service.start()
        assert client.udhcpc() == address, "leases survive a restart"
        shown = world.provision("host", "show", name).out
        assert "10.79.0.1" in shown and ("eth1" in shown) == (kind == "dhcrelay"), shown
        world.client.cancel(name)


def test_a_client_renews_past_its_relay(lab: tuple[Lab, World]) -> None:
    made, _ = lab
    with ExitStack() as stack:
        again = Lab.again(made, stack)
        relaying(again, "dhcrelay", "past")
        client = again.machine("past", bridge="far0")
        address = client.udhcpc()
        client.run("ip", "route", "replace", "default", "via", "10.79.0.1")
        said = client.run(sys.executable, PROGRAMS / "renew.py", address, client.mac, "10.77.0.1")
        assert address.startswith("10.79.0.") and said.out.split() == ["10.77.0.1", "ACK"]
        other = client.run(sys.executable, PROGRAMS / "renew.py", address, "52:54:00:aa:ee:ee", "10.77.0.1")
        assert other.out.split() == ["10.77.0.1", "NAK"], "a broadcast would not have come here"


def test_an_address_that_somebody_behind_the_relay_uses_is_not_offered(lab: tuple[Lab, World]) -> None:
    made, world = lab
    with ExitStack() as stack:
        again = Lab.again(made, stack)
        relaying(again, "dhcrelay", "far")
        taken = IPv4Address(again.machine("first", bridge="far0").udhcpc()) + 1
        squatter = again.machine("squatter", bridge="far0", address=f"{taken}/24")
        squatter.run("ip", "route", "add", "default", "via", "10.79.0.1")
        given = IPv4Address(again.machine("second", bridge="far0").udhcpc())
        assert given in IPv4Network("10.79.0.0/24") and given != taken
        assert f"something behind a router: it uses {taken}" in " ".join(world.service.tail(20))
