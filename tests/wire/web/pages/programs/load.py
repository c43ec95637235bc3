"""What the pages cost: `python -m tests.wire.web.pages.programs.load REPORT`, in namespaces of its own.

The service's own process for people, by TLS: how long each page takes with 1,000 hosts of which 200 are under
way, and how much of a processor a hundred open pages of 40 hosts take. Prints a table, and keeps it as JSON.
"""

import http.client
import json
import os
import platform
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner import run
from provisioner.deployment.order import arm
from provisioner.deployment.people import put_user
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING, Stage
from provisioner.lab import network
from provisioner.lab.service import Service
from provisioner.settings import AddressRange
from provisioner.site.site import Site
from provisioner.system.processes import STIME, UTIME, stat_fields
from provisioner.web import session
from tests import pagelab
from tests.access import token_of

ADDRESS, GATEWAY = "10.64.0.1/16", "10.64.0.1"
POOL = AddressRange.model_validate({"first": "10.64.1.1", "last": "10.64.9.250"})
HOSTS, UNDER_WAY = 1000, 200
ROUNDS = 40  # of each page
OPEN, SECONDS = 100, 20  # pages, and how long they are looked at
CLIENT = Path(__file__).with_name("open_pages.py")
PATHS = ("/", "/hosts", "/hosts/vc-0150", "/deployments/vc-0150", "/t", "/runs", "/network", "/reports")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class PageTime:
    """Of a page, in milliseconds: made for this request alone, and where it had just been made."""

    path: str
    bytes: int
    fresh_median: float
    fresh_p95: float
    kept_p95: float


@dataclass(frozen=True)
class OpenPages:
    """A hundred pages that are open: the share of one core, and how many messages each was sent."""

    changes_per_second: float
    core_percent: float
    least_messages: int
    most_messages: int
    memory_mib: float


def fill(site: Site, hosts: int, under_way: int) -> list[Deployment]:
    """Hosts in racks of forty, the first ones somewhere between order and `ready`, the others ready."""
    made = [
        Host(
            name=f"vc-{number:04}",
            macs=(f"ac:1f:6b:0a:{number >> 8:02x}:{number & 255:02x}",),
            profile="cube",
            rack=f"B{number // 40 + 1}/U{number % 40 + 1}",
            serial=f"S21{number:04}",
            bmc=Bmc(driver="manual"),
        )
        for number in range(1, hosts + 1)
    ]
    site.database.put_inventory(made, [Profile(name="cube", image="vault-os")], POOL)
    site.database.images.put(pagelab.image())
    between = [stage for stage in Stage if stage not in RESTING]
    rows = []
    for number, host in enumerate(made):
        stage = between[number % len(between)] if number < under_way else Stage.READY
        since = site.clock() - 60
        row = arm(site, host, pagelab.image(), by="ann")
        rows.append(row.model_copy(update={"stage": stage, "stage_since": since, "last_event_at": since}))
        with site.database.writing():
            site.database.deployments.put(rows[-1])
    return rows


@contextmanager
def served(hosts: int, under_way: int) -> Iterator[tuple[Site, list[Deployment], Service]]:
    """A site of so many hosts, and the service's processes for machines and people."""
    with tempfile.TemporaryDirectory(prefix="p-", ignore_cleanup_errors=True) as around:
        folder = Path(around)
        (folder / "provisioner.toml").write_text('services = ["web"]\n')
        site = pagelab.made_site(folder / "s")
        rows = fill(site, hosts, under_way)
        where = {"interface": network.BRIDGE, "address": ADDRESS}
        log, settings = folder / "service.log", folder / "provisioner.toml"
        with Service(folder / "s", log, settings=settings, **where) as service:
            yield site, rows, service
        site.database.close()


def cookie(site: Site, user: str = ROOT) -> str:
    """Of a session that may read all."""
    return f"{session.COOKIE}={token_of(site, Role.ADMIN, user=user)}"


def cookies(site: Site) -> list[str]:
    """Of five people."""
    root = Caller(name=ROOT, role=Role.ADMIN, way="socket")
    names = [f"admin-{number}" for number in range(5)]
    for name in names:
        put_user(site, root, name, Role.ADMIN, is_new=True)
    return [cookie(site, name) for name in names]


def unchecked() -> ssl.SSLContext:
    """The site's certificate is its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def times_of(path: str, headers: dict[str, str]) -> PageTime:
    """A question mark with a number makes it another page for what keeps them."""
    caller = http.client.HTTPSConnection(GATEWAY, context=unchecked())
    fresh = [_ask(caller, f"{path}?n={number}", headers) for number in range(ROUNDS)]
    kept = [_ask(caller, path, headers) for _ in range(ROUNDS)]
    caller.close()
    seconds = sorted(one for one, _ in fresh)
    return PageTime(
        path,
        fresh[0][1],
        round(1000 * seconds[len(seconds) // 2], 1),
        round(1000 * _p95(seconds), 1),
        round(1000 * _p95(sorted(one for one, _ in kept[1:])), 1),
    )


def _p95(ordered: list[float]) -> float:
    return ordered[int(0.95 * (len(ordered) - 1))]


def _ask(caller: http.client.HTTPSConnection, path: str, headers: dict[str, str]) -> tuple[float, int]:
    began = time.perf_counter()
    caller.request("GET", path, headers=headers)
    reply = caller.getresponse()
    body = reply.read()
    assert reply.status == 200, (path, reply.status)
    return time.perf_counter() - began, len(body)


def cpu_of(pids: list[int]) -> float:
    """Seconds of processor that these processes have had."""
    ticks = 0
    for pid in pids:
        fields = stat_fields(pid)
        ticks += int(fields[UTIME]) + int(fields[STIME])
    return ticks / TICKS


def memory_of(pids: list[int]) -> float:
    """MiB that these processes have for themselves."""
    text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def open_pages(changes: float) -> OpenPages:
    """A hundred of them, while so many things happen each second."""
    with served(40, 12) as (site, rows, service):
        pids = service.pids("api")
        words = [sys.executable, str(CLIENT), GATEWAY, str(OPEN), str(SECONDS + 8), *cookies(site)]
        client = run.start(words, log=service.state / "client.log")
        until = time.monotonic() + 60
        while "open" not in (service.state / "client.log").read_text():
            assert time.monotonic() < until, "the pages were not opened"
            time.sleep(0.1)
        time.sleep(3)  # the first message of each is not what is asked for
        before, began, done = cpu_of(pids), time.monotonic(), 0
        while (now := time.monotonic()) - began < SECONDS:
            if changes and now - began >= done / changes:
                done += 1
                _happen(site, rows[done % 12], done)
            time.sleep(0.02)
        share = 100 * (cpu_of(pids) - before) / (time.monotonic() - began)
        memory = memory_of(pids)
        client.wait(60)
        least, most = json.loads((service.state / "client.log").read_text().splitlines()[-1])
        return OpenPages(changes, round(share, 1), least, most, round(memory, 1))


def _happen(site: Site, row: Deployment, number: int) -> None:
    changed = row.model_copy(update={"last_event_at": site.clock(), "stage_since": site.clock() - number})
    with site.database.writing():
        site.database.deployments.put(changed)


def show(pages: list[PageTime], streams: list[OpenPages]) -> None:
    """For people."""
    for page in pages:
        fresh = f"fresh {page.fresh_median:6.1f} ms, p95 {page.fresh_p95:6.1f}"
        print(f"{page.path:24} {page.bytes:8} bytes  {fresh}  kept p95 {page.kept_p95:6.1f}")
    for one in streams:
        share = f"{one.core_percent:.1f} % of a core, {one.memory_mib:.0f} MiB"
        told = f"{one.least_messages} to {one.most_messages} messages each"
        print(f"{OPEN} open pages, {one.changes_per_second:.1f} changes/s: {share}, {told}")


def main() -> None:
    """Measure, print, keep."""
    report = Path(sys.argv[1]).absolute()
    if not network.inside():
        network.check()
        network.replace([sys.executable, "-m", "tests.wire.web.pages.programs.load", *sys.argv[1:]])
    load = os.getloadavg()[0]
    with network.Lan(ADDRESS):
        with served(HOSTS, UNDER_WAY) as (site, _, service):
            headers = {"Cookie": cookie(site)}
            pages = [times_of(path, headers) for path in PATHS]
            memory = memory_of(service.pids("api"))
        streams = [open_pages(changes) for changes in (0.0, 0.2, 1.0)]
    show(pages, streams)
    found = {
        "commit": sys.argv[2] if len(sys.argv) > 2 else "",
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load_before": load},
        "hosts": HOSTS,
        "under_way": UNDER_WAY,
        "memory_mib": round(memory, 1),
        "pages": [asdict(page) for page in pages],
        "open_pages": [asdict(one) for one in streams],
    }
    report.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
