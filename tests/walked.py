"""A deployment that has gone a part of its way, event by event, as machines and the worker tell it."""

from collections.abc import Callable, Iterator

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentFailed, AgentProgress, AgentRebooting, AgentWritten
from provisioner.domain.events.netboot import DhcpSeen, ScriptServed
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed, VerifyTask
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.throughput import ThroughputFile
from tests.unit.conftest import hello_of

TOTAL = 18 << 30
DISK = WrittenDisk(
    name="nvme0n1", model="Samsung PM9A3", serial="S64FNE0R7Q1K", size=3_840_755_982_336, logical_sector=512
)
ADDRESS = "10.77.0.64"
BROKEN = AgentFailed(code=322, sentence="the image's stream broke off five times", hint="look at the switch")
Advance = Callable[[float], None]


def walk(
    site: Site, host: str, advance: Advance, until: Stage = Stage.READY, slow: float = 1.0
) -> Deployment:
    """Armed, and told of until it is at that stage; `advance` moves the site's clock by so many seconds."""
    known = site.database.hosts.get(host)
    row = arm(site, known, site.database.images.all()[0], by="ann")
    for seconds, source, event in _way(row, known):
        if row.stage == until:
            break
        advance(seconds * slow)
        row = record(site, row.id, event, source=source)
    return row


def write(site: Site, row: Deployment, advance: Advance, share: float = 0.4, rate: float = 4e8) -> Deployment:
    """Reports of who writes the disk, every two seconds until that share of it, and their samples."""
    done, number = 0, 0
    kept = ThroughputFile(site.settings.state, row.id)
    while done < share * TOTAL:
        advance(2.0)
        speed = rate * (0.85 + 0.3 * (number * 7 % 11) / 11)
        done, number = min(TOTAL, done + int(2 * speed)), number + 1
        report = AgentProgress(
            seq=number, phase="writing", done=done, total=TOTAL, rate=speed, disk="nvme0n1"
        )
        row = record(site, row.id, report, source="machine")
        kept.add(row.progress.reported, row.attempt, done, speed)
    return row


def fail(site: Site, row: Deployment, advance: Advance, event: Payload = BROKEN) -> Deployment:
    """It ends so, some seconds later."""
    advance(4.0)
    return record(site, row.id, event, source="machine")


def _way(row: Deployment, host: Host) -> Iterator[tuple[float, str, Payload]]:
    """Seconds before each event, who tells it, and the event."""
    nonce = f"n-{row.id}"
    yield 1, "worker", SlotGiven()
    yield 1, "worker", PowerBegan(nonce=nonce)
    yield 3, "bmc", PowerOn(boot="network", state="on", confirmed=True)
    yield 302, "dhcp", DhcpSeen()
    yield 9, "web", ScriptServed()
    yield 32, "machine", hello_of(nonce, boot_id=row.id, mac=host.macs[0], serial=host.serial)
    yield 45, "machine", AgentWritten(disk=DISK, seconds=43, bytes_fetched=6 << 30, bytes_written=TOTAL)
    yield 2, "machine", AgentRebooting()
    yield 112, "machine", OsPhoned(host_keys=("ssh-ed25519 AAAA",), address=ADDRESS)
    yield 31, "ansible", VerifyTask(task="gpus", result="ok", sentence="8 of 8 GPUs, driver 580.95")
    yield 60, "ansible", VerifyTask(task="ecc", result="ok", sentence="ECC is on")
    yield 40, "ansible", VerifyPassed()
    yield 2, "ansible", SealDone(mode="full")
