"""DHCP exchanges with leases stored, ours, dnsmasq's and Kea's, asked by Kea's perfdhcp (B8)."""

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from bench.measure import Measurement
from bench.rows import LanBench, Row
from provisioner import run
from provisioner.services.dhcp.conflict_detection import ECHO_TIMEOUT

MACS = 1000
RATES = (500, 1000, 2000, 3000, *range(4000, 24000, 1000))  # exchanges a second
STEP = 2.0  # seconds at each rate
LOST = 0.001  # share of exchanges that may be lost before a rate counts as too much
STEADY = 2000
WAIT = 0.5  # seconds that perfdhcp listens on after its last packet; it counts them as work
# where addresses are new: perfdhcp asks as a relay does, and behind one an offer waits for an echo this long
FIRST_WAIT = 4 * ECHO_TIMEOUT
SERVER = "10.77.0.1"
NETWORK = "10.77.0.1/20"
POOL = ("10.77.8.0", "10.77.11.255")  # our third quarter of the network
TICKS = os.sysconf("SC_CLK_TCK")


class Wire:
    """Two namespaces and a veth pair between; the server in the first, perfdhcp in the second."""

    def __init__(self, stack: ExitStack) -> None:
        names = [f"dhcp{os.getpid()}{end}" for end in "sc"]
        for name in names:
            run.run(["ip", "netns", "add", name])
            stack.callback(run.run, ["ip", "netns", "delete", name], check=False)
        self.server, self.client = (("ip", "netns", "exec", name) for name in names)
        ends = ["type", "veth", "peer", "dv1", "netns", names[1]]
        run.run(["ip", "link", "add", "dv0", "netns", names[0], *ends])
        for within, device, address in ((self.server, "dv0", NETWORK), (self.client, "dv1", "10.77.0.8/20")):
            run.run([*within, "ip", "address", "add", address, "dev", device])
            run.run([*within, "ip", "link", "set", "lo", "up"])
            run.run([*within, "ip", "link", "set", device, "up"])

    def ask(self, rate: int, seconds: float, *more: str, wait: float = WAIT) -> str:
        """What perfdhcp writes of so many exchanges a second; `wait` in seconds after the last packet."""
        count = int(rate * seconds)
        # one thread: its second would have the core that the server needs
        words = ["-4", "-g", "single", "-l", "dv1", "-R", str(MACS), "-r", str(rate), "-n", str(count)]
        asked = [*self.client, "perfdhcp", *words, "-W", f"{wait * 1e6:.0f}", *more, SERVER]
        return run.run(asked, check=False, timeout=60 + 4 * seconds).stdout.decode()


@contextmanager
def ours(wire: Wire, folder: Path) -> Iterator[int]:
    """The DHCP service alone, as `provision serve` starts it."""
    words = ("--only", "dhcp", "--state", folder / "state", "--interface", "dv0", "--address", NETWORK)
    argv = [*wire.server, sys.executable, "-m", "provisioner", "serve", *map(str, words)]
    with _started(argv, folder / "ours.log", "answering on") as pid:
        yield pid


@contextmanager
def dnsmasq(wire: Wire, folder: Path, *more: str) -> Iterator[int]:
    """Told to do without its ping and its log; its leases lie in memory, as our state does."""
    own = ("--no-daemon", "--port=0", "--user=root", "--conf-file=/dev/null", "--interface=dv0", "-z")
    leases = folder / "dnsmasq.leases"
    leases.touch()
    quick = ("--no-ping", "--quiet-dhcp", "--dhcp-lease-max=2000", f"--dhcp-leasefile={leases}", *more)
    argv = [*wire.server, "dnsmasq", *own, *quick, f"--dhcp-range={','.join(POOL)},1h"]
    with _started(argv, folder / "dnsmasq.log", "DHCP, IP range") as pid:
        yield pid


def forgetful(wire: Wire, folder: Path) -> AbstractContextManager[int]:
    """dnsmasq without the file that it else writes anew, whole, for each lease."""
    return dnsmasq(wire, folder, "--leasefile-ro")


@contextmanager
def kea(wire: Wire, folder: Path) -> Iterator[int]:
    """With its lease file in memory, too; it appends a line for each lease."""
    file = folder / "kea.json"
    file.write_text(
        json.dumps(
            {
                "Dhcp4": {
                    "interfaces-config": {"interfaces": ["dv0"]},
                    "lease-database": {"type": "memfile", "persist": True, "name": f"{folder}/kea.csv"},
                    "valid-lifetime": 3600,
                    "subnet4": [
                        {"id": 1, "subnet": "10.77.0.0/20", "pools": [{"pool": " - ".join(POOL)}]},
                    ],
                    "loggers": [
                        {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]},
                    ],
                }
            }
        )
    )
    own = [f"KEA_PIDFILE_DIR={folder}", f"KEA_LOCKFILE_DIR={folder}"]
    argv = [*wire.server, "env", *own, "kea-dhcp4", "-c", str(file)]
    with _started(argv, folder / "kea.log", "DHCP4_STARTED") as pid:
        yield pid


@contextmanager
def _started(argv: list[str], log: Path, ready: str) -> Iterator[int]:
    log.unlink(missing_ok=True)
    process = run.start(argv, log=log)
    try:
        until = time.monotonic() + 30
        while ready not in log.read_text():
            assert time.monotonic() < until and process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield process.pid
    finally:
        run.stop(process)


def cpu(pid: int) -> float:
    """Processor seconds that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def lost(output: str) -> float:
    """The larger share of what was not answered, of DISCOVER and REQUEST."""
    sent = [int(number) for number in re.findall(r"sent packets: (\d+)", output)]
    got = [int(number) for number in re.findall(r"received packets: (\d+)", output)]
    return max((1 - g / s for s, g in zip(sent, got, strict=True) if s), default=1.0)


def capacity(wire: Wire) -> float:
    """The highest rate of RATES that loses nothing worth a word, as reached."""
    best = 0.0
    for rate in RATES:
        output = wire.ask(rate, STEP, "-d", "1")
        match = re.search(r"Rate: ([\d.]+) 4-way", output)
        if not match or lost(output) > LOST:
            break
        done = float(match[1])
        reached = done / max(0.1, 1 - WAIT * done / (rate * STEP))  # all that were sent, without the wait
        best = max(best, reached)
        if reached < 0.9 * rate:
            break  # perfdhcp itself, or the wire, has no more
    return best


def delays(output: str) -> list[float]:
    """Milliseconds of every answer, in order of size."""
    stamps = re.findall(r"sent / received: (\d+\.\d+) / (\d+\.\d+)", output)
    return sorted(1e3 * (float(received) - float(sent)) for sent, received in stamps)


WAYS: dict[str, Callable[[Wire, Path], AbstractContextManager[int]]] = {
    "ours": ours,
    "dnsmasq --no-ping": dnsmasq,
    "dnsmasq, no lease stored": forgetful,
    "Kea, memfile": kea,
}


def b8(lan: LanBench) -> Row:
    """Capacity with leases stored, then the delays at a steady rate."""
    measured = {name: Measurement(name) for name in WAYS}
    slow: dict[str, list[float]] = {name: [] for name in WAYS}
    with ExitStack() as stack:
        wire = Wire(stack)
        for number in range(lan.rounds):
            for place, (name, start) in enumerate(WAYS.items()):
                folder = lan.folder / f"b8-{number}-{place}"
                folder.mkdir()
                with start(wire, folder) as pid:
                    _round(wire, pid, measured[name], slow[name])
                amount, late = 1e4 / measured[name].seconds[-1], slow[name][-1]
                lan.log(f"  round {number + 1}: {name} {amount:.0f} exchanges/s, p99 {late:.2f} ms")
    mine, *others = measured.values()
    what = f"10,000 exchanges, {MACS} MACs, leases stored"
    row = Row("B8", what, "perfdhcp's one core: 13,000 to 17,000/s", [mine, *others])
    row.ratios = [
        (f"exchanges: ours / {peer.name}", peer.median / mine.median, "≥ 0.5" if peer is others[0] else "-")
        for peer in others
    ]
    row.ratios += [
        (f"{name}: p99 in ms at {STEADY}/s", statistics.median(slow[name]), "< 5" if name == "ours" else "-")
        for name in WAYS
    ]
    row.ratios += [(f"cpu at that rate: ours / {peer.name}", _cpu(mine) / _cpu(peer), "-") for peer in others]
    return row


def _round(wire: Wire, pid: int, way: Measurement, slow: list[float]) -> None:
    """Every MAC has its lease before anything is measured."""
    first = wire.ask(200, MACS / 200, "-d", "10", wait=FIRST_WAIT)
    fault = "" if lost(first) == 0 else "not every machine got its lease"
    before = cpu(pid)
    answered = delays(wire.ask(STEADY, 5.0, "-d", "5", "-x", "t"))
    way.cpu.append(cpu(pid) - before)
    slow.append(answered[int(len(answered) * 0.99)] if answered else 1e4)
    way.seconds.append(1e4 / max(1.0, capacity(wire)))
    if fault:
        way.faults.append(fault)


def _cpu(way: Measurement) -> float:
    return max(0.01, statistics.median(way.cpu))
