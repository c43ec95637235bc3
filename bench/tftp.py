"""TFTP from the service, tftpd-hpa and dnsmasq: many sessions (B7), and a line that loses packets."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import link
from bench.measure import Measurement
from bench.rows import LanBench, Row
from provisioner import run

SERVER = "10.78.0.1"
NAME = "snponly.efi"
SESSIONS, WINDOWS, BLOCK = (1, 64, 1000), (1, 4, 16), 1468
AGAIN = {1: 20, 64: 2, 1000: 1}  # times that a round of so many sessions is played
LOST = (5, 20)  # per cent, in each direction
ROUNDS_OURS, ROUNDS_PEERS, PATIENCE = 20, 3, 120
TICK = os.sysconf("SC_CLK_TCK")
Argv = list[str | Path]


def servers(folder: Path) -> dict[str, Argv]:
    """Command lines; all lend `folder`/NAME on SERVER, port 69, and take as many sessions as come."""
    state = folder / "state"
    (state / "ramdisk").mkdir(parents=True, exist_ok=True)
    (state / "ramdisk" / NAME).write_bytes((folder / NAME).read_bytes())
    settings = folder / "tftp.toml"
    settings.write_text(
        f'interface = "bv0"\naddress = "{SERVER}/16"\nstate = "{state}"\n[tftp]\nper_address = 4096\n'
    )
    # what is loaded last is what is measured: no log of each transfer on any side
    return {
        "ours": [sys.executable, "-m", "provisioner", "serve", "--settings", settings, "--only", "tftp"],
        "tftpd-hpa": [
            run.find("in.tftpd", "tftpd-hpa"),
            *("--foreground", "--address", f"{SERVER}:69", "--user", "root", "--secure", folder),
        ],
        "dnsmasq": [
            *("prlimit", "--nofile=8192", run.find("dnsmasq", "dnsmasq-base"), "--keep-in-foreground"),
            *("--conf-file=/dev/null", "--port=0", "--bind-interfaces", f"--listen-address={SERVER}"),
            *("--enable-tftp", f"--tftp-root={folder}", "--tftp-max=4000", "--quiet-tftp", "--user=root"),
            f"--pid-file={folder}/dnsmasq.pid",
        ],
    }


@contextmanager
def served(argv: Argv, names: tuple[str, str], folder: Path) -> Iterator[int]:
    """A server that answers; its process id."""
    process = run.start([*link.inside(names[0]), *argv], log=folder / "server.log")
    ask = ("curl", "-sf", "--max-time", "5", "-o", "/dev/null", f"tftp://{SERVER}/{NAME}")
    probe: Argv = [*link.inside(names[1]), *ask]
    try:
        until = time.monotonic() + 120
        while run.run(probe, check=False).returncode:
            assert time.monotonic() < until, (folder / "server.log").read_text()
        yield process.pid
    finally:
        run.stop(process)


def processor_seconds(pid: int) -> float:
    """Of a process and of all its children that have ended (tftpd-hpa has one for each session)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def play(argv: Argv, names: tuple[str, str], folder: Path, client: Callable[[], str]) -> tuple[float, str]:
    """One server, one client's work; processor seconds of the server, what the client writes."""
    with served(argv, names, folder) as pid:
        before = processor_seconds(pid)
        output = client()
        return processor_seconds(pid) - before, output


def b7(lan: LanBench) -> list[Row]:
    """Every number of sessions with every window."""
    ipxe = Path("/usr/lib/ipxe") / NAME
    (lan.folder / NAME).write_bytes(ipxe.read_bytes())
    ways = servers(lan.folder)
    rows = []
    with link.pair() as names:
        for sessions in SESSIONS:
            for window in WINDOWS:
                rows.append(_sessions(lan, ways, names, sessions, window))
    return rows


def _sessions(
    lan: LanBench, ways: dict[str, Argv], names: tuple[str, str], sessions: int, window: int
) -> Row:
    times = AGAIN[sessions]
    swarm: Argv = [*link.inside(names[1]), sys.executable, "-m", "bench.tftp_swarm", SERVER, "69", NAME]
    swarm += [lan.folder / NAME, "--sessions", str(sessions), "--window", str(window)]
    swarm += ["--block", str(BLOCK), "--times", str(times)]

    def client() -> str:
        return run.run(swarm, check=False, timeout=600).stdout.decode()

    measured = {name: Measurement(name) for name in ways}
    for number in range(lan.rounds):
        for name, argv in ways.items():
            cpu, output = play(argv, names, lan.folder, client)
            result, way = json.loads(output), measured[name]
            way.seconds.append(result["seconds"] / times)
            way.cpu.append(cpu / times)
            if result["wrong"]:
                way.faults.append(f"{result['right']} of {sessions * times}: {result['wrong'][0]}")
            words = f"{name} {way.seconds[-1]:.3f} s, cpu {way.cpu[-1]:.3f}"
            lan.log(f"  {sessions} × window {window}, round {number + 1}: {words}")
    size = (lan.folder / NAME).stat().st_size
    row = Row(
        "B7",
        f"{sessions} × {size} bytes, windowsize {window}",
        "the client, one core of Python",
        [*measured.values()],
    )
    target = {1: "≥ 1", 4: "-", 16: "≥ 3"}[window]
    for name in ("tftpd-hpa", "dnsmasq"):
        row.ratios.append((f"{name} / ours", measured[name].median / measured["ours"].median, target))
    return row


def loss(lan: LanBench) -> list[Row]:
    """1 MiB to curl; twenty times from us, three times from each peer, alternating."""
    (lan.folder / NAME).write_bytes(os.urandom(1 << 20))
    ways = servers(lan.folder)
    rows = []
    for percent, target in zip(LOST, (10, 60), strict=True):
        with link.pair() as names:
            measured = _lossy(lan, ways, names, percent)
        row = Row(
            "loss",
            f"1 MiB, {percent} % lost each way",
            "curl's own clock: 5 s where its request is lost",
            measured,
        )
        row.ratios = [("ours, median s", measured[0].median, f"≤ {target}")]
        row.ratios += [
            (f"{peer.name} / ours", peer.median / measured[0].median, "-") for peer in measured[1:]
        ]
        rows.append(row)
    return rows


def _lossy(lan: LanBench, ways: dict[str, Argv], names: tuple[str, str], percent: int) -> list[Measurement]:
    measured = {name: Measurement(name) for name in ways}
    for number in range(ROUNDS_OURS):
        for name, argv in ways.items():
            if name == "ours" or number < ROUNDS_PEERS:
                _one_lossy(lan, measured[name], argv, names, percent)
    return [*measured.values()]


def _one_lossy(lan: LanBench, way: Measurement, argv: Argv, names: tuple[str, str], percent: int) -> None:
    got = lan.folder / "got"
    got.unlink(missing_ok=True)
    fetch: Argv = [
        *(*link.inside(names[1]), "curl", "-sS", "--max-time", str(PATIENCE), "--tftp-blksize", "1428"),
        *("-o", got, f"tftp://{SERVER}/{NAME}"),
    ]

    def client() -> str:
        with dropping(names, percent):
            began = time.monotonic()
            done = run.run(fetch, check=False, timeout=PATIENCE + 30)
            way.seconds.append(time.monotonic() - began)
        return done.stderr.decode().strip()

    cpu, output = play(argv, names, lan.folder, client)
    way.cpu.append(cpu)
    if not got.exists() or got.read_bytes() != (lan.folder / NAME).read_bytes():
        way.faults.append(f"not whole after {way.seconds[-1]:.0f} s: {output}")
    lan.log(f"  {percent} %: {way.name} {way.seconds[-1]:.2f} s {output}")


@contextmanager
def dropping(names: tuple[str, str], percent: int) -> Iterator[None]:
    """Both ends lose so many of the UDP packets that come in (a lost one that goes out is an error)."""
    rules = (
        "add table inet loss; add chain inet loss come { type filter hook input priority 0; };"
        f"add rule inet loss come meta l4proto udp numgen random mod 100 < {percent} drop"
    )
    for name in names:
        run.run([*link.inside(name), "nft", rules])
    try:
        yield
    finally:
        for name in names:
            run.run([*link.inside(name), "nft", "delete table inet loss"])
