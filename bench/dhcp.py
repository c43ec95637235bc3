"""DHCP exchanges with leases stored, ours and dnsmasq's, asked by Kea's perfdhcp (B8)."""

import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.measure import Seen
from bench.rows import Lan, Row
from provisioner import run

MACS = 1000
RATES = (500, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12000, 16000, 20000, 24000)  # exchanges a second
STEP = 2.0  # seconds at each rate
LOST = 0.001  # share of exchanges that may be lost before a rate counts as too much
STEADY = 2000
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

    def ask(self, rate: int, seconds: float, *more: str) -> str:
        """What perfdhcp says of so many exchanges a second."""
        count = int(rate * seconds)
        words = ["-4", "-l", "dv1", "-R", str(MACS), "-r", str(rate), "-n", str(count)]
        asked = [*self.client, "perfdhcp", *words, "-W", "500000", *more, SERVER]
        return run.run(asked, check=False, timeout=60 + 4 * seconds).stdout.decode()


@contextmanager
def ours(wire: Wire, folder: Path) -> Iterator[int]:
    """The DHCP service alone, as `provision serve` starts it."""
    words = ("--only", "dhcp", "--state", folder / "state", "--interface", "dv0", "--address", NETWORK)
    argv = [*wire.server, sys.executable, "-m", "provisioner", "serve", *map(str, words)]
    with _started(argv, folder / "ours.log", "answering on") as pid:
        yield pid


@contextmanager
def dnsmasq(wire: Wire, folder: Path) -> Iterator[int]:
    """Told to do without its ping and its log; its leases lie in memory, as our state does."""
    own = ("--no-daemon", "--port=0", "--user=root", "--conf-file=/dev/null", "--interface=dv0", "-z")
    quick = (
        "--no-ping",
        "--quiet-dhcp",
        "--dhcp-lease-max=2000",
        f"--dhcp-leasefile={folder}/dnsmasq.leases",
    )
    argv = [*wire.server, "dnsmasq", *own, *quick, f"--dhcp-range={','.join(POOL)},1h"]
    with _started(argv, folder / "dnsmasq.log", "DHCP, IP range") as pid:
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


def lost(said: str) -> float:
    """The larger share of what was not answered, of DISCOVER and REQUEST."""
    sent = [int(number) for number in re.findall(r"sent packets: (\d+)", said)]
    got = [int(number) for number in re.findall(r"received packets: (\d+)", said)]
    return max((1 - g / s for s, g in zip(sent, got, strict=True) if s), default=1.0)


def capacity(wire: Wire) -> float:
    """The highest rate of RATES that loses nothing worth a word, as reached."""
    best = 0.0
    for rate in RATES:
        said = wire.ask(rate, STEP, "-d", "1")
        found = re.search(r"Rate: ([\d.]+) 4-way", said)
        if not found or lost(said) > LOST:
            break
        best = max(best, float(found[1]))
        if best < 0.9 * rate:
            break  # perfdhcp itself, or the wire, has no more
    return best


def delays(said: str) -> list[float]:
    """Milliseconds of every answer, in order of size."""
    stamps = re.findall(r"sent / received: (\d+\.\d+) / (\d+\.\d+)", said)
    return sorted(1e3 * (float(received) - float(sent)) for sent, received in stamps)


def b8(lan: Lan) -> Row:
    """Capacity with leases stored, then the delays at a steady rate."""
    ways = {"ours": ours, "dnsmasq --no-ping": dnsmasq}
    seen = {name: Seen(name) for name in ways}
    slow: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as stack:
        wire = Wire(stack)
        for number in range(lan.rounds):
            for name, start in ways.items():
                folder = lan.folder / f"b8-{number}-{name.split()[0]}"
                folder.mkdir()
                with start(wire, folder) as pid:
                    _round(wire, pid, seen[name], slow[name])
                lan.say(f"  round {number + 1}: {name} {1e4 / seen[name].seconds[-1]:.0f} exchanges/s")
    mine, theirs = seen.values()
    row = Row("B8", f"10,000 exchanges, {MACS} MACs, leases stored", "perfdhcp's own rate", [mine, theirs])
    row.ratios = [
        ("exchanges: ours / dnsmasq", theirs.median / mine.median, "≥ 0.5"),
        (f"ours: p99 in ms at {STEADY}/s", statistics.median(slow["ours"]), "< 5"),
        (f"dnsmasq: p99 in ms at {STEADY}/s", statistics.median(slow["dnsmasq --no-ping"]), "-"),
        ("cpu at that rate: ours / dnsmasq", _cpu(mine) / _cpu(theirs), "-"),
    ]
    return row


def _round(wire: Wire, pid: int, seen: Seen, slow: list[float]) -> None:
    """Every MAC has its lease before anything is measured."""
    fault = "" if lost(wire.ask(200, MACS / 200, "-d", "10")) == 0 else "not every machine got its lease"
    before = cpu(pid)
    found = delays(wire.ask(STEADY, 5.0, "-d", "5", "-x", "t"))
    seen.cpu.append(cpu(pid) - before)
    slow.append(found[int(len(found) * 0.99)] if found else 1e4)
    seen.seconds.append(1e4 / max(1.0, capacity(wire)))
    if fault:
        seen.faults.append(fault)


def _cpu(seen: Seen) -> float:
    return max(0.01, statistics.median(seen.cpu))
