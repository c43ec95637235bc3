"""The DHCP loop at one end of a veth pair, a client's namespace at the other.

For programs that run inside `unshare --user --map-root-user --net --mount`. `LoopLab` is entered, the
program does its part and leaves what it found in `results`, which is printed at the end as one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from subprocess import CompletedProcess

from provisioner import run
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.loop import DhcpLoop
from provisioner.services.dhcp.packet import Packet
from provisioner.services.dhcp.policy import ClientRoles, DhcpConfig, DhcpReply, answer
from provisioner.services.dhcp.request import sighting
from provisioner.state.sightings import ClientPacket

HERE = Path(__file__).parent
SERVER = IPv4Address("10.77.0.1")
MAC = "52:54:00:00:00:0a"
LINKS = (
    *("link set lo up", "netns add far", "link add near type veth peer name eth0"),
    *(f"link set eth0 address {MAC} netns far", "addr add 10.77.0.1/24 dev near", "link set near up"),
    *("-n far link set eth0 up", "link add other type bridge", "link set other up"),
)


class LoopLab:
    """Both ends. `folder` is the program's first argument."""

    def __init__(self) -> None:
        self.folder = Path(sys.argv[1])
        self.results: dict[str, object] = {}
        self.sightings: list[ClientPacket] = []
        self.idles = 0
        self.leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.110"))
        network = IPv4Network("10.77.0.0/24")
        self._config = DhcpConfig(SERVER, network, "http://10.77.0.1", router=SERVER, domain="test.local")
        self._changed = threading.Condition()

    def __enter__(self) -> LoopLab:
        run.run(["mount", "-t", "tmpfs", "none", "/run"])
        for words in LINKS:
            run.run(["ip", *words.split()])
        self._loop = DhcpLoop([DhcpListener("near", SERVER)], self.respond, self.observe, self._idle)
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            return
        assert self._thread.is_alive()
        self._loop.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._loop.close()
        seen = [[s.message, s.mac, s.ip, s.hostname, s.vendor_class] for s in self.sightings]
        print(json.dumps({**self.results, "sightings": seen}))

    def respond(self, packet: Packet, info: PacketInfo, now: float) -> DhcpReply | None:
        """The policy."""
        return answer(packet, self._config, self.leases, ClientRoles(), now)

    def observe(self, packet: Packet, info: PacketInfo, now: float, reply: DhcpReply | None) -> None:
        """Keeps every sighting, and fails on a host that is called `breaks`."""
        seen = sighting(packet, now, reply.packet if reply else None)
        if not seen:
            return
        with self._changed:
            self.sightings.append(seen)
            self._changed.notify_all()
        if seen.hostname == "breaks":
            raise RuntimeError("the store is gone")

    def _idle(self) -> None:
        with self._changed:
            self.idles += 1
            self._changed.notify_all()
        raise RuntimeError("the store is gone, too")

    def messages(self) -> list[str]:
        """Which messages were seen, in order."""
        return [seen.message for seen in self.sightings]

    def wait(self, test: Callable[[], object]) -> None:
        """Until it holds; at most 10 s."""
        with self._changed:
            assert self._changed.wait_for(test, 10), self.messages()

    def client(self, *argv: str | Path, check: bool = True) -> CompletedProcess[bytes]:
        """Run a program in the client's namespace to its end."""
        return run.run(["ip", "netns", "exec", "far", *argv], check=check, timeout=30)

    def start(self, *argv: str | Path) -> run.Process:
        """Start one there."""
        return run.start(["ip", "netns", "exec", "far", *argv], log=self.folder / "log")

    def program(self, name: str, *argv: str | Path) -> CompletedProcess[bytes]:
        """Run a program of this folder there."""
        return self.client(sys.executable, HERE / f"{name}.py", *argv)
