"""Sixteen hosts imaged at once behind slow lines (B4), and with dead, slow and lying ones among them (B5)."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import link
from bench.measure import Measurement
from bench.rows import Bench, Row, data_bytes
from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.imaging.manifest import Manifest
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder

SERVER, PORT = "10.79.0.1", 80
RATE, SLOW = "40mbit", "4mbit"
BYTES = 5e6  # a second, of RATE
HOSTS = 16
LIMIT = 600.0  # seconds for all hosts
DEAD, SLOWPOKE, LIAR = (3, 7), 5, 9  # of B5, by number
EDGE = 34 * 512


@dataclass
class Lan:
    """A switch, a server and hosts, each in a network namespace, each behind a token bucket both ways."""

    name: str
    hosts: list[str] = field(default_factory=list)

    @property
    def server(self) -> str:
        return f"{self.name}s"

    def sent(self) -> int:
        """Bytes that the server's line has carried away."""
        argv = [*link.inside(self.server), "cat", "/sys/class/net/eth0/statistics/tx_bytes"]
        return int(run.text(argv))

    def limit(self, number: int, rate: str) -> None:
        """Another rate for a host's line, both ways."""
        for name, device in ((self.hosts[number], "eth0"), (f"{self.name}w", f"p{number}")):
            _bucket(name, device, rate)


def _bucket(name: str, device: str, rate: str) -> None:
    words = ["tbf", "rate", rate, "burst", "128kb", "latency", "100ms"]
    run.run([*link.inside(name), "tc", "qdisc", "replace", "dev", device, "root", *words])


@contextmanager
def lan(count: int, name: str = f"bsw{os.getpid()}-") -> Iterator[Lan]:
    """The server is 10.79.0.1, the hosts 10.79.64.0 and on."""
    made = Lan(name, [f"{name}{number}" for number in range(count)])
    switch = f"{name}w"
    with ExitStack() as stack:
        for each in (switch, made.server, *made.hosts):
            run.run(["ip", "netns", "add", each])
            stack.callback(run.run, ["ip", "netns", "delete", each], check=False)
        run.run([*link.inside(switch), "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])
        run.run([*link.inside(switch), "ip", "link", "set", "br0", "up"])
        _plug(switch, made.server, "ps", f"{SERVER}/16")
        for number, host in enumerate(made.hosts):
            _plug(switch, host, f"p{number}", f"{address(number)}/16")
        yield made


def address(number: int) -> str:
    """Of a host."""
    return f"10.79.64.{number}"  # as the service gives them out: of the network's second quarter


def _plug(switch: str, host: str, port: str, place: str) -> None:
    words = ["ip", "link", "add", port, "netns", switch, "type", "veth", "peer", "eth0", "netns", host]
    run.run(words)
    run.run([*link.inside(switch), "ip", "link", "set", port, "master", "br0", "up"])
    for line in (f"address add {place} brd + dev eth0", "link set eth0 up", "link set lo up"):
        run.run([*link.inside(host), "ip", *line.split()])
    _bucket(host, "eth0", RATE)
    _bucket(switch, port, RATE)


class SwarmService:
    """The service's web process, with an armed order for each host that has just been powered on."""

    def __init__(self, bench: Bench, net: Lan, *, swarm: bool) -> None:
        self._net, self.nonces = net, [f"nonce-of-h{number}" for number in range(len(net.hosts))]
        self._log = bench.memory / "swarm.log"
        self._toml = bench.memory / "swarm.toml"
        state = bench.memory / "swarm"
        shutil.rmtree(state, ignore_errors=True)
        self._toml.write_text(
            f'state = "{state}"\ninterface = "eth0"\naddress = "{SERVER}/16"\nservices = ["web"]\n'
            f"https_port = 0\n[orders]\nat_once = 1000\n[images]\nstreams = 64\n"
            f"swarm = {str(swarm).lower()}\n"
        )
        settings = settings_module.load(self._toml)
        prepare_folder(state)
        secret_keys.unlock(settings, environment={})
        database = Database(state)
        database.migrate()
        hosts = [Host(name=f"h{n}", macs=(mac(n),), profile="p") for n in range(len(net.hosts))]
        database.put_inventory(hosts, [Profile(name="p")], settings.hosts_range)
        given = {row.mac: row.address for row in database.macs.all()}
        assert given == {mac(n): address(n) for n in range(len(hosts))}, given
        site, manifest = Site(settings, database), bench.image.manifest
        size = {"raw_size": manifest.raw_size, "pack_size": manifest.pack_size}
        image = Image(
            name=manifest.name, version=manifest.version, raw_sha256="", signed_by="", added=1, **size
        )
        database.images.put(image)
        for host, nonce in zip(hosts, self.nonces, strict=True):
            row = arm(site, host, image, by="bench")
            record(site, row.id, SlotGiven(), source="worker")
            record(site, row.id, PowerBegan(nonce=nonce), source="worker")
        database.close()
        folder = state / "images" / f"{manifest.name}-{manifest.version}"
        folder.mkdir(parents=True)
        for ending in ("", ".json", ".json.minisig"):
            shutil.copy(f"{bench.image.pack}{ending}", folder / f"pack{ending}")

    def start(self) -> None:
        """And wait until it answers."""
        self._log.unlink(missing_ok=True)
        words: list[str | Path] = [sys.executable, "-m", "provisioner", "serve", "--settings", self._toml]
        self._process = run.start([*link.inside(self._net.server), *words], log=self._log)
        until = time.monotonic() + 60
        while "all services are ready" not in self._log.read_text():
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """As systemd does it."""
        run.stop(self._process, grace=15)


def mac(number: int) -> str:
    """Of a host's card."""
    return f"52:54:00:79:00:{number:02x}"


@dataclass
class Imaged:
    """One round: seconds until each host told that its disk is whole, and how often the image was sent."""

    seconds: dict[int, float]
    copies: float
    faults: list[str]
    said: dict[int, str]


class Fleet:
    """The hosts' processes."""

    def __init__(self, bench: Bench, net: Lan, service: SwarmService, liars: Sequence[int] = ()) -> None:
        self._bench, self._net = bench, net
        self.disks = [bench.memory / f"disk{number}" for number in range(len(net.hosts))]
        keys = bench.folder / "swarm-keys"
        keys.mkdir(exist_ok=True)
        shutil.copy(bench.image.key, keys)
        self.processes: list[run.Process] = []
        for number, (host, disk) in enumerate(zip(net.hosts, self.disks, strict=True)):
            with disk.open("wb") as file:
                file.truncate(bench.image.manifest.raw_size + (8 << 20))
            words = [f"http://{SERVER}", mac(number), service.nonces[number], str(disk), str(keys)]
            words += ["liar"] if number in liars else []
            argv = [*link.inside(host), sys.executable, "-m", "bench.swarm_host", *words]
            self.processes.append(run.start(argv, stdin=run.PIPE, stdout=run.PIPE))
        self.said = {number: "" for number in range(len(net.hosts))}
        self.at: dict[int, float] = {}
        self._readers: list[threading.Thread] = []

    def go(self) -> float:
        """Let all begin; when that was."""
        for process in self.processes:
            assert process.stdout and process.stdout.readline() == b"ready\n"
        for process in self.processes:
            assert process.stdin
            process.stdin.write(b"go\n")
            process.stdin.flush()
        for number in self.said:
            thread = threading.Thread(target=self._read, args=(number,), daemon=True)
            self._readers.append(thread)
            thread.start()
        return time.monotonic()

    def _read(self, number: int) -> None:
        stdout = self.processes[number].stdout
        assert stdout
        for line in stdout:
            if line.startswith(b"{"):
                self.at[number] = json.loads(line)["at"]
            self.said[number] += line.decode(errors="replace")

    def await_all(self, numbers: Sequence[int]) -> None:
        """Until all of these have told that their disks are whole."""
        until = time.monotonic() + LIMIT
        while not all(number in self.at for number in numbers):
            missing = [number for number in numbers if number not in self.at]
            assert time.monotonic() < until, f"host {missing[0]}: {self.said[missing[0]]}"
            time.sleep(0.05)

    def kill(self, number: int) -> None:
        """As when its power is cut."""
        self.processes[number].kill()

    def wrong(self, numbers: Sequence[int]) -> Iterator[str]:
        """In words, of each whose disk is not the image."""
        for number in numbers:
            if bad := faults(self.disks[number], self._bench.image.raw, self._bench.image.manifest):
                yield f"host {number}: {bad} chunks are wrong"

    def close(self) -> None:
        """End them, and remove their disks."""
        for process in self.processes:
            assert process.stdin
            process.stdin.close()
            run.stop(process)
        for disk in self.disks:
            disk.unlink()


def faults(disk: Path, raw: Path, manifest: Manifest) -> int:
    """How many chunks with data of the image's are not on a disk; those that are its own are left out."""
    seed, wrong = manifest.partition("cidata"), 0
    with disk.open("rb") as written, raw.open("rb") as wanted:
        for chunk in manifest.chunks:
            if chunk.kind == "free" or seed.offset <= chunk.offset < seed.offset + seed.length:
                continue
            begin, end = max(EDGE, chunk.offset), min(chunk.offset + chunk.length, manifest.raw_size - EDGE)
            written.seek(begin)
            wanted.seek(begin)
            wrong += written.read(end - begin) != wanted.read(end - begin)
    return wrong


def image_all(
    bench: Bench, count: int, *, swarm: bool = True, faulty: bool = False, half: float = 0.0
) -> Imaged:
    """So many hosts at once.

    `faulty`: after `half` seconds two die and the server is started again; one is slow, one lies.
    """
    with ExitStack() as stack:
        net = stack.enter_context(lan(count))
        service = SwarmService(bench, net, swarm=swarm)
        service.start()
        stack.callback(service.stop)
        fleet = Fleet(bench, net, service, [LIAR] if faulty else [])
        stack.callback(fleet.close)
        if faulty:
            net.limit(SLOWPOKE, SLOW)
        before, began = net.sent(), fleet.go()
        if faulty:
            threading.Event().wait(half)
            for number in DEAD:
                fleet.kill(number)
            service.stop()
            service.start()
        ends = [n for n in range(count) if not faulty or n not in (*DEAD, SLOWPOKE)]
        fleet.await_all(ends)
        copies = (net.sent() - before) / data_bytes(bench.image.manifest)[0]
        seconds = {n: fleet.at[n] - began for n in ends}
        return Imaged(seconds, copies, list(fleet.wrong(ends)), dict(fleet.said))


def _add(bench: Bench, way: Measurement, done: Imaged) -> None:
    """A round's figures; processor time is not counted, for it is all hosts' and the network's."""
    way.seconds.append(max(done.seconds.values()))
    way.cpu.append(0.0)
    way.bytes.append(int(done.copies * data_bytes(bench.image.manifest)[0]))
    way.faults += done.faults[:1]
    bench.log(f"  {way.name}: {way.seconds[-1]:.1f} s, {done.copies:.2f} copies sent")


def b4(bench: Bench) -> Row:
    """One host, sixteen, thirty-two; sixteen without the swarm once, for that takes so long."""
    names = ("ours, 1 host", "ours, 16 hosts", "ours, 32 hosts", "ours, 16 hosts, swarm = false")
    one, many, double, unicast = ways = [Measurement(name) for name in names]
    for _ in range(bench.rounds):
        for way, count in ((one, 1), (many, HOSTS), (double, 2 * HOSTS)):
            _add(bench, way, image_all(bench, count))
    _add(bench, unicast, image_all(bench, HOSTS, swarm=False))
    wire = data_bytes(bench.image.manifest)[0]
    row = Row("B4", f"hosts at once, each line {RATE}", f"{wire / BYTES:.1f} s: wire / link", ways)
    row.ratios = [
        ("T(16) / T(1)", many.median / one.median, "≤ 1.5"),
        ("copies that the server sends to 16", max(many.bytes) / wire, "≤ 2"),
        ("T(32) / T(1)", double.median / one.median, "≤ 2"),
        ("16 hosts: without the swarm / with it", unicast.median / many.median, "-"),
    ]
    return row


def b5(bench: Bench) -> Row:
    """Sixteen, of which some fail."""
    well = Measurement("ours, 16 healthy")
    ill = Measurement("ours, the healthy of 16: 2 die, 1 slow, 1 lies, server restarted")
    named = []
    for _ in range(bench.rounds):
        _add(bench, well, image_all(bench, HOSTS))
        sick = image_all(bench, HOSTS, faulty=True, half=well.median / 2)
        _add(bench, ill, sick)
        named.append(sum(f"{address(LIAR)} gives what is not the image" in s for s in sick.said.values()))
    row = Row("B5", f"{HOSTS} hosts at once, some fail", "the healthy ones", [well, ill])
    row.ratios = [
        ("healthy among ill / healthy", ill.median / well.median, "≤ 1.25"),
        ("hosts that named the liar, at least", min(named), "≥ 1"),
    ]
    return row
