"""The network inside the air gap: the mirror's address; what would go elsewhere is counted and refused."""

import json
import re
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner import run
from provisioner.errors import ProgramError, ServiceError

ADDRESS = "192.0.2.1"  # TEST-NET-1 (RFC 5737): nobody's; not loopback, which a guest would take for itself
ADDRESS6 = "2001:db8::1"  # RFC 3849
DEVICE, FAR_END = "gap0", "gap1"  # a cable that ends nowhere
HAS_IPV6 = Path("/proc/sys/net/ipv6/conf/all")
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
# Whoever resolves or fetches on behalf of others would do so outside.
SOCKETS = (
    *("/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/run/dbus/system_bus_socket"),
    *(
        "/run/avahi-daemon/socket",
        "/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/podman/podman.sock",
    ),
)
# Sets that remember each destination with its count, for `packets`; and the rules that fill them.
SETS = """\
  set ports4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }
  set ports6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; }
  set bare4 { type ipv4_addr . inet_proto; flags dynamic; size 65535; }
  set bare6 { type ipv6_addr . inet_proto; flags dynamic; size 65535; }"""
# A reset ends a connect() at once.
COUNT = """\
    meta l4proto { tcp, udp } update @ports4 { ip daddr . meta l4proto . th dport counter }
    meta l4proto { tcp, udp } update @ports6 { ip6 daddr . meta l4proto . th dport counter }
    meta l4proto != { tcp, udp } update @bare4 { ip daddr . meta l4proto counter }
    meta l4proto != { tcp, udp } update @bare6 { ip6 daddr . meta l4proto counter }
    meta l4proto tcp reject with tcp reset"""
# All routes that lead on end in gap0; networks that the command makes itself end in here and are its own.
# What the kernel says to its neighbours on the device (ICMPv6 to ff02::, IGMP) is no attempt of anybody.
RULES = f"""table inet gap {{
{SETS}
  chain elsewhere {{
    ip6 daddr ff02::/16 meta l4proto ipv6-icmp drop
    meta l4proto igmp drop
{COUNT}
    reject with icmpx admin-prohibited
  }}
  chain output {{ type filter hook output priority 0; oifname "gap0" jump elsewhere; }}
  chain forward {{ type filter hook forward priority 0; oifname "gap0" jump elsewhere; }}
}}"""


@dataclass(frozen=True)
class Attempt:
    """Something outside that was asked for: `name` of a DNS query, or `address` of a packet; port 0: none."""

    name: str
    address: str
    protocol: str
    port: int
    count: int

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        if self.name:
            return f"{self.name} (asked for by DNS {times})"
        port = f" port {self.port}" if self.port else ""
        return f"{self.address}{port} ({self.protocol}, {times})"

    def as_json(self) -> dict[str, str | int]:
        """The fields of this class; of `name` and `address` the one that is known."""
        return {key: value for key, value in asdict(self).items() if value != ""}


def build(name: str, folder: Path) -> None:
    """Make the network and the files that name it. Raises ServiceError (PV-658).

    Only in network and mount namespaces of our own: it routes everything into nothing.
    """
    try:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", DEVICE, "type", "veth", "peer", "name", FAR_END)
        _ip("link", "set", FAR_END, "up")
        _ip("address", "add", f"{ADDRESS}/32", "dev", DEVICE)
        _ip("link", "set", DEVICE, "up")
        _ip("route", "add", "default", "dev", DEVICE)
        if HAS_IPV6.is_dir() and (HAS_IPV6 / "disable_ipv6").read_text().strip() == "0":
            _ip("-6", "address", "add", f"{ADDRESS6}/128", "dev", DEVICE, "nodad")
            _ip(
                "-6", "route", "add", "default", "dev", DEVICE
            )  # without a route nothing would be sent, or seen
        run.run(["nft", RULES], timeout=10)
        _cover(name, folder)
    except ProgramError as fault:
        raise ServiceError(f"the air gap cannot be made: {fault}", code=658) from fault


def _cover(name: str, folder: Path) -> None:
    """This mount namespace's own resolver and hosts; sockets that lead out of it are dead."""
    host = socket.gethostname()
    switch = Path("/etc/nsswitch.conf")
    services = switch.read_text() if switch.is_file() else ""
    contents = {
        "/etc/resolv.conf": f"# inside the air gap only {name} is known\nnameserver {ADDRESS}\n",
        "/etc/hosts": f"127.0.0.1 localhost {host}\n::1 localhost {host}\n",
        "/etc/nsswitch.conf": re.sub(r"(?m)^hosts:.*$", "hosts: files dns", services),
    }
    for place, text in contents.items():
        if Path(place).is_file():
            made = folder / Path(place).name
            made.write_text(text)
            made.chmod(0o644)
            run.run(["mount", "--bind", made, Path(place).resolve()], timeout=10)
    for place in SOCKETS:
        if Path(place).exists():
            run.run(["mount", "--bind", "/dev/null", place], timeout=10)


def packets() -> list[Attempt]:
    """The packets that nftables' sets have counted, by address. Raises ProgramError."""
    body = json.loads(run.text(["nft", "-j", "list", "table", "inet", "gap"], timeout=10))
    attempts = []
    for entry in body["nftables"]:
        for row in entry.get("set", {}).get("elem", []):
            address, protocol, port = [*row["elem"]["val"]["concat"], 0][:3]
            count = int(row["elem"]["counter"]["packets"])
            attempts.append(Attempt("", str(address), _protocol(protocol), int(port), count))
    return sorted(attempts, key=lambda attempt: (attempt.address, attempt.port, attempt.protocol))


def _protocol(value: object) -> str:
    """nft prints a name where /etc/protocols has one."""
    return PROTOCOLS.get(value, str(value)) if isinstance(value, int) else str(value)


def _ip(*words: str) -> None:
    run.run(["ip", *words], timeout=10)
