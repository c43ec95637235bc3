"""One rehearsal: a lab with a service, a host that is deployed and a stranger that must be left alone."""

import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from provisioner import ramdisk, run
from provisioner.api.deployments import DeploymentDetails
from provisioner.domain.event import Event
from provisioner.domain.host import Host
from provisioner.domain.profile import Hints, Profile
from provisioner.domain.restart import Restart
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import Timeline
from provisioner.errors import ProvisionError, ServiceError, UnreachableError
from provisioner.lab import evidence, handover, inventory, machine, network, qemu, supplies
from provisioner.lab.machine import Machine
from provisioner.lab.report import Check, HostReport, ImageReport, Report, StageReport, versions
from provisioner.lab.service import Service
from provisioner.lab.supplies import Progress, Supplies
from provisioner.power import registry
from provisioner.power.protocol import BmcAddress, PowerDriver

NAME, MAC, SERIAL = "vault-1", "52:54:00:77:01:01", "LAB0001"
STRANGER, STRANGER_MAC = "stranger", "52:54:00:77:01:99"
DISK, STRANGERS_DISK = 1 << 30, 64 << 20  # bytes
ROOM = 1 << 30  # bytes that a disk has beyond a large image, to grow and to swap in
DISK_SERIAL = "LABDISK"  # and a number
MEMORY = 1024  # MiB
WATCH_LIMIT = 60.0  # seconds for the watching command to end after its deployment


class Scenario:
    """What goes wrong in a rehearsal; this one: nothing."""

    name = "deploy"
    expected = 0  # exit code of `provision watch`
    older = False  # whether the disk holds an older image, instead of 0xA5
    gpus = 1  # that the profile expects
    extra_pci: tuple[str, ...] = ("edu",)  # QEMU's devices, of the host
    properties: tuple[str, ...] = ()  # of its board's own
    disks = 1  # of the host
    hints: ClassVar[Hints] = Hints()  # for the disk to write, in the profile
    written = 1  # the number of that disk
    sector = qemu.SECTOR  # bytes, of every disk
    plain_rom = False  # whether the card knows no iPXE, only PXE

    def before(self, lab: "Rehearsal") -> None:
        """When the image is added and nothing is ordered yet."""

    def on(self, lab: "Rehearsal", event: Event) -> None:
        """At every event of the deployment."""

    def after(self, lab: "Rehearsal") -> None:
        """When the deployment rests."""


@dataclass(frozen=True)
class Options:
    """How to rehearse. `folder` gets everything that is written; its path must be short."""

    cache: Path
    folder: Path
    log: Progress
    stop_after: str = ""
    label: str = ""
    firmware: qemu.Firmware = "uefi"
    disk: qemu.Bus = "virtio"
    hosts: int = 1
    max_parallel: int = 1
    bmc: str = "ipmi"
    iso: Path | None = None
    image: Path | None = None  # a pack, instead of the lab's own
    restart: Restart = "firmware"


class Rehearsal:
    """The lab while it stands. Faults and checks use what is public here."""

    disk_size = DISK  # bytes, of every disk of the host
    memory = MEMORY  # MiB
    fresh = "0xA5"  # what they hold at first
    settings = ""  # TOML, beside what the command line says

    def __init__(self, options: Options, scenario: Scenario) -> None:
        self.options, self.scenario = options, scenario
        self.folder = options.folder
        self.report = Report(scenario=scenario.name, firmware=options.firmware, label=options.label)
        self.timeline = Timeline()
        self._deployment: DeploymentDetails | None = None
        self.password = secrets.token_hex(8)
        self._accelerator: qemu.Accelerator
        self.lan: network.Lan
        self.supplies: Supplies
        self.host: Machine
        self.stranger: Machine
        self.service: Service

    @property
    def driver(self) -> PowerDriver:
        """The power driver of the hosts' BMCs."""
        return registry.DRIVERS[self.options.bmc]

    @property
    def has_console(self) -> bool:
        """Whether their serial consoles can be recorded."""
        return bool(self.driver.recorder)

    @property
    def disk(self) -> Path:
        """The disk that must be written."""
        return self.host.disks[self.scenario.written - 1]

    def check(self, name: str, ok: bool, seen: object) -> bool:
        """Note one thing that had to hold."""
        self.report.checks.append(Check(name, ok, str(seen)))
        return ok

    def run(self) -> Report:
        """All of it; the report says how it went, whatever happens."""
        began = time.monotonic()
        try:
            with ExitStack() as stack:
                self._build()
                self._plug(stack)
                self._serve(stack)
                began = time.monotonic()
                try:
                    self._play()
                finally:
                    self._note_hosts()
                    self._look()
        except ProvisionError as fault:
            self.check("the rehearsal itself", False, f"{fault} {fault.hint}".strip())
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    def _build(self) -> None:
        cache, log = self.options.cache, self.options.log
        given = self.options.image
        built = supplies.bring(given, self.folder, cache, log) if given else supplies.provide(cache, log)
        self.supplies = built
        if given:
            self.disk_size = max(DISK, built.manifest.raw_size + ROOM)
        self.report.image = ImageReport(
            name=built.image,
            raw=built.manifest.raw_size,
            sha256=built.sha256,
            pack=built.manifest.pack_size,
        )
        self._choose_accelerator()
        self.report.versions = versions()

    def _choose_accelerator(self) -> None:
        self._accelerator = qemu.choose_accelerator(self.options.cache / "accelerator.json")
        self.report.accelerator = self._accelerator

    def _plug(self, stack: ExitStack) -> None:
        lan = self.lan = stack.enter_context(network.Lan())
        other = self.folder / "stranger.raw"
        machine.fill(other, STRANGERS_DISK)
        self.host = self._host(
            lan,
            qemu.MachineSpec(
                name=NAME,
                mac=MAC,
                disks=tuple(self._disk(number + 1) for number in range(self.scenario.disks)),
                memory=self.memory,
                firmware=self.options.firmware,
                serial_number=SERIAL,
                extra_pci=self.scenario.extra_pci,
                properties=self.scenario.properties,
            ),
        )
        if self.scenario.plain_rom:
            lan.disguise(NAME)
        self.stranger = self._host(
            lan,
            qemu.MachineSpec(
                name=STRANGER,
                mac=STRANGER_MAC,
                disks=(qemu.Disk(other, f"{DISK_SERIAL}9", self.options.disk),),
                memory=256,
                firmware=self.options.firmware,
                cpus=1,
                serial_number="LAB0099",
            ),
        )
        for plugged in (self.host, self.stranger):
            stack.enter_context(plugged)

    def _disk(self, number: int) -> qemu.Disk:
        path = self.folder / f"disk{number}.raw"
        if self.scenario.older:
            machine.copy(supplies.older(self.options.cache, self.options.log), path, self.disk_size)
        else:
            machine.fill(path, self.disk_size)
        return qemu.Disk(path, f"{DISK_SERIAL}{number}", self.options.disk, self.scenario.sector)

    def _host(self, lan: network.Lan, wanted: qemu.MachineSpec) -> Machine:
        address, port = lan.bmc(wanted.name), self.driver.port or 0
        bmc = BmcAddress(self.driver.name, address, port, inventory.USER, self.password, name=wanted.name)
        return Machine(
            wanted,
            self.folder / wanted.name,
            tap=lan.tap(wanted.name),
            bmc=bmc,
            accelerator=self._accelerator,
        )

    def _serve(self, stack: ExitStack) -> None:
        state, settings = self.folder / "state", self.folder / "provisioner.toml"
        (state / "keys").mkdir(parents=True, mode=0o700, exist_ok=True)
        state.chmod(0o700)
        settings.write_text(self.settings)
        key = supplies.public_key(self.options.cache)
        shutil.copy(key, state / "keys")
        ramdisk.build(state / "ramdisk", cache=self.options.cache / "ramdisk", keys=[key])
        log, lan = self.folder / "service.log", {"interface": network.BRIDGE, "address": network.ADDRESS}
        self.service = stack.enter_context(Service(state, log, **lan, settings=settings))
        self.service.client.put_secret(inventory.USER, inventory.USER, self.password)
        self.service.client.apply(self._inventory_hosts(), [self._inventory_profile()])
        self._add_image()
        self.scenario.before(self)

    def _add_image(self) -> None:
        self.provision("image", "add", str(self.supplies.pack))

    def _inventory_hosts(self) -> list[Host]:
        return [inventory.host(self.host)]

    def _inventory_profile(self) -> Profile:
        name = self.report.image.name.partition("@")[0]
        return inventory.profile(
            *(name, self.scenario.hints, self.scenario.gpus, inventory.DEADLINES),
            restart=self.options.restart,
        )

    def provision(self, *words: str) -> str:
        """What a command line of the product prints as data."""
        return run.text(self.argv(*words), timeout=600)

    def argv(self, *words: str) -> list[str]:
        """A command line of the product, against this service."""
        return [sys.executable, "-m", "provisioner", *words, "--state", str(self.service.state)]

    def _order(self, *words: str) -> str:
        """Order as a technician does, and show what he would see; the deployment's id."""
        self.options.log(f"$ provision deploy {' '.join(words[:2])}")
        done = run.run(self.argv("deploy", *words))
        for line in done.stderr.decode().splitlines():
            self.options.log(line)
        return done.stdout.decode().strip()

    def _play(self) -> None:
        """Order, follow, judge, and let the fault have its last word."""
        stop = ["--until", self.options.stop_after] if self.options.stop_after else []
        self.stranger.press("on")
        code = self.follow(self.order(*stop), self.scenario.on)
        self.report.stages = [StageReport(name, seconds) for name, seconds in self.timeline.seconds()]
        self.report.result = str(self.deployment.stage)
        if self.options.stop_after and self.report.result == "cancelled":
            self.report.result = f"stopped after {self.options.stop_after}"
        self.check(
            f"provision watch ends with {self.scenario.expected}", code == self.scenario.expected, code
        )
        handover.check(self, NAME)
        if code == self.scenario.expected:
            self.scenario.after(self)

    def order(self, *words: str) -> str:
        """Order the host without a question; the deployment's id."""
        return self._order("--mac", MAC.upper(), "--yes", "--no-wait", *words)

    def follow(self, ident: str, on: Callable[["Rehearsal", Event], None]) -> int:
        """Until it rests; `on` is given each event. What `provision watch` ends with."""
        watching = run.start(self.argv("watch", ident))
        try:
            for event in self._events(ident):
                on(self, event)
            return watching.wait(WATCH_LIMIT)
        finally:
            run.stop(watching)

    def _events(self, ident: str) -> Iterator[Event]:
        """Every event as it comes; a service that has ended is started again, as systemd would do it."""
        after, client = 0, self.service.client
        while True:
            try:
                update = client.events(ident, after, 20)
            except UnreachableError:
                if self.service.wait_end(1):
                    self.service.ensure()
                continue
            self._deployment = update.deployment
            for event in update.events:
                after = event.id
                self.timeline.add(event)
                yield event
            if update.deployment.stage in RESTING and not update.events:
                return

    @property
    def deployment(self) -> DeploymentDetails:
        """The deployment that was followed last, as it was last seen."""
        if self._deployment is None:
            raise RuntimeError("nothing was ordered yet")
        return self._deployment

    def _note_hosts(self) -> None:
        """The stranger's disk is looked at whatever happened."""
        row = self._deployment
        why = f"{row.reason} (PV-{row.code})" if row and row.code else ""
        firmware, bus = self.options.firmware, self.options.disk
        disk = f"{bus} {self.disk_size >> 20} MiB, {'an older image' if self.scenario.older else self.fresh}"
        if self.scenario.sector != qemu.SECTOR:
            disk += f", sectors of {self.scenario.sector} bytes"
        stage = str(row.stage) if row else "not ordered"
        self.report.hosts.append(HostReport(NAME, MAC, firmware, disk, stage, why))
        self.stranger.cut_power()
        untouched = evidence.is_untouched(self.stranger.disks[0])
        self.check("the stranger's disk", untouched, "every byte untouched" if untouched else "was written")
        seen = [row for row in self.service.client.sightings() if row.mac == STRANGER_MAC]
        unknown = bool(seen) and seen[0].host is None
        words = f"asked {seen[0].count} times, nobody knows it" if seen else "never asked"
        self.check("the stranger is recorded", unknown, words)
        disk = f"{bus} {STRANGERS_DISK >> 20} MiB, 0xA5"
        self.report.hosts.append(HostReport(STRANGER, STRANGER_MAC, firmware, disk, "left alone"))
        for fault in (*self.host.faults, *self.stranger.faults):
            self.check("the lab's machines", False, fault)

    def _look(self) -> None:
        """Keep what a person would want to see: the screen, the consoles, the service's log."""
        for plugged in (self.host, self.stranger):
            with suppress(ServiceError, OSError):
                plugged.screendump(self.folder / f"{plugged.name}.png")
