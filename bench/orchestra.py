"""Orchestration (B10): hundreds of hosts at once from the order to the phone-home, by the whole service.

The service is started as users start it. The machines are scripted (bench/orchestra_hosts.py): BMCs by
Redfish, and what a host says until the system on its disk has phoned home. There the orders end (--until
restarting): verification by Ansible is minutes of real work for each host, and is not measured here.
"""

import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import link
from bench.measure import Measurement
from bench.rows import LanBench, Row
from bench.storm import await_true, family, take_addresses
from bench.tftp import SERVER, Argv, processor_seconds
from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment import logins
from provisioner.deployment.runs import arm_run
from provisioner.domain.audit import Origin
from provisioner.domain.host import Bmc, Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.domain.run import Run
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder

OWN, LIMIT = 10.0, 420.0  # seconds of each host's own time, and until a run is given up
FIRST_PORT = 20000
ONCE = ("power.began", "agent.hello", "agent.written", "os.phoned", "stage.held")
SETTINGS = f"""
interface = "bv0"
address = "{SERVER}/16"
services = ["dhcp", "tftp", "web", "worker"]
[orders]
at_once = 10000
stagger_seconds = 0
"""


class Watch:
    """What the service needs while it works: its memory (PSS) in bytes, how long `provision status` takes."""

    def __init__(self, pid: int, status: Argv) -> None:
        self._pid, self._status = pid, status
        self._over = threading.Event()
        self.memory, self.waits = 0, list[float]()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(2.0):
            self.memory = max(self.memory, sum(map(_pss, family(self._pid))))
            began = time.monotonic()
            run.run(self._status, timeout=60)
            self.waits.append(time.monotonic() - began)


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # a process of one act, which has ended
        return 0
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))


def _processor(pid: int) -> float:
    total = 0.0
    for each in family(pid):
        try:
            total += processor_seconds(each)
        except OSError:  # it has ended, and counts among its parent's
            continue
    return total


def b10(lan: LanBench) -> Row:
    """One round: a fresh state, one run of all hosts."""
    way = Measurement("ours")
    with link.pair() as names:
        told = _round(lan, names, way)
    row = Row(
        "B10",
        f"{lan.hosts} hosts, order to phone-home",
        f"{OWN:.0f} s of each host's own time; BMCs and hosts scripted on the same processors",
        [way],
    )
    row.ratios = [
        ("time / own time", way.median / OWN, "≤ 1.05"),
        ("processor ms of the service for each", 1e3 * way.cpu[-1] / lan.hosts, "≤ 20"),
        ("memory (PSS) MB", told["memory"] / 1e6, "≤ 500"),
        (f"provision status, the slowest of {told['looks']:.0f}, s", told["status"], "≤ 1"),
    ]
    return row


def _round(lan: LanBench, names: tuple[str, str], way: Measurement) -> dict[str, float]:
    certificate, key = lan.folder / "bmc.crt", lan.folder / "bmc.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=b")
    run.run(["openssl", "req", "-x509", *curve, "-keyout", key, "-out", certificate])
    with served(lan.folder, names, lan.hosts) as (pid, site, hosts):
        known = [
            {"mac": row.mac, "address": row.address, "port": FIRST_PORT + number}
            for number, row in enumerate(site.database.macs.get(host.macs[0]) for host in hosts)
            if row
        ]
        (lan.folder / "hosts.json").write_text(json.dumps(known))
        take_addresses(names[1], [str(one["address"]) for one in known])
        line, log, out = _machines(lan.folder, names[1], certificate, key)
        status: Argv = [sys.executable, "-m", "provisioner", "status", "--state", site.settings.state]
        try:
            await_true(lambda: log.exists() and "ready" in log.read_text(), log)
            with Watch(pid, status) as watch:
                before, began = _processor(pid), time.monotonic()
                image = site.database.images.all()[0]
                order = Run(id="r-1", created=site.clock(), by="bench", select="", until="restarting")
                arm_run(site, order, [(host, image) for host in hosts])
                armed = time.monotonic() - began
                line.wait(LIMIT + 60)
                cpu = _processor(pid) - before
        finally:
            run.stop(line)
        result = json.loads(out.read_text())
        way.seconds.append(result["ended"] - began)
        way.cpu.append(cpu)
        way.faults += _faults(site, result)
        first, last = (result[name] - began for name in ("first_power", "last_power"))
        lan.log(f"  armed {armed:.2f} s, power-ons {first:.1f}–{last:.1f} s, all {way.seconds[-1]:.1f} s")
        lan.log(f"  processor {cpu:.1f} s, said {result['counts']}, load {os.getloadavg()[0]:.2f}")
        return {
            "memory": float(watch.memory),
            "status": max(watch.waits, default=0.0),
            "looks": float(len(watch.waits)),
        }


def _machines(folder: Path, name: str, certificate: Path, key: Path) -> tuple[run.Process, Path, Path]:
    """The scripted machines in their namespace: the process, its log, and the file of its result."""
    log, out = folder / "hosts.log", folder / "hosts.out"
    argv: Argv = [sys.executable, "-m", "bench.orchestra_hosts", folder / "hosts.json", certificate, key]
    to_file: Argv = ["sh", "-c", 'exec "$@" >"$0"', out, *link.inside(name)]
    return run.start([*to_file, *argv, str(OWN), str(LIMIT)], log=log), log, out


def _faults(site: Site, result: dict[str, object]) -> list[str]:
    """What was lost, and what was done twice, in words: by the machines, and by the service's own events."""
    said = []
    if result["failed"] or result["not_powered_once"]:
        said.append(
            f"{result['failed']} failed, {result['not_powered_once']} not powered once: {result['wrong']}"
        )
    for row in site.database.deployments.of_run("r-1"):
        counts = Counter(event.kind for event in site.database.events.of(row.id, limit=1000))
        odd = {kind: counts[kind] for kind in ONCE if counts[kind] != 1}
        if odd:
            said.append(f"{row.host} is {row.stage}: {odd}")
    return said


def _host(number: int) -> Host:
    where = {"driver": "redfish", "address": "10.78.0.2", "port": FIRST_PORT + number}
    bmc = Bmc.model_validate({**where, "secret": "all", "console": "none"})
    mac = f"52:54:00:0a:{number // 256:02x}:{number % 256:02x}"
    return Host(name=f"h{number}", macs=(mac,), profile="p", bmc=bmc)


@contextmanager
def served(folder: Path, names: tuple[str, str], count: int) -> Iterator[tuple[int, Site, list[Host]]]:
    """The service with all hosts in its inventory: its process, its state, the hosts."""
    state, toml, log = folder / "orchestra", folder / "orchestra.toml", folder / "orchestra.log"
    shutil.rmtree(state, ignore_errors=True)
    toml.write_text(f'state = "{state}"\n{SETTINGS}')
    settings = settings_module.load(toml)
    prepare_folder(state)
    secret_keys.unlock(settings, environment={})
    database = Database(state)
    database.migrate()
    site = Site(settings, database)
    hosts = [_host(number) for number in range(count)]
    database.put_inventory(hosts, [Profile(name="p")], settings.hosts_range)
    logins.put(site, "all", "bench", "bench-password", Origin(by="bench", door="cli"))
    database.images.put(
        Image(name="b", version="1", raw_size=1, raw_sha256="", pack_size=1, signed_by="", added=1)
    )
    argv: Argv = [*link.inside(names[0]), sys.executable, "-m", "provisioner", "serve", "--settings", toml]
    process = run.start(argv, log=log)
    try:
        await_true(lambda: "all services are ready" in log.read_text(), log)
        yield process.pid, site, hosts
    finally:
        run.stop(process, grace=15)
        database.close()
