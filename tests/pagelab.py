"""A site with something of everything, and people's application on a socket: for tests that look at pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import make_server

from provisioner.deployment.order import arm
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.host import Bmc, Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Profile
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage
from provisioner.settings import AddressRange
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from tests.access import certified
from tests.unit.conftest import settings_of, trust

DAY = 86400.0
STEPS: tuple[tuple[Stage, dict[str, object]], ...] = (
    (Stage.QUEUED, {}),
    (Stage.POWERING, {}),
    (Stage.NETBOOTING, {}),
    (Stage.WRITING, {"progress": Progress(phase="writing", done=7 << 30, total=18 << 30, rate=412e6)}),
    (Stage.RESTARTING, {}),
    (Stage.VERIFYING, {}),
    (Stage.SEALING, {}),
    (Stage.READY, {"disk": WrittenDisk(name="nvme0n1", serial="S64FNE0R7Q1K", size=3_840_755_982_336)}),
    (Stage.REJECTED, {"code": 521, "reason": "7 of 8 GPUs were found", "hint": "provision report HOST"}),
    (
        Stage.FAILED,
        {"code": 210, "reason": "no DHCP packet from its MAC since power-on", "hint": "look at its cable"},
    ),
    (Stage.CANCELLED, {"reason": "cancelled by ann"}),
)


def image(version: str = "2026.11.2", added: float = 1) -> Image:
    """As `provision image add` registers it at that time, in seconds since 1970."""
    size, packed = 18 << 30, 6 << 30
    values = {
        "raw_size": size,
        "raw_sha256": "1" * 64,
        "pack_size": packed,
        "signed_by": "release",
        "added": added,
    }
    return Image.model_validate({"name": "vault-os", "version": version, **values})


def fill(site: Site, hosts: int = 14, *, first: int = 1) -> list[Deployment]:
    """So many hosts in racks, of which each state has one at least; the newest of each is returned.

    They are numbered from `first`, and have addresses even where the site has too few for them.
    """
    made = [
        Host(
            name=f"vc-{number:04}",
            macs=(f"ac:1f:6b:0a:{number >> 8:02x}:{number & 255:02x}",),
            profile="cube",
            rack=f"B{number // 10 + 1}/U{number % 10 * 4 + 2}",
            serial=f"S21{number:04}",
            bmc=Bmc(driver="manual"),
        )
        for number in range(first, first + hosts)
    ]
    pool = site.settings.hosts_range
    pool = AddressRange(first=pool.first, last=max(pool.last, pool.first + first + hosts))
    site.database.put_inventory(made, [Profile(name="cube", image="vault-os")], pool)
    site.database.images.put(image(added=site.clock() - 3 * DAY))
    rows = []
    for number, host in enumerate(made[: max(0, hosts - 2)]):
        stage, more = STEPS[number % len(STEPS)]
        row = arm(site, host, image(), by="ann")
        since = site.clock() - 40 * (number + 1)
        row = row.model_copy(
            update={
                "stage": stage,
                "stage_since": since,
                "created": since - 300,
                "last_event_at": since + 20,
                "attempt": int(stage is not Stage.QUEUED),
                **more,
            }
        )
        with site.database.writing():
            site.database.deployments.put(row)
        rows.append(row)
    return rows


@contextmanager
def served(site: Site) -> Iterator[str]:
    """People's application by TLS at 127.0.0.1; its address."""
    context, _ = certified(site)
    with Listener(site.settings.state, "api") as listener:
        app = create_app(site, listener, "api")
        server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def made_site(state: Path) -> Site:
    """A new one, at 10.77.0.1, whose folder is made as a service makes it."""
    settings = settings_of(state)
    prepare_folder(state)
    opener = secret_keys.unlock(settings, environment={})
    database = Database(state)
    database.migrate()
    trust(state, "release")
    return Site(settings, database, opener=opener)
