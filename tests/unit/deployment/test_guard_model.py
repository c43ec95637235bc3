"""Whatever happens, nothing is written without an order that holds: a model beside the real thing.

The model knows nothing of the tables: it says in its own words what a valid order is, and both must agree on
every hello. GUARD_RUNS sets how many runs there are.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from provisioner import settings as settings_module
from provisioner.deployment import boot, downtime
from provisioner.deployment.order import arm
from provisioner.deployment.record import DeniedError, record, try_record
from provisioner.domain.boot_plan import Asker, Local
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import MOST_ATTEMPTS, Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentHello, AgentSilent, AgentWritten, NetbootAgain
from provisioner.domain.events.netboot import DhcpSeen, ScriptServed
from provisioner.domain.events.order import HostSuspect, OrderCancelled, OrderResumed, SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Hints, Profile
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import RefusedError, TransitionError
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.alive import mark_alive
from provisioner.state.database import Database
from provisioner.system.clock import ClockAnchor

RUNS = int(os.environ.get("GUARD_RUNS", "60"))
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
SERIALS = ("", "S1", "S2", "Default string")
UUIDS = (
    "",
    "00112233-4455-6677-8899-aabbccddee01",
    "00112233-4455-6677-8899-aabbccddee02",
    "03000200-0400-0500-0006-000700080009",
)
PLACEHOLDERS = (SERIALS[-1], UUIDS[-1])
DISKS = (
    DiskInfo(name="nvme0n1", size=1 << 40, model="PM9A3", serial="D1", wwn="eui.1"),
    DiskInfo(name="nvme1n1", size=1 << 40, model="PM9A3", serial="D2", wwn="eui.2"),
    DiskInfo(name="sda", size=1 << 41, model="HDD", serial="D3", rotational=True),
)
HINTS = (Hints(), Hints(serial="D1"), Hints(serial="D2"), Hints(rotational=True))
YEAR = 365 * 86400.0
ARMED = ("powering", "netbooting")


@cache
def template() -> Path:
    """A state folder with host vc-1, copied for each run: to make one takes longer than a run."""
    folder = Path(tempfile.mkdtemp(prefix="guard-model-")) / "s"
    folder.mkdir()
    database = Database(folder)
    database.migrate()
    config = configured(folder)
    secret_keys.unlock(config, environment={})
    host = Host(name="vc-1", macs=MACS, profile="cube")
    database.put_inventory([host], [Profile(name="cube")], config.hosts_range)
    database.images.put(
        Image(name="os", version="1", raw_size=1, raw_sha256="", pack_size=1, signed_by="", added=1)
    )
    database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder


def configured(folder: Path) -> settings_module.Settings:
    return settings_module.check(
        {"state": folder, "interface": "lan0", "address": "10.77.0.1/24"}, source="test"
    )


@dataclass
class Machine:
    """What stands in the rack."""

    serial: str = "S1"
    uuid: str = UUIDS[1]
    disks: tuple[DiskInfo, ...] = DISKS[:1]


@dataclass
class Ordered:
    """What an operator agreed to, and what became of it."""

    ident: str
    expires: float
    mac: str
    serial: str
    uuid: str
    hints: Hints
    disk: str  # the serial of the disk that was shown
    nonces: list[str] = field(default_factory=list)
    boot: str = ""
    begun: bool = False
    paused: bool = False
    readers: list[tuple[float, str, str]] = field(default_factory=list)  # of its script, since it was powered

    def boots(self) -> list[float]:
        """When each of the boots began that read it."""
        found: list[float] = []
        for when, _, _ in self.readers:
            if not found or not 0 <= when - found[-1] < 5:
                found.append(when)
        return found


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Orders(RuleBasedStateMachine):
    """One host, its inventory, its orders, and the service that stops and goes on."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="guard-", dir="/dev/shm"))
        shutil.copy(template() / "provisioner.db", self.folder)
        shutil.copytree(template() / "secrets", self.folder / "secrets")
        self.database = Database(self.folder)
        self.clock = Clock()
        self.site = Site(configured(self.folder), self.database, clock=self.clock, real_time=self.clock)
        self.machine = Machine()
        self.order: Ordered | None = None
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.database.close()
            shutil.rmtree(self.folder)

    # what is there

    @property
    def host(self) -> Host:
        return self.database.hosts.get("vc-1")

    @property
    def row(self) -> Deployment | None:
        return self.database.deployments.get(self.order.ident) if self.order else None

    @property
    def stage(self) -> str:
        return str(self.row.stage) if self.row else ""

    def change(self, **fields: Any) -> None:
        self.database.hosts.put(self.host.model_copy(update=fields))

    # the operator

    @rule()
    def lock(self) -> None:
        self.change(locked=True)

    @rule()
    def unlock(self) -> None:
        self.change(locked=False)

    @rule(serial=st.sampled_from(SERIALS))
    def name_a_serial(self, serial: str) -> None:
        self.change(serial=serial)

    @rule(uuid=st.sampled_from(UUIDS))
    def name_a_uuid(self, uuid: str) -> None:
        self.change(uuid=uuid)

    @rule(hints=st.sampled_from(HINTS))
    def name_a_disk(self, hints: Hints) -> None:
        self.change(disk=hints)

    @rule()
    def swap_the_cards(self) -> None:
        self.change(macs=self.host.macs[::-1])

    @rule()
    def look_at_the_hardware(self) -> None:
        """An earlier boot of the ramdisk has told what the machine is."""
        facts = HardwareFacts(
            serial=self.machine.serial, uuid=self.machine.uuid, disks=self.machine.disks, mac=MACS[0]
        )
        self.database.hosts.put_hardware("vc-1", facts, self.clock())

    @rule()
    def arm(self) -> None:
        is_free = self.row is None or self.row.stage in RESTING
        try:
            row = arm(self.site, self.host, self.database.images.all()[0], by="ann")
        except RefusedError:
            assert self.host.locked or not is_free
            return
        assert is_free and not self.host.locked
        known = self.database.hosts.hardware("vc-1") or HardwareFacts()
        hints = self.host.disk or Hints()
        shown = [disk.serial for disk in known.disks if fits(disk, hints)]
        self.order = Ordered(
            ident=row.id,
            expires=self.clock() + self.site.settings.orders.expire_seconds,
            mac=self.host.macs[0],
            serial=real(self.host.serial) or real(known.serial),
            uuid=real(self.host.uuid) or real(known.uuid),
            hints=hints,
            disk=shown[0] if len(shown) == 1 else "",
        )

    @precondition(lambda self: self.row is not None)
    @rule()
    def cancel(self) -> None:
        try_record(self.site, self.order.ident, OrderCancelled(by="ann"), source="test")

    @precondition(lambda self: self.row is not None)
    @rule()
    def resume(self) -> None:
        if try_record(self.site, self.order.ident, OrderResumed(by="ann"), source="test"):
            self.order.paused, self.order.readers = False, []

    # the worker

    @precondition(lambda self: self.stage == "queued")
    @rule()
    def give_the_slot(self) -> None:
        record(self.site, self.order.ident, SlotGiven(), source="test")

    @precondition(lambda self: self.stage == "powering")
    @rule()
    def power_it(self) -> None:
        self.count += 1
        nonce = f"nonce-{self.count:026}"
        record(self.site, self.order.ident, PowerBegan(nonce=nonce), source="test")
        self.order.nonces.append(nonce)
        self.order.readers = []

    @precondition(lambda self: self.stage == "writing")
    @rule(event=st.sampled_from([AgentSilent(seconds=61), NetbootAgain()]))
    def lose_its_power(self, event: AgentSilent | NetbootAgain) -> None:
        attempts = self.row.attempt
        done = try_record(self.site, self.order.ident, event, source="test")
        assert (done is None) is (attempts >= MOST_ATTEMPTS)
        if done:
            self.order.nonces.append("")  # none of the attempt before is worth anything

    # time

    @rule(seconds=st.sampled_from([1.0, 60.0, 3600.0, 14399.0, 14401.0, 3 * 86400.0]))
    def wait(self, seconds: float) -> None:
        """The worker is not looking: it hangs, or is stopped."""
        self.clock.now += seconds

    @rule(
        down=st.sampled_from([0.5, 60.0, 14401.0, 3 * 86400.0]),
        step=st.sampled_from([0.0, -40.0, 7200.0, -10 * YEAR, 10 * YEAR]),
        off=st.booleans(),
    )
    def stop_and_start(self, down: float, step: float, off: bool) -> None:
        """The service, or with `off` the machine, was down, and its clock may have been set meanwhile."""
        now, before = ClockAnchor.of_now(), self.clock()
        mark_alive(self.folder, before)
        with self.database.writing():
            anchor = replace(now, real=before + down)
            self.database.clock.put(replace(anchor, boot_id="another") if off else anchor)
        downtime.end(self.site.settings, self.database, replace(now, real=before + down + step))
        self.clock.now = before + down + step
        if self.order is None:
            return
        if not off:
            self.order.expires += step  # the same moment, as the clock calls it now
        elif down + step < 0:
            assert self.order.begun or self.row.stage in RESTING, "nobody knows how old it is"
            self.order.expires = self.clock.now + (self.order.expires - before)

    # the network, the machine, and others

    @precondition(lambda self: self.stage in ARMED)
    @rule()
    def ask_dhcp(self) -> None:
        try_record(self.site, self.order.ident, DhcpSeen(), source="test")

    @rule(serial=st.sampled_from(SERIALS), uuid=st.sampled_from(UUIDS))
    def change_the_mainboard(self, serial: str, uuid: str) -> None:
        self.machine.serial, self.machine.uuid = serial, uuid

    @rule(disks=st.lists(st.sampled_from(DISKS), unique=True))
    def change_the_disks(self, disks: list[DiskInfo]) -> None:
        self.machine.disks = tuple(disks)

    @precondition(lambda self: self.row is not None)
    @rule()
    def overhear_its_token(self) -> None:
        event = HostSuspect(sentence="its token was used elsewhere")
        if try_record(self.site, self.order.ident, event, source="test"):
            self.order.paused = True

    @precondition(lambda self: self.stage in ARMED and self.row.nonce)
    @rule(own=st.sampled_from([True, True, True, False]), pause=st.sampled_from([0.0, 1.0, 90.0]))
    def ask_for_the_script(self, own: bool, pause: float) -> None:
        self.clock.now += pause
        order, machine, now = self.order, self.machine, self.clock()
        known = self.database.macs.get(order.mac)
        address = known.address if own else "10.77.0.99"
        who = Asker(mac=order.mac, address=address, serial=machine.serial, uuid=machine.uuid)
        plan = boot.answer(self.site, who).plan
        boots, times = order.boots(), len(order.readers)
        loops = times >= 8 or (len(boots) >= 3 and not 0 <= now - boots[-1] < 5)
        others = self.is_another_than_the_first()
        if not isinstance(plan, Local):
            assert own and not loops and not others
            served = ScriptServed(address=address, serial=machine.serial, uuid=machine.uuid)
            record(self.site, order.ident, served, source="test")
            order.readers.append((now, machine.serial, machine.uuid))
            return
        alarm = boot.alarm(self.site, who)
        expected = own and times > 0 and not order.paused and (others or loops)
        assert (alarm is not None) is expected
        if alarm and try_record(self.site, order.ident, alarm, source="test"):
            order.paused = others
            assert self.row.paused if others else self.row.stage == Stage.FAILED

    def is_another_than_the_first(self) -> bool:
        """Whether it says another serial or UUID than the order, the inventory or a reader before."""
        order, host, machine = self.order, self.host, self.machine
        serials = [order.serial, host.serial, *(serial for _, serial, _ in order.readers)]
        uuids = [order.uuid, host.uuid, *(uuid for _, _, uuid in order.readers)]
        return differs(machine.serial, serials) or differs(machine.uuid, uuids)

    @precondition(lambda self: self.stage == "writing")
    @rule()
    def finish(self) -> None:
        record(self.site, self.order.ident, AgentWritten(disk=WrittenDisk(serial="D1")), source="test")

    @precondition(lambda self: self.order is not None)
    @rule(
        which=st.sampled_from(["last", "last", "last", "first", "wrong", "empty"]),
        mac=st.sampled_from([0, 0, 0, 1]),
        own=st.sampled_from([True, True, True, False]),
        boot_id=st.sampled_from(["boot-1", "boot-1", "boot-2"]),
        crash=st.sampled_from([False, False, True]),
    )
    def say_hello(self, which: str, mac: int, own: bool, boot_id: str, crash: bool) -> None:
        nonces = [*self.order.nonces, ""]
        nonce = {"last": self.order.nonces[-1] if self.order.nonces else "", "first": nonces[0]}.get(
            which, ""
        )
        nonce = "wrong" if which == "wrong" else nonce
        claim = Claim(
            MACS[mac],
            is_own_address=own,
            nonce=nonce,
            boot_id=boot_id,
            serial=self.machine.serial,
            uuid=self.machine.uuid,
            disks=self.machine.disks,
        )
        hello = AgentHello(
            claim=claim,
            nonce=nonce,
            boot_id=boot_id,
            serial=self.machine.serial,
            uuid=self.machine.uuid,
            token_hash="t",
            phone_hash="p",
        )
        before, wanted = self.row, self.is_valid(claim)
        if crash:
            with crashing(self.database):
                try_record(self.site, self.order.ident, hello, source="test")
            assert self.row == before, "a crash in the middle has left no trace"
            return
        after = self.tell(hello)
        assert (after is not None and after.stage == Stage.WRITING) is wanted, (claim, before, after)
        if not wanted:
            assert after is None or after.stage == Stage.FAILED
            return
        self.order.begun, self.order.boot = True, boot_id
        self.order.serial = self.order.serial or real(self.machine.serial)
        self.order.uuid = self.order.uuid or real(self.machine.uuid)
        shown = [disk.serial for disk in self.machine.disks if fits(disk, self.order.hints)]
        self.order.disk = self.order.disk or (shown[0] if len(shown) == 1 else "")
        assert after.target.serial == self.order.disk, "the disk that was confirmed, and no other"

    def tell(self, hello: AgentHello) -> Deployment | None:
        try:
            return record(self.site, self.order.ident, hello, source="test")
        except DeniedError as denied:
            knows = bool(hello.nonce) and hello.nonce == (self.order.nonces or [""])[-1]
            assert not denied.is_suspect or knows
        except TransitionError:
            pass
        return None

    def is_valid(self, claim: Claim) -> bool:
        """Whether an operator's consent covers what this machine would do now."""
        order, host, hints = self.order, self.host, self.host.disk or Hints()
        fresh = self.stage in ARMED
        same_boot = self.stage == "writing" and claim.boot_id == order.boot
        knows = bool(claim.nonce) and bool(order.nonces) and claim.nonce == order.nonces[-1]
        is_it = claim.mac == order.mac == host.macs[0] and claim.is_own_address
        serials = {word for word in (order.serial, real(host.serial)) if word}
        uuids = {word for word in (order.uuid, real(host.uuid)) if word}
        same = serials <= {claim.serial} and uuids <= {claim.uuid}
        there = not order.disk or order.disk in [disk.serial for disk in claim.disks or ()]
        in_time = order.begun or self.clock() <= order.expires
        consent = not host.locked and not order.paused and hints == order.hints and there and in_time
        return (fresh or same_boot) and knows and is_it and same and consent

    # always

    @invariant()
    def what_does_not_hold_is_not_booted(self) -> None:
        if not hasattr(self, "order") or self.order is None:
            return
        row, host = self.row, self.host
        known = self.database.macs.get(self.order.mac)
        plan = boot.answer(self.site, Asker(mac=self.order.mac, address=known.address if known else "")).plan
        expired = not self.order.begun and self.clock() > self.order.expires
        if expired or host.locked or self.order.paused or row.stage not in ARMED:
            assert isinstance(plan, Local)
        assert not (expired and row.stage == Stage.WRITING)
        if row.stage not in ARMED:
            assert row.nonce == "", "a nonce is there only while a script must name it"


def real(word: str) -> str:
    """What names a machine; nothing for what a maker left in place of it."""
    return "" if word in PLACEHOLDERS else word


def differs(word: str, others: Iterable[str]) -> bool:
    """Whether a word that names a machine is not what one of the others names."""
    return bool(real(word)) and any(real(other) not in ("", word) for other in others)


def fits(disk: DiskInfo, hints: Hints) -> bool:
    """By the three hints that this model gives."""
    return hints.serial in ("", disk.serial) and hints.rotational in (None, disk.rotational)


class CrashError(Exception):
    """The process is killed."""


@contextmanager
def crashing(database: Database) -> Iterator[None]:
    """Whoever writes an event dies before the commit."""

    def die(*_: object, **__: object) -> None:
        raise CrashError

    add, database.events.add = database.events.add, die  # type: ignore[method-assign]
    try:
        yield
    except CrashError:
        pass
    finally:
        database.events.add = add  # type: ignore[method-assign]


@pytest.mark.timeout(120 + RUNS / 10)
def test_nothing_is_written_without_an_order_that_holds() -> None:
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
