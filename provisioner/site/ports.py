"""Who has the ports of the services: us, somebody else, or nobody; as `ss` (iproute2) tells it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner import run
from provisioner.settings import Settings
from provisioner.state.alive import ServingMark

OURS = {b"provision", b"provisioner"}  # `python -m provisioner serve …`, `/usr/bin/provision serve …`
SERVED = {"dhcp": (("udp", 67),), "tftp": (("udp", 69),), "dns": (("udp", 53), ("tcp", 53))}


@dataclass(frozen=True)
class Port:
    """A port of one of our services, on each of our addresses; `holder` is in words, empty for nobody."""

    service: str
    kind: str
    number: int
    holder: str = ""
    is_ours: bool = False

    def __str__(self) -> str:
        return f"{self.number}/{self.kind}"


def look(settings: Settings) -> list[Port]:
    """Every port that these settings need, with whoever has it. Raises ProgramError without `ss`."""
    own = {str(address) for address in settings.addresses} | {"0.0.0.0", "*", "[::]"}  # noqa: S104  as ss says
    interfaces = {"", settings.interface, *(network.interface for network in settings.networks)}
    return [_find(settings, *wanted, own, interfaces) for wanted in _wanted(settings)]


def _wanted(settings: Settings) -> Iterator[tuple[str, str, int]]:
    for service in settings.services:
        for kind, number in SERVED.get(service, ()):
            yield service, kind, number
    if "web" in settings.services:
        yield "web", "tcp", settings.http_port
        if settings.https_port:
            yield "api", "tcp", settings.https_port


def _find(
    settings: Settings, service: str, kind: str, number: int, own: set[str], interfaces: set[str]
) -> Port:
    """Only sockets count that would be in our way: of all addresses or one of ours, on no other interface."""
    listed = run.text(["ss", "-H", "-l", "-n", "-p", f"--{kind}", f"sport = :{number}"])
    for line in listed.splitlines():  # State Recv-Q Send-Q Local:Port Peer:Port [Process], ss(8)
        words = line.split()
        address, _, interface = words[3].rpartition(":")[0].partition("%")
        if address in own and interface in interfaces:
            holder, is_ours = _holder(words[5]) if len(words) > 5 else _unseen(settings, service)
            return Port(service, kind, number, holder, is_ours)
    return Port(service, kind, number)


def _unseen(settings: Settings, service: str) -> tuple[str, bool]:
    """Likewise of a process that we may not look at, as systemd's units may not look at each other."""
    process = ServingMark(settings.state, service).process()
    if process and Path(f"/proc/{process}").exists():
        return f"process {process}", True
    return "a process that only root may see", False


def _holder(processes: str) -> tuple[str, bool]:
    """In words, and whether one is the service's; systemd may have it, too: `users:(("x",pid=7,fd=3))`."""
    found = re.findall(r'\("([^"]*)",pid=(\d+)', processes)
    ours = [(name, pid) for name, pid in found if _is_ours(pid)]
    for name, pid in ours or found:
        return f"{name}, process {pid}", bool(ours)
    return "a process that only root may see", False


def _is_ours(pid: str) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in arguments and any(word.rpartition(b"/")[2] in OURS for word in arguments)
