"""The boot storm (B9): 500 hosts from power-on to hello, by the service and by dnsmasq and nginx."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from bench import link
from bench.measure import Measurement
from bench.rows import LanBench, Row
from bench.storm_hosts import StormHost
from bench.tftp import NAME, SERVER, Argv, processor_seconds
from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder

HOSTS = 500
SIZES = {"vmlinuz": 8 << 20, "initrd.img": 12 << 20}
SETTINGS = f"""
interface = "bv0"
address = "{SERVER}/16"
services = ["dhcp", "tftp", "web"]
[orders]
at_once = 1000
"""
NGINX = """
daemon off; user root; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; default_type text/plain;
    server {{ listen {server}:80 backlog=1024; root {folder}/www; location /agent/ {{ return 200 "{{}}"; }} }}
}}
"""
Started = AbstractContextManager[tuple[list[int], list[StormHost]]]  # processes, hosts
SCRIPT = """#!ipxe
kernel http://{server}/boot/files/vmlinuz initrd=initrd.img pv.mac={mac} pv.nonce=none
initrd --name initrd.img http://{server}/boot/files/initrd.img
boot
"""


def b9(lan: LanBench) -> Row:
    """Alternating; every round begins with a fresh state."""
    files = lan.folder / "files"
    files.mkdir()
    shutil.copy(Path("/usr/lib/ipxe") / NAME, files)
    for name, size in SIZES.items():
        (files / name).write_bytes(os.urandom(1 << 20) * (size >> 20))
    measured = [Measurement("ours"), Measurement("dnsmasq + nginx")]
    with link.pair() as names:
        for number in range(lan.rounds):
            for way, start in zip(measured, (ours, theirs), strict=True):
                _round(lan, way, start(lan.folder, files, names), names, files)
                lan.log(f"  round {number + 1}: {way.name} {way.seconds[-1]:.1f} s, cpu {way.cpu[-1]:.1f}")
    amount = HOSTS * (sum(SIZES.values()) + (files / NAME).stat().st_size)
    row = Row(
        "B9", f"{HOSTS} hosts, power-on to hello", f"{amount / 1e9:.1f} GB to one client machine", measured
    )
    row.ratios = [("ours / dnsmasq + nginx", measured[0].median / measured[1].median, "≤ 1.5")]
    return row


def _round(lan: LanBench, way: Measurement, started: Started, names: tuple[str, str], files: Path) -> None:
    with started as (pids, hosts):
        (lan.folder / "hosts.json").write_text(json.dumps([asdict(host) for host in hosts]))
        take_addresses(names[1], [host.address for host in hosts])
        before = sum(map(processor_seconds, pids))
        argv: Argv = [sys.executable, "-m", "bench.storm_hosts", lan.folder / "hosts.json", files]
        output = run.run([*link.inside(names[1]), *argv], check=False, timeout=900).stdout
        result = json.loads(output)
        way.seconds.append(result["seconds"])
        way.cpu.append(sum(map(processor_seconds, pids)) - before)
        if result["wrong"]:
            way.faults.append(f"{result['right']} of {len(hosts)}: {next(iter(result['wrong']))}")


def take_addresses(name: str, addresses: list[str]) -> None:
    """Give the client machine of a namespace the addresses of its hosts."""
    lines = "".join(f"address replace {address}/16 dev bv1 noprefixroute\n" for address in addresses)
    run.run([*link.inside(name), "ip", "-batch", "-"], stdin=lines.encode())


def _macs() -> list[str]:
    return [f"52:54:00:09:{number // 256:02x}:{number % 256:02x}" for number in range(HOSTS)]


@contextmanager
def ours(folder: Path, files: Path, names: tuple[str, str]) -> Iterator[tuple[list[int], list[StormHost]]]:
    """The service, with an armed order for each host that has just been powered on."""
    state = folder / "storm"
    shutil.rmtree(state, ignore_errors=True)
    toml = folder / "storm.toml"
    toml.write_text(f'state = "{state}"\n{SETTINGS}')
    settings = settings_module.load(toml)
    prepare_folder(state)
    secret_keys.unlock(settings, environment={})
    for name in (NAME, *SIZES):
        shutil.copy(files / name, state / "ramdisk")
    database = Database(state)
    database.migrate()
    hosts = [Host(name=f"h{number}", macs=(mac,), profile="p") for number, mac in enumerate(_macs())]
    database.put_inventory(hosts, [Profile(name="p")], settings.hosts_range)
    site = Site(settings, database)
    image = Image(name="b", version="1", raw_size=1, raw_sha256="", pack_size=1, signed_by="", added=1)
    database.images.put(image)
    for host in hosts:
        row = arm(site, host, image, by="bench")
        record(site, row.id, SlotGiven(), source="worker")
        record(site, row.id, PowerBegan(nonce=f"nonce-of-{host.name}"), source="worker")
    known = [StormHost(mac=row.mac, address=row.address) for row in database.macs.all()]
    database.close()
    argv: Argv = [*link.inside(names[0]), sys.executable, "-m", "provisioner", "serve", "--settings", toml]
    log = folder / "storm.log"
    log.unlink(missing_ok=True)
    process = run.start(argv, log=log)
    try:
        await_true(lambda: "all services are ready" in log.read_text(), log)
        yield family(process.pid), known
    finally:
        run.stop(process, grace=15)


def family(pid: int) -> list[int]:
    """A process and everything that it has started."""
    pids = [pid]
    for each in pids:
        pids += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return pids


@contextmanager
def theirs(folder: Path, files: Path, names: tuple[str, str]) -> Iterator[tuple[list[int], list[StormHost]]]:
    """dnsmasq with a fixed address for each host, nginx with a file for each host's script."""
    www = folder / "www"
    shutil.rmtree(www, ignore_errors=True)
    (www / "boot" / "files").mkdir(parents=True)
    for name in SIZES:
        shutil.copy(files / name, www / "boot" / "files")
    known = [
        StormHost(mac=mac, address=f"10.78.{64 + number // 250}.{1 + number % 250}")
        for number, mac in enumerate(_macs())
    ]
    for host in known:
        place = www / "boot" / host.mac.replace(":", "-")
        place.mkdir()
        (place / "boot.ipxe").write_text(SCRIPT.format(server=SERVER, mac=host.mac))
    (folder / "dhcp-hosts").write_text("".join(f"{host.mac},{host.address}\n" for host in known))
    (folder / "leases").unlink(missing_ok=True)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, server=SERVER))
    dnsmasq: Argv = [
        *("prlimit", "--nofile=8192", run.find("dnsmasq", "dnsmasq-base"), "--keep-in-foreground"),
        *("--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--interface=bv0", "--user=root"),
        *("--dhcp-range=10.78.0.0,static,255.255.0.0,1h", f"--dhcp-hostsfile={folder}/dhcp-hosts"),
        *("--dhcp-authoritative", "--no-ping", f"--dhcp-leasefile={folder}/leases", f"--dhcp-boot={NAME}"),
        *("--enable-tftp", f"--tftp-root={files}", "--tftp-max=4000", "--quiet-tftp", "--quiet-dhcp"),
        *("--dhcp-lease-max=2000", f"--pid-file={folder}/dnsmasq.pid"),
    ]
    nginx: Argv = [run.find("nginx", "nginx-light"), "-p", folder, "-c", folder / "nginx.conf"]
    within = link.inside(names[0])
    log = folder / "theirs.log"
    with ExitStack() as stack:
        processes = []
        for argv in (dnsmasq, nginx):
            processes.append(run.start([*within, *argv], log=log))
            stack.callback(run.stop, processes[-1])
        probe = [
            *link.inside(names[1]),
            "curl",
            "-sf",
            "-o",
            "/dev/null",
            f"http://{SERVER}/boot/files/vmlinuz",
        ]
        await_true(lambda: not run.run(probe, check=False).returncode, log)
        yield [pid for process in processes for pid in family(process.pid)], known


def await_true(test: Callable[[], bool], log: Path) -> None:
    """Until it is so; after a minute an AssertionError with the log."""
    until = time.monotonic() + 60
    while not test():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
