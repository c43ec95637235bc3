"""A LAN with machines that are network namespaces: DHCP servers, relays and clients of others."""

from __future__ import annotations

import itertools
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import run

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Inside, Namespace

MACHINES = "/run/netns"
LIMIT = 20.0  # seconds for what takes a few
DHCP_PROGRAMS = Path(__file__).parent / "services" / "dhcp" / "programs"


class Lab:
    """Machines on the bridge lan0 of a namespace."""

    def __init__(self, lan: Namespace, folder: Path, stack: ExitStack) -> None:
        self.lan, self.folder, self._stack = lan, folder, stack
        self._names = itertools.count(1)
        self.run("mount", "-t", "tmpfs", "none", "/run")
        self.run("mount", "-t", "tmpfs", "none", "/var/lib/misc")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=0")

    @classmethod
    def again(cls, other: Lab, stack: ExitStack) -> Lab:
        """The same LAN, with machines that are taken away when `stack` ends."""
        made = cls.__new__(cls)
        made.lan, made.folder, made._stack, made._names = other.lan, other.folder, stack, other._names
        return made

    def run(self, *words: str | Path, check: bool = True) -> CommandResult:
        """On the service's machine."""
        result = self.lan.run(*words)
        assert result.code == 0 or not check, f"{words}: {result.err} {result.out}"
        return result

    def machine(self, name: str, mac: str = "", address: str = "", bridge: str = "lan0") -> Machine:
        """A new one with a card eth0 on the bridge."""
        number = next(self._names)
        port = f"p{number}"
        self.run("ip", "netns", "add", name)
        mac = mac or f"52:54:00:aa:00:{number:02x}"
        self.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        self.run("ip", "link", "set", port, "master", bridge, "up")
        made = Machine(self, name, mac)
        made.run("ip", "link", "set", "lo", "up")
        made.run("ip", "link", "set", "eth0", "address", mac, "up")
        if address:
            made.run("ip", "address", "add", address, "dev", "eth0")
        self._stack.callback(self.run, "ip", "link", "delete", port)
        return made

    def plug(self, machine: Machine, card: str, bridge: str) -> None:
        """A second card of a machine."""
        port = f"p{next(self._names)}"
        words = ("veth", "peer", "name", card, "netns", machine.name)
        self.run("ip", "link", "add", port, "type", *words)
        self.run("ip", "link", "set", port, "master", bridge, "up")
        machine.run("ip", "link", "set", card, "up")

    def bridge(self, name: str, address: str = "") -> None:
        """A second network of the service's machine."""
        self.run("ip", "link", "add", name, "type", "bridge")
        self.run("ip", "link", "set", name, "up")
        if address:
            self.run("ip", "address", "add", address, "dev", name)

    def keep(self, process: run.Process) -> run.Process:
        """End it at the end."""
        self._stack.callback(run.stop, process)
        return process


class Machine:
    """One namespace."""

    def __init__(self, lab: Lab, name: str, mac: str) -> None:
        self.lab, self.name, self.mac = lab, name, mac

    def argv(self, *words: str | Path) -> list[str]:
        return self.lab.lan.argv("ip", "netns", "exec", self.name, *words)

    def run(self, *words: str | Path, check: bool = True) -> CommandResult:
        return self.lab.run("ip", "netns", "exec", self.name, *words, check=check)

    def start(self, *words: str | Path) -> run.Process:
        """A program that is ended with the lab; what it says is in `log`."""
        return self.lab.keep(run.start(self.argv(*words), log=self.log))

    @property
    def log(self) -> Path:
        return self.lab.folder / f"{self.name}.log"

    def dnsmasq(self, *options: str) -> run.Process:
        """A DHCP server of somebody else; it answers when this returns."""
        before = self.log.read_text().count("DHCP") if self.log.exists() else 0
        files = (f"--dhcp-leasefile={self.lab.folder}/{self.name}.leases", "--conf-file=/dev/null")
        own = (
            "--no-daemon",
            "--port=0",
            "--user=root",
            "--log-dhcp",
            "--interface=eth0",
            "--bind-interfaces",
        )
        started = self.start("dnsmasq", *own, *files, *options)
        self.await_log("DHCP", before + 1)
        return started

    def await_log(self, text: str, times: int = 1) -> None:
        """Until its log has a text so often."""
        until = time.monotonic() + LIMIT
        while not (self.log.exists() and self.log.read_text().count(text) >= times):
            assert time.monotonic() < until, self.log.read_text() if self.log.exists() else "it said nothing"
            time.sleep(0.05)

    def ask(self, packet: str, seconds: float = 1.0) -> list[dict[str, Any]]:
        """Send a recorded packet from its own card; every answer."""
        result = self.run(sys.executable, DHCP_PROGRAMS / "client.py", packet, str(seconds))
        return [json.loads(line) for line in result.out.splitlines()]

    def answers(self, packet: str) -> list[dict[str, Any]]:
        """Likewise where somebody answers: asked again until he does, as firmware asks."""
        for _ in range(5):
            if result := self.ask(packet):
                return result
        return []

    def udhcpc(self, *options: str) -> str:
        """Get an address with busybox and keep it; the address."""
        script = self.lab.folder / "udhcpc.script"
        script.write_text(
            "#!/bin/sh\ncase $1 in bound|renew) ip address replace $ip/$mask dev $interface;; esac\n"
        )
        script.chmod(0o755)
        words = ("busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", str(script), "-T", "1", "-t", "8")
        result = self.run(*words, *options)
        return result.err.partition("lease of ")[2].split()[0]

    def curl(self, url: str) -> str:
        """What a URL answers to it."""
        return self.run("curl", "-sS", "--max-time", "10", url).out


def recorded(name: str) -> str:
    """A request of real firmware as it was on the wire, hexadecimal."""
    place = Path(__file__).parents[1] / "golden" / "dhcp" / f"{name}.txt"
    return dict(line.split(": ", 1) for line in place.read_text().splitlines())["request"]


def put_boot_files(state: Path) -> None:
    """What every site has after `provision ramdisk build`, in small."""
    (state / "ramdisk").mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("snponly.efi", "undionly.kpxe"):
        (state / "ramdisk" / name).write_bytes(name.encode() * 1000)


def serve(lan: Namespace, inside: type[Inside], folder: Path, settings: str, stack: ExitStack) -> Inside:
    """The service on that LAN."""
    return stack.enter_context(inside(lan, folder, settings))
