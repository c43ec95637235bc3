"""Sixteen image streams at once from the service and from nginx, and control requests meanwhile (B6)."""

import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import link
from bench.measure import Measurement, shell, timed
from bench.rows import Bench, Row
from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment.order import arm
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.system.checksum import sha256_text

STREAMS, SIZE = 16, 512 << 20
PORT = 8078
URL = f"http://127.0.0.1:{PORT}"
TARGET = 0.05  # seconds, the slowest of a hundred control requests


@contextmanager
def service(folder: Path) -> Iterator[list[str]]:
    """The web service with sixteen hosts that may fetch; their tokens."""
    state = folder / "state"
    plain = {"interface": "lo", "address": "127.0.0.1/8", "http_port": PORT, "state": str(state)}
    settings = settings_module.check({**plain, "images": {"streams": 64}}, source="bench")
    prepare_folder(state)
    secret_keys.unlock(settings, environment={})
    database = Database(state)
    database.migrate()
    hosts = [Host(name=f"h{n}", macs=(f"52:54:00:00:01:{n:02x}",), profile="p") for n in range(STREAMS)]
    database.put_inventory(hosts, [Profile(name="p")], settings.hosts_range)
    site = Site(settings, database)
    image = Image(name="b", version="1", raw_size=1, raw_sha256="", pack_size=1, signed_by="", added=1)
    tokens = []
    for host in hosts:
        row = arm(site, host, image, by="bench")
        tokens.append(f"token-of-{host.name}")
        changes = {
            "stage": Stage.WRITING,
            "token_hash": sha256_text(tokens[-1]),
            "deadline": time.time() + 9e5,
            "agent_address": "127.0.0.1",
        }
        with database.writing():
            database.deployments.put(row.model_copy(update=changes))
    target = state / "images" / "b-1"
    target.mkdir()
    (target / "pack").write_bytes(b"\x5a" * SIZE)
    toml = folder / "serve.toml"
    toml.write_text(
        f'interface = "lo"\naddress = "127.0.0.1/8"\nhttp_port = {PORT}\nhttps_port = 0\nstate = "{state}"\n'
        'services = ["web"]\n[images]\nstreams = 64\n'
    )
    argv: list[str | Path] = [sys.executable, "-m", "provisioner", "serve", "--settings", toml]
    process = run.start(argv, log=folder / "serve.log")
    try:
        until = time.monotonic() + 30
        while run.run(["curl", "-s", "-o", "/dev/null", URL], check=False).returncode:
            assert time.monotonic() < until, (folder / "serve.log").read_text()
        yield tokens
    finally:
        run.stop(process)
        database.close()


def fetch(urls: list[str], tokens: list[str], way: str) -> list[str]:
    """All at once; each must get every byte."""
    options = {"whole": "", "by Range": "-r 1-"}[way]
    wanted = SIZE if way == "whole" else SIZE - 1
    one = (
        "got=$(curl -sSf {o} -H 'Authorization: Bearer {t}' -o /dev/null "
        "-w '%{{size_download}}' {u}); [ $got = {n} ]"
    )
    parts = [
        f"({one.format(o=options, t=t, u=u, n=wanted)}) & pids+=($!)"
        for u, t in zip(urls, tokens, strict=True)
    ]
    return shell(f"pids=(); {'; '.join(parts).replace('&;', '&')}; for p in ${{pids[@]}}; do wait $p; done")


def control(process: run.Process) -> list[float]:
    """Seconds of requests that a person or an agent might make, as long as the streams last."""
    waits = []
    while process.poll() is None:
        began = time.monotonic()
        with urllib.request.urlopen(f"{URL}/boot/52-54-00-00-09-09/boot.ipxe", timeout=30) as answer:
            answer.read()
        waits.append(time.monotonic() - began)
        time.sleep(0.01)  # a hundred a second at most: they are a sample and no load
    return waits


def b6(bench: Bench) -> list[Row]:
    """Whole files and ranges."""
    rows = []
    with ExitStack() as stack:
        tokens = stack.enter_context(service(bench.memory))
        root = bench.memory / "state" / "images"
        line = stack.enter_context(link.loopback(root, bench.memory))
        for way in ("whole", "by Range"):
            ours = fetch([f"{URL}/images/b@1/pack"] * STREAMS, tokens, way)
            theirs = fetch([f"{line.url}/b-1/pack"] * STREAMS, tokens, way)
            measured = [Measurement("ours (gunicorn)"), Measurement("nginx sendfile")]
            for number in range(bench.rounds):
                for measurement, argv in zip(measured, (ours, theirs), strict=True):
                    seconds, cpu, _ = timed(argv)
                    measurement.seconds.append(seconds)
                    measurement.cpu.append(cpu)
                    bench.log(f"  round {number + 1}: {measurement.name} {seconds:.2f} s")
            waits = []
            for _ in range(2 * bench.rounds):  # one lasts a second: too few requests
                process = run.start(ours)
                waits += control(process)
                assert process.returncode == 0
            waits.sort()
            row = Row("B6", f"{STREAMS} streams of {SIZE >> 20} MiB, {way}", "the memory's speed", measured)
            worst = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
            row.ratios = [
                ("throughput: ours / nginx", measured[1].median / measured[0].median, "≥ 0.95"),
                (
                    f"control p99 in ms ({len(waits)}, median {1e3 * statistics.median(waits):.1f})",
                    worst * 1e3,
                    "< 50",
                ),
            ]
            rows.append(row)
    return rows
