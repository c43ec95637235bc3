"""Every firmware in every kind of LAN, for real: from power-on to the agent's hello."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from provisioner import ramdisk, run
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Profile
from provisioner.lab import evidence, machine, network, qemu, supplies
from provisioner.lab.service import Service
from provisioner.power.protocol import BmcAddress
from provisioner.system import namespaces

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("PROVISION_CACHE", Path.home() / ".cache/provisioner"))
NAME, MAC, SERIAL, USER = "net-1", "52:54:00:77:03:01", "LAB0077", "lab"
DISK = 1 << 30  # bytes
DEADLINES = {"powering": 600, "netbooting": 1200}
FAR = "far0"  # the network behind the relay
RELAYED = """
[[networks]]
name = "far"
subnet = "10.79.0.0/24"
range = { first = "10.79.0.100", last = "10.79.0.149" }
router = "10.79.0.1"
"""
PLAIN = ("--no-daemon", "--port=0", "--user=root", "--conf-file=/dev/null", "--log-dhcp")
DNSMASQ = (*PLAIN, "--interface=eth0", "-z", "--dhcp-leasefile=/dev/null")


class Kind(NamedTuple):
    """A firmware: what the machine is, and whether it is to boot by HTTP."""

    firmware: qemu.Firmware
    http: bool = False


FIRMWARE = {"bios-ipxe": Kind("bios"), "uefi-pxe": Kind("uefi"), "uefi-http": Kind("uefi", http=True)}
SETTINGS = {
    "authoritative": "",
    "proxy": '[dhcp]\nmode = "proxy"\n',
    "relay": RELAYED,
    "dnsmasq-relay": RELAYED,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: the service's socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="n-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def ip(*words: str) -> None:
    run.run(["ip", *words])


def neighbour(name: str, address: str) -> tuple[str, ...]:
    """A machine of somebody else on the LAN; the words before its commands."""
    ip("netns", "add", name)
    plug(name, "eth0", network.BRIDGE, address)
    ip("-n", name, "link", "set", "lo", "up")
    return ("ip", "netns", "exec", name)


def plug(name: str, card: str, bridge: str, address: str) -> None:
    port = f"{name[:8]}-{card}"
    ip("link", "add", port, "type", "veth", "peer", "name", card, "netns", name)
    ip("link", "set", port, "master", bridge, "up")
    ip("-n", name, "link", "set", card, "up")
    ip("-n", name, "address", "add", address, "dev", card)


def surround(lan: str, folder: Path, stack: ExitStack) -> None:
    """What else is on this kind of LAN."""
    run.run(["mount", "-t", "tmpfs", "none", "/run"])
    if lan == "proxy":
        into = neighbour("site", "10.77.0.250/24")
        argv = [*into, "dnsmasq", *DNSMASQ, "--dhcp-range=10.77.0.200,10.77.0.239,10m"]
        stack.enter_context(run.running(argv, log=folder / "site.log"))
    if lan.endswith("relay"):
        ip("link", "add", FAR, "type", "bridge")
        ip("link", "set", FAR, "up")
        into = neighbour("relay", "10.77.0.2/24")
        plug("relay", "eth1", FAR, "10.79.0.1/24")
        run.run([*into, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
        ip("route", "add", "10.79.0.0/24", "via", "10.77.0.2")
        relays = {
            "relay": ("dhcrelay", "-4", "-d", "-a", "-id", "eth1", "-iu", "eth0", "10.77.0.1"),
            "dnsmasq-relay": ("dnsmasq", *PLAIN, "--dhcp-relay=10.79.0.1,10.77.0.1"),
        }
        stack.enter_context(run.running([*into, *relays[lan]], log=folder / "relay.log"))


def host(made: network.Lan, folder: Path, password: str, kind: Kind) -> machine.Machine:
    machine.fill(folder / "disk", DISK)
    described = qemu.MachineSpec(
        NAME,
        MAC,
        (qemu.Disk(folder / "disk", "LABDISK1"),),
        firmware=kind.firmware,
        http_boot=kind.http,
        serial_number=SERIAL,
    )
    bmc = BmcAddress("ipmi", made.bmc(NAME), 623, user=USER, password=password, name=NAME)
    accelerator = qemu.choose_accelerator(CACHE / "accelerator.json")
    return machine.Machine(described, folder / NAME, tap=made.tap(NAME), bmc=bmc, accelerator=accelerator)


def serve(folder: Path, settings: str, stack: ExitStack) -> Service:
    stocked = supplies.provide(CACHE, print)
    state, keys = folder / "state", [stocked.public_key]
    (state / "keys").mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    shutil.copy(keys[0], state / "keys")
    ramdisk.build(state / "ramdisk", cache=CACHE / "ramdisk", keys=keys)
    (folder / "provisioner.toml").write_text(settings)
    where = {"interface": network.BRIDGE, "address": network.ADDRESS}
    made = Service(state, folder / "service.log", settings=folder / "provisioner.toml", **where)
    stack.enter_context(made)
    made.client.add_image(stocked.pack)
    made.client.apply([], [Profile(name="lab", image=stocked.image, deadlines=DEADLINES)])
    return made


def netboot(lan: str, kind: Kind, folder: Path) -> list[str]:
    """Order a deployment that ends with the hello; the kinds of its events."""
    password = secrets.token_hex(8)
    with ExitStack() as stack:
        made = stack.enter_context(network.Lan())
        surround(lan, folder, stack)
        service = serve(folder, SETTINGS[lan], stack)
        found = stack.enter_context(host(made, folder, password, kind))
        if lan.endswith("relay"):
            ip("link", "set", made.tap(NAME), "master", FAR)
        client = service.client
        client.put_secret(USER, USER, password)
        bmc = Bmc(driver="ipmi", address=found.bmc_address, secret=USER)
        client.apply([Host(name=NAME, macs=(MAC,), profile="lab", bmc=bmc, serial=SERIAL)], [])
        began = time.monotonic()
        ident = client.arm(NAME, yes=True, stop_after="netbooting").id
        kinds = [event.kind for news in client.follow(ident) for event in news.events]
        row = client.deployment(ident)
        found.cut_power()
        said = found.serial_log.read_text(errors="replace")[-1500:]
        assert row.reason == "stopped after netbooting, as ordered", (row, service.tail(15), said)
        assert evidence.is_untouched(found.disks[0]), "nothing was written"
        print(f"measured: {lan}, {kind}: hello after {time.monotonic() - began:.0f} s")
        return kinds


@pytest.mark.parametrize("lan", SETTINGS)
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_a_machine_boots_to_the_agents_hello(folder: Path, firmware: str, lan: str) -> None:
    if not network.inside():
        return again_inside(f"test_a_machine_boots_to_the_agents_hello[{firmware}-{lan}]")
    kinds = netboot(lan, FIRMWARE[firmware], folder)
    order = ["dhcp.seen", "script.served", "agent.hello"]
    assert [kind for kind in kinds if kind in order] == order
    return None


def again_inside(test: str) -> None:
    """Run this very test by another pytest in the lab's namespaces; what needs a network comes before."""
    network.check()
    supplies.stock(CACHE, print)
    options = ["-q", "-rP", "-p", "no:cacheprovider", "-o", "timeout=1700", f"{__file__}::{test}"]
    argv = [*namespaces.UNSHARE, sys.executable, "-m", "pytest", *options]
    done = run.run(argv, env={network.MARK: "1"}, cwd=ROOT, timeout=1750, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0 and "1 passed" in said, said
    print(*(line for line in said.splitlines() if line.startswith("measured: ")), sep="\n")
