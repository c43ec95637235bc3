"""The DHCP loop against dhclient, udhcpc and hostile datagrams, in a network namespace of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner import run

ROOT = str(Path(__file__).parents[4])
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]

# Runs inside `unshare --user --map-root-user --net --mount`: the service at one end of a veth pair, the
# clients in a second namespace at the other end.
PRELUDE = """
import json, os, socket, sys, threading
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from provisioner import run
from provisioner.errors import ServiceError
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.listener import DhcpListener
from provisioner.services.dhcp.loop import DhcpLoop
from provisioner.services.dhcp.policy import DhcpConfig, ClientRoles, answer
from provisioner.services.dhcp.request import sighting
from provisioner.services.dhcp.router_advert import RouterAdvertiser

FOLDER, SERVER = Path(sys.argv[1]), IPv4Address("10.77.0.1")
MAC = "52:54:00:00:00:0a"
run.run(["mount", "-t", "tmpfs", "none", "/run"])
for words in ("link set lo up", "netns add far", "link add near type veth peer name eth0",
              f"link set eth0 address {MAC} netns far", "addr add 10.77.0.1/24 dev near", "link set near up",
              "-n far link set eth0 up", "link add other type bridge", "link set other up"):
    run.run(["ip", *words.split()])

network = IPv4Network("10.77.0.0/24")
config = DhcpConfig(SERVER, network, "http://10.77.0.1", router=SERVER, domain="test.local")
leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.110"))
sightings, idles, told, out = [], [], threading.Condition(), {}

def observe(packet, info, now, reply):
    seen = sighting(packet, now, reply.packet if reply else None)
    if not seen:
        return
    with told:
        sightings.append(seen)
        told.notify_all()
    if seen.hostname == "breaks":
        raise RuntimeError("the store is gone")

def idle():
    with told:
        idles.append(len(sightings))
        told.notify_all()
    raise RuntimeError("the store is gone, too")

def wait(test):
    with told:
        assert told.wait_for(test, 10), [seen.message for seen in sightings]

def far(*argv, check=True):
    return run.run(["ip", "netns", "exec", "far", *argv], check=check, timeout=30)

def respond(packet, info, now):
    return answer(packet, config, leases, ClientRoles(), now)

loop = DhcpLoop([DhcpListener("near", SERVER)], respond, observe, idle)
thread = threading.Thread(target=loop.run, daemon=True)
thread.start()
"""

EPILOGUE = """
assert thread.is_alive()
loop.stop()
thread.join(5)
assert not thread.is_alive()
loop.close()
out["sightings"] = [[seen.message, seen.mac, seen.ip, seen.hostname, seen.vendor_class] for seen in sightings]
print(json.dumps(out))
"""


def inside(tmp_path: Path, script: str) -> dict[str, Any]:
    """Run the script between prelude and epilogue; what it left in `out`."""
    done = run.run(
        [*UNSHARE, sys.executable, "-c", PRELUDE + script + EPILOGUE, str(tmp_path)],
        timeout=90,
        env={"PYTHONPATH": ROOT},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"log": done.stderr.decode()}


DHCLIENT = """
script = FOLDER / "script"
script.write_text(f'#!/bin/sh\\n[ "$reason" = PREINIT ] || env > {FOLDER}/env\\nexit 0\\n')
script.chmod(0o755)
(FOLDER / "conf").write_text('send host-name "cube-7"; timeout 10;')
files = ["-sf", str(script), "-cf", f"{FOLDER}/conf", "-lf", f"{FOLDER}/leases",
         "-pf", f"{FOLDER}/pid", "eth0"]
client = run.start(["ip", "netns", "exec", "far", "dhclient", "-1", "-v", "-d", *files], log=FOLDER / "log")
wait(lambda: [seen.message for seen in sightings] == ["discover", "request"])
wait(lambda: idles)
out["first"] = leases.lease(MAC).bound
run.stop(client)
out["env"] = (FOLDER / "env").read_text()
"""


def test_dhclient_gets_a_lease(tmp_path: Path) -> None:
    out = inside(tmp_path, DHCLIENT)
    assert out["first"]
    environment = dict(line.split("=", 1) for line in out["env"].splitlines() if "=" in line)
    assert environment["new_ip_address"] == "10.77.0.100"
    assert environment["new_subnet_mask"] == "255.255.255.0"
    assert environment["new_routers"] == environment["new_dhcp_server_identifier"] == "10.77.0.1"
    assert environment["new_domain_name"] == "test.local"
    assert environment["new_dhcp_lease_time"] == "3600"
    assert "new_filename" not in environment
    assert out["sightings"][0] == ["discover", "52:54:00:00:00:0a", "10.77.0.100", "cube-7", ""]


UDHCPC = """
script = FOLDER / "script"
script.write_text('#!/bin/sh\\ncase $1 in bound|renew) ip addr replace $ip/$mask dev $interface;; esac\\n'
    f'env >> {FOLDER}/env.$1\\n')
script.chmod(0o755)
argv = ["busybox", "udhcpc", "-f", "-i", "eth0", "-s", str(script), "-T", "1", "-t", "5", "-R"]
far(*argv, "-q", "-n", "-x", "hostname:breaks", "-r", "192.168.9.9")
wait(lambda: [seen.message for seen in sightings] == ["discover", "request"])
client = run.start(["ip", "netns", "exec", "far", *argv], log=FOLDER / "log")
wait(lambda: len(sightings) == 4)
while not (FOLDER / "env.bound").read_text().count("\\nip=") == 2:
    threading.Event().wait(0.05)
client.send_signal(10)  # SIGUSR1: renew, by unicast
while not (FOLDER / "env.renew").exists():
    threading.Event().wait(0.05)
run.stop(client)
wait(lambda: sightings[-1].message == "release")
out["bound"] = (FOLDER / "env.bound").read_text()
out["renew"] = (FOLDER / "env.renew").read_text()
"""


def test_udhcpc_gets_renews_and_releases_although_every_callback_fails(tmp_path: Path) -> None:
    out = inside(tmp_path, UDHCPC)
    assert out["bound"].count("\nip=10.77.0.100\n") == 2
    assert "\nip=10.77.0.100\n" in out["renew"]
    kinds = [seen[0] for seen in out["sightings"]]
    # udhcpc may miss the answer to its unicast renewal: it comes before the sending socket is closed
    assert kinds in [["discover", "request"] * 2 + ["request"] * times + ["release"] for times in (1, 2)]
    assert "the store is gone" in out["log"]


HOSTILE = """
import random
random.seed(4)
good = bytes.fromhex("0101060000000007" + "00" * 20 + "525400000099" + "00" * 10 + "00" * 192 + "63825363")
cases = [b"", b"x", bytes(236), bytes(240), good[:-1], good, good + b"\\x35", good + b"\\x35\\x01",
         good + b"\\xff",
         good + b"\\x35\\x01\\x01\\x34\\x01\\x03", good + b"\\x35\\x01\\x63", good + b"\\x0c\\xff" * 200,
         b"\\x02" + good[1:] + b"\\x35\\x01\\x02\\xff", good[:1] + b"\\xff\\xff" + good[3:],
         good + b"\\x35\\x01\\x01\\x4d\\xff" + b"\\xff" * 255 + b"\\x61\\x02\\x00\\x00\\xff",
         good + bytes(8000)]
cases += [good + random.randbytes(random.randrange(300)) for _ in range(200)]
cases += [random.randbytes(random.randrange(600)) for _ in range(100)]
sender = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
sender += "s.setsockopt(1, 6, 1); s.setsockopt(1, 25, b'eth0'); s.bind(('', 68)); "
sender += "[s.sendto(bytes.fromhex(line.strip()), ('255.255.255.255', 67)) for line in open(sys.argv[1])]"
(FOLDER / "cases").write_text("".join(case.hex() + "\\n" for case in cases))
run.run(["ip", "-n", "far", "addr", "add", "10.77.0.9/24", "dev", "eth0"])
far(sys.executable, "-c", sender, str(FOLDER / "cases"))
run.run(["ip", "-n", "far", "addr", "flush", "dev", "eth0"])
argv = ["busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true", "-T", "1", "-t", "5"]
done = far(*argv, check=False)
out["lease"] = done.stderr.decode()
"""


def test_hostile_datagrams_do_not_end_the_loop(tmp_path: Path) -> None:
    out = inside(tmp_path, HOSTILE)
    assert "obtained" in out["lease"]
    assert 1 <= out["log"].count("bytes: ") <= 30, "complaints are limited"


BIND = """
def fault(*arguments, **options):
    try:
        DhcpLoop([DhcpListener(*arguments)], respond, observe, **options)
    except ServiceError as error:
        return [str(error), error.hint, error.code]

out["taken"] = fault("near", SERVER)
out["missing"] = fault("eth9", SERVER)
second = DhcpLoop([DhcpListener("other", SERVER)], respond, observe)  # another interface, the same port
second.close()
"""


def test_a_taken_port_and_a_missing_interface_are_said_in_words(tmp_path: Path) -> None:
    out = inside(tmp_path, BIND)
    assert out["taken"][2] == 602 and "in use" in out["taken"][0] and "ss -lunp" in out["taken"][1]
    assert out["missing"][2] == 605 and "eth9" in out["missing"][0]


def test_a_missing_privilege_is_said_in_words() -> None:
    script = """
import os, socket
from ipaddress import IPv4Address
from provisioner.errors import ServiceError
from provisioner.services.dhcp.listener import DhcpListener
from provisioner.services.dhcp.loop import DhcpLoop
if not os.getuid():
    os.setresuid(65534, 65534, 65534)
try:
    DhcpLoop([DhcpListener("lo", IPv4Address("127.0.0.1"))], lambda *asked: None, lambda *seen: None)
except ServiceError as error:
    print(error.code, error.hint)
"""
    done = run.run([sys.executable, "-c", script], env={"PYTHONPATH": ROOT})
    assert done.stdout.startswith(b"603 ") and b"CAP_NET_BIND_SERVICE" in done.stdout


ADVERT = """
sender = '''
import socket, struct
index = socket.if_nametoindex("eth0")
link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
link.settimeout(1)
while True:
    try:
        link.sendto(struct.pack("!BBHI", 133, 0, 0, 0), ("ff02::2", 0, 0, index))
        data = link.recv(2000)
        while data[0] != 134:
            data = link.recv(2000)
        break
    except OSError:  # the interface still checks its own address
        pass
print(data.hex())
'''
advert = RouterAdvertiser("near")
adverting = threading.Thread(target=advert.run, daemon=True)
adverting.start()
out["advert"] = far(sys.executable, "-c", sender).stdout.decode().strip()
advert.stop()
adverting.join(5)
assert not adverting.is_alive()
advert.close()
out["routes"] = run.text(["ip", "-n", "far", "-6", "route", "show", "default"])
"""


def test_a_router_solicitation_is_told_that_there_is_no_router(tmp_path: Path) -> None:
    out = inside(tmp_path, ADVERT)
    advert = bytes.fromhex(out["advert"])
    assert (advert[0], advert[5], advert[6:8], len(advert)) == (134, 0, b"\0\0", 16)
    assert out["routes"] == ""


@pytest.mark.parametrize("interface", ["eth9"])
def test_without_an_interface_the_advert_is_only_missing(
    interface: str, caplog: pytest.LogCaptureFixture
) -> None:
    from provisioner.services.dhcp.router_advert import RouterAdvertiser

    advert = RouterAdvertiser(interface)
    advert.run()
    advert.close()
    assert "iPXE waits" in caplog.text
