"""The service beside, and for, the site's own DHCP server: dnsmasq, Kea and ISC dhcpd, for real."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.cli import net_check
from provisioner.services.dhcp.packet import Option, Packet
from tests.wire import conftest
from tests.wire.dhcplab import Lab, Machine, put_boot_files, recorded

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World

PROGRAMS = Path(__file__).with_name("programs")

SITE = "10.77.0.250"
RANGE = "--dhcp-range=10.77.0.200,10.77.0.239,5m"
EXTERNAL = '[dhcp]\nmode = "external"\ntime_server = "10.77.0.1"\n'
PROXY = """
[dhcp]
mode = "proxy"
[[networks]]
name = "rack-b"
subnet = "10.79.0.0/24"
range = { first = "10.79.0.100", last = "10.79.0.139" }
"""
RAMDISK, DISK = "kernel http://10.77.0.1/boot/files/vmlinuz", "# Boot this machine's own disk."
# Asks the boot server as PXE firmware does that was sent there, and prints what comes back.


def started(folder: Path, settings: str, stack: ExitStack) -> tuple[Lab, World]:
    lan = stack.enter_context(conftest.namespace())
    made = Lab(lan, folder, stack)
    service = stack.enter_context(conftest.Inside(lan, folder, settings))
    world = conftest.World(lan, service, folder)
    stack.callback(world.site.database.close)
    put_boot_files(world.state)
    world.apply([], [{"name": "cube", "image": "vault-os"}])
    pack = conftest.make_pack(folder)
    for words in (("trust", folder / "release.pub"), ("add", pack)):
        assert world.provision("image", *words).code == 0
    return made, world


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World, Machine]]:
    """In proxy mode, beside a dnsmasq that knows nothing of it."""
    with ExitStack() as stack:
        made, world = started(tmp_path_factory.mktemp("proxy"), PROXY, stack)
        site = made.machine("site", address=f"{SITE}/24")
        site.dnsmasq(RANGE, "--dhcp-range=10.79.0.100,10.79.0.139,255.255.255.0,5m", "--no-ping")
        yield made, world, site


def armed(world: World, mac: str) -> Puppet:
    host = world.add_host(macs=[mac])
    world.apply([{"name": host.name, "macs": [mac], "profile": "cube"}], [])
    host.mac = mac
    host.arm()
    return host


@pytest.mark.parametrize("name", ["ovmf-pxe-discover", "seabios-ipxe-discover", "ovmf-http-discover"])
def test_a_machine_gets_its_address_from_the_site_and_its_file_from_us(
    proxy: tuple[Lab, World, Machine], name: str
) -> None:
    made, _, _ = proxy
    answers = {
        one["from"]: one for one in made.machine(f"rom-{name[:6]}{len(name)}").ask(recorded(name), 3.0)
    }
    assert answers[SITE]["address"].startswith("10.77.0.2") and not answers[SITE]["file"]
    ours = answers["10.77.0.1"]
    assert (ours["message"], ours["address"], ours["to"]) == ("OFFER", "0.0.0.0", "255.255.255.255")
    named = bytes.fromhex(ours["options"]["67"]).decode()
    wanted = {
        "ovmf-pxe-discover": "snponly.efi",
        "seabios-ipxe-discover": "http://10.77.0.1/boot/52-54-",
        "ovmf-http-discover": "http://10.77.0.1/boot/files/snponly.efi",
    }
    assert named.startswith(wanted[name])


def test_an_operating_system_hears_nothing_of_us(proxy: tuple[Lab, World, Machine]) -> None:
    made, _, _ = proxy
    client = made.machine("system")
    assert client.udhcpc().startswith("10.77.0.2")
    bare = recorded("ovmf-pxe-discover")
    packet = bytearray.fromhex(bare)
    packet[240:] = bytes.fromhex("350101ff")
    assert [one["from"] for one in client.ask(packet.hex(), 3.0)] == [SITE]


def test_the_boot_server_answers_on_its_own_port(proxy: tuple[Lab, World, Machine]) -> None:
    made, _, _ = proxy
    client = made.machine("asks4011", address="10.77.0.199/24")
    said = client.run(
        sys.executable,
        PROGRAMS / "boot_request.py",
        recorded("ovmf-pxe-discover"),
        client.mac,
    )
    assert said.out.strip() == "('10.77.0.1', 4011) ACK 0.0.0.0 snponly.efi"


def test_an_armed_host_is_seen_and_boots_from_whatever_address_the_site_gave_it(
    proxy: tuple[Lab, World, Machine],
) -> None:
    made, world, _ = proxy
    mac = "52:54:00:aa:07:01"
    client = made.machine("armed", mac=mac)
    host = armed(world, mac)
    client.ask(recorded("ovmf-pxe-discover"))
    assert world.await_event(host.row.id, "dhcp.seen").data.arch == 7
    address = client.udhcpc()
    url = f"http://10.77.0.1/boot/{mac}/boot.ipxe"
    assert RAMDISK in client.curl(url)
    assert world.await_event(host.row.id, "script.served").data.address == address
    other = made.machine("thief", address="10.77.0.198/24")
    assert DISK in other.curl(url) and RAMDISK not in other.curl(url)


def test_a_stranger_boots_its_disk(proxy: tuple[Lab, World, Machine]) -> None:
    made, _, _ = proxy
    client = made.machine("unknown")
    client.udhcpc()
    assert DISK in client.curl(f"http://10.77.0.1/boot/{client.mac}/boot.ipxe")


def inside(world: World, *words: str) -> conftest.CommandResult:
    """A command as root on the service's own machine."""
    return world.lan.provision(*words, "--state", str(world.service.state))


def test_the_check_finds_the_sites_server_and_nothing_wrong(proxy: tuple[Lab, World, Machine]) -> None:
    _, world, _ = proxy
    said = inside(world, "net", "check")
    assert said.code == 0, said.err
    assert "another server gives the addresses, this service the boot files" in said.out
    assert f"{SITE} (" in said.out and "✗" not in said.out
    assert "✓ x64 UEFI (7): 10.77.0.2" in said.out


def test_a_host_behind_the_sites_relay_boots_from_the_address_that_its_relayed_request_named(
    proxy: tuple[Lab, World, Machine],
) -> None:
    made, world, site = proxy
    made.bridge("far0")
    relay = made.machine("router", address="10.77.0.2/24")
    made.plug(relay, "eth1", "far0")
    relay.run("ip", "address", "add", "10.79.0.1/24", "dev", "eth1")
    relay.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    made.run("ip", "route", "add", "10.79.0.0/24", "via", "10.77.0.2")
    site.run("ip", "route", "add", "10.79.0.0/24", "via", "10.77.0.2")
    relay.start("dhcrelay", "-4", "-d", "-a", "-id", "eth1", "-iu", "eth0", SITE, "10.77.0.1")
    relay.await_log("Sending on")
    mac = "52:54:00:aa:07:09"
    client = made.machine("behind", mac=mac, bridge="far0")
    host = armed(world, mac)
    answers = {one["address"]: one for one in client.ask(recorded("ovmf-pxe-discover"), 3.0)}
    assert answers["0.0.0.0"]["file"] == "snponly.efi" and len(answers) == 2, (
        "the file is ours, the address theirs"
    )
    address = client.udhcpc()
    assert address.startswith("10.79.0.1")
    client.run("ip", "route", "add", "default", "via", "10.79.0.1")
    url = f"http://10.77.0.1/boot/{mac}/boot.ipxe"
    assert RAMDISK in client.curl(url)
    said = client.run(sys.executable, PROGRAMS / "boot_request.py", recorded("ovmf-pxe-discover"), mac)
    assert said.out.strip() == "('10.77.0.1', 4011) ACK 0.0.0.0 snponly.efi", "asked past the relay"
    client.run("ip", "address", "add", "10.79.0.222/24", "dev", "eth0")
    assert DISK in client.run("curl", "-sS", "--interface", "10.79.0.222", url).out
    assert "eth1" in world.provision("host", "show", host.name).out


# the site's own server does all


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, World]]:
    """In external mode, with a BMC among the known MACs."""
    with ExitStack() as stack:
        made, world = started(tmp_path_factory.mktemp("external"), EXTERNAL, stack)
        world.apply(
            [
                {
                    "name": "with-bmc",
                    "macs": ["52:54:00:bb:00:01"],
                    "profile": "cube",
                    "bmc": {"driver": "ipmi", "mac": "52:54:00:bb:00:02", "secret": "x"},
                }
            ],
            [],
        )
        file = made.folder / "chrony.conf"
        own = f"cmdport 0\nbindcmdaddress /\npidfile {made.folder}/chronyd.pid\n"
        file.write_text(printed(world, "chrony") + own)
        argv = world.lan.argv("chronyd", "-x", "-d", "-u", "root", "-f", str(file))
        made.keep(run.start(argv, log=made.folder / "chrony.log"))
        yield made, world


def printed(world: World, kind: str) -> str:
    said = world.provision("net", "print", "--for", kind)
    assert said.code == 0, said.err
    return said.out


def dnsmasq(made: Lab, world: World, server: Machine) -> None:
    file = made.folder / "provision.conf"
    file.write_text(printed(world, "dnsmasq"))
    assert "syntax check OK" in run.run(["dnsmasq", "--test", f"--conf-file={file}"]).stderr.decode()
    server.dnsmasq(RANGE, "--no-ping", f"--conf-file={file}")


def kea(made: Lab, world: World, server: Machine) -> None:
    file = made.folder / "kea.json"
    body: dict[str, Any] = json.loads(printed(world, "kea"))
    file.write_text(json.dumps(body))
    own = {"KEA_LOCKFILE_DIR": str(made.folder), "KEA_PIDFILE_DIR": str(made.folder)}
    run.run(["kea-dhcp4", "-t", file], env=own)
    body["Dhcp4"] |= {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile", "persist": False},
        "subnet4": [{"subnet": "10.77.0.0/24", "pools": [{"pool": "10.77.0.200-10.77.0.239"}]}],
        "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
    }
    file.write_text(json.dumps(body))
    server.start("env", *(f"{name}={value}" for name, value in own.items()), "kea-dhcp4", "-c", str(file))
    server.await_log("DHCP4_STARTED")


def isc(made: Lab, world: World, server: Machine) -> None:
    file, leases = made.folder / "dhcpd.conf", made.folder / "dhcpd.leases"
    text = printed(world, "isc")
    file.write_text(text)
    leases.touch()
    run.run(["dhcpd", "-t", "-cf", file])
    subnet = "subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.200 10.77.0.239; }\nping-check off;\n"
    file.write_text(text + subnet)
    files = ("-cf", str(file), "-lf", str(leases), "-pf", str(made.folder / "dhcpd.pid"))
    server.start("dhcpd", "-4", "-f", "-d", "--no-pid", *files, "eth0")
    server.await_log("Server starting service")


SERVERS = {"dnsmasq": dnsmasq, "kea": kea, "isc": isc}


@pytest.mark.parametrize("kind", SERVERS)
def test_the_sites_server_that_was_told_what_we_print_boots_every_machine(
    external: tuple[Lab, World], kind: str
) -> None:
    made, world = external
    with ExitStack() as stack:
        lab = Lab.again(made, stack)
        server = lab.machine(f"x{kind}", address="10.77.0.250/24")
        SERVERS[kind](lab, world, server)
        said = inside(world, "net", "check")
        assert said.code == 0, said.out + said.err
        assert said.out.count("Asked as  ✓") == 7 and "✗" not in said.out, said.out
        assert said.out.count("TFTP      ✓") == 2, said.out
        assert "Time      ✓ 10.77.0.1" in said.out, "chrony was told what we print"
        bmc = lab.machine(f"b{kind}", mac="52:54:00:bb:00:02")
        answers = [one for one in bmc.ask(recorded("ovmf-pxe-discover"), 3.0) if one["message"] == "OFFER"]
        assert answers and not any(one["file"] or "67" in one["options"] for one in answers)


ODD = {
    "PXEClient:Arch:00007:UNDI:003001": (None, "snponly.efi"),  # it says its architecture there only
    "PXEClient:Arch:00000:UNDI:002001": (None, "undionly.kpxe"),
    "PXEClient:Arch:00009:UNDI:003016": ("00090063", "snponly.efi"),  # and one more in option 93
    "PXEClient:Arch:00006:UNDI:003016": (None, ""),
}


def asking(vendor_class: str, architectures: str | None) -> str:
    """A DISCOVER of such firmware, hexadecimal."""
    packet = Packet.parse(bytes.fromhex(recorded("ovmf-pxe-discover")))
    del packet.options[Option.ARCHITECTURE]
    packet.options[Option.VENDOR_CLASS] = vendor_class.encode()
    if architectures:
        packet.options[Option.ARCHITECTURE] = bytes.fromhex(architectures)
    return packet.build().hex()


@pytest.mark.parametrize("kind", SERVERS)
def test_what_we_print_serves_old_and_odd_firmware_too(external: tuple[Lab, World], kind: str) -> None:
    made, world = external
    with ExitStack() as stack:
        lab = Lab.again(made, stack)
        server = lab.machine(f"y{kind}", address="10.77.0.250/24")
        SERVERS[kind](lab, world, server)
        for number, (vendor_class, (architectures, file)) in enumerate(ODD.items()):
            client = lab.machine(f"f{kind}{number}")
            [offer] = client.answers(asking(vendor_class, architectures))
            option = bytes.fromhex(offer["options"].get("67", "")).rstrip(b"\0").decode()
            assert (offer["message"], offer["file"] or option) == ("OFFER", file), vendor_class


def test_what_a_server_that_was_told_nothing_lacks_is_said(external: tuple[Lab, World]) -> None:
    made, world = external
    with ExitStack() as stack:
        lab = Lab.again(made, stack)
        lab.machine("bare", address="10.77.0.250/24").dnsmasq(RANGE, "--no-ping", "--dhcp-boot=pxelinux.0")
        said = inside(world, "net", "check")
    assert said.code == 3 and "(PV-671)" in said.err
    assert (
        "it is told to boot pxelinux.0 from 10.77.0.250; it must be undionly.kpxe from 10.77.0.1" in said.out
    )
    assert "which does not run there" in said.out
    assert "provision net print --for dnsmasq" in said.err


def test_a_lan_without_any_server_is_said(external: tuple[Lab, World]) -> None:
    _, world = external
    said = inside(world, "net", "check")
    assert said.code == 3 and said.out.count("no server offers it an address") == 7


def test_a_time_server_that_does_not_answer_is_said() -> None:
    assert "no answer by NTP" in net_check._time_fault("127.0.0.1")


def test_in_external_mode_machines_are_still_seen(external: tuple[Lab, World]) -> None:
    made, world = external
    mac = "52:54:00:aa:08:01"
    host = armed(world, mac)
    made.machine("heard", mac=mac).ask(recorded("ovmf-pxe-discover"), 0.2)
    assert world.await_event(host.row.id, "dhcp.seen").data.arch == 7
