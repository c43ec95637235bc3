"""A rehearsal of many hosts that are deployed by one command, with fewer slots than hosts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address

from provisioner import run
from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentHello, AgentProgress, AgentWritten
from provisioner.domain.host import Host
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import Timeline
from provisioner.errors import UnreachableError
from provisioner.lab import evidence, inventory, machine, qemu, second_boot
from provisioner.lab.machine import Machine
from provisioner.lab.rehearsal import MEMORY, WATCH_LIMIT, Options, Rehearsal, Scenario
from provisioner.lab.report import HostReport, StageReport

NOBODY = "10.77.1.250"  # an address at which no BMC answers
CUT = "vault-2"  # which host loses its power
MIDDLE = 0.5  # of the image
MOST_COPIES = 2.0
RAMDISK = ("vmlinuz", "initrd.img")
LINE = 4  # Mbit/s that the service sends: less than emulated machines can write together
AT_WORK = frozenset({"powering", "netbooting", "writing", "restarting", "verifying", "sealing"})


class Many(Scenario):
    """All hosts are well."""

    name = "fleet"


class Mixed(Many):
    """The second host's BMC is dead, the third has no disk; the others must not mind."""

    name = "fleet-mixed"
    expected = 4


class FleetPowerCut(Many):
    """All write at once and feed each other; the second loses its power in the middle, once."""

    name = "fleet-power-cut"

    def __init__(self) -> None:
        self._began = self._ended = -1  # bytes that the service had sent by then
        self._is_cut = False

    def on(self, lab: Rehearsal, event: Event) -> None:
        data = event.data
        assert isinstance(lab, FleetRehearsal)  # noqa: S101  the only one that plays it
        if isinstance(data, AgentHello) and self._began < 0:
            lab.lan.limit_line(LINE)  # so that all wait for the line, not for this machine's processors
            self._began = lab.lan.sent_bytes()
        if isinstance(data, AgentWritten):
            self._ended = lab.lan.sent_bytes()
        if self._is_cut or event.host != CUT or not isinstance(data, AgentProgress):
            return
        if data.phase == "writing" and data.done > MIDDLE * data.total:
            lab.others[0].cut_power()
            self._is_cut = True

    def after(self, lab: Rehearsal) -> None:
        assert isinstance(lab, FleetRehearsal)  # noqa: S101  the only one that plays it
        attempts = {row.host: row.attempt for row in lab.rows}
        again = self._is_cut and all(n == 1 + (host == CUT) for host, n in attempts.items())
        lab.check("the power was cut, and attempt 2 wrote it", again, attempts)
        pack = sum(chunk.pack_length for chunk in lab.supplies.manifest.chunks if chunk.kind == "data")
        ramdisk = sum((lab.folder / "state" / "ramdisk" / name).stat().st_size for name in RAMDISK)
        copies = (self._ended - self._began - ramdisk) / pack  # attempt 2 has loaded the ramdisk once more
        shown = f"{copies:.2f}, with all headers, for {len(attempts)} hosts and one more attempt"
        lab.check("copies of the image that the service sent", 0 < copies <= MOST_COPIES, shown)


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "deploy": Many,
    Mixed.name: Mixed,
    FleetPowerCut.name: FleetPowerCut,
}


class FleetRehearsal(Rehearsal):
    """`options.hosts` hosts, of which `options.max_parallel` may be under way at one time."""

    def __init__(self, options: Options, scenario: Scenario) -> None:
        super().__init__(options, scenario)
        self._count, self._parallel = options.hosts, options.max_parallel
        self._mixed = isinstance(scenario, Mixed)
        self.others: list[Machine] = []
        self.rows: tuple[DeploymentStatus, ...] = ()
        self.most = 0  # hosts under way at one time
        self._timelines: dict[str, Timeline] = {}

    def _plug(self, stack: ExitStack) -> None:
        super()._plug(stack)
        for number in range(2, self._count + 1):
            self.others.append(stack.enter_context(self._host(self.lan, self._describe(number))))

    def _describe(self, number: int) -> qemu.MachineSpec:
        disks: tuple[qemu.Disk, ...] = ()
        if not (self._mixed and number == 3):
            path = self.folder / f"disk-of-{number}.raw"
            machine.fill(path, self.disk_size)
            disks = (qemu.Disk(path, f"LABDISK{number}"),)
        return qemu.MachineSpec(
            name=f"vault-{number}",
            mac=f"52:54:00:77:01:{number:02x}",
            disks=disks,
            memory=MEMORY,
            serial_number=f"LAB{number:04}",
            extra_pci=("edu",),
        )

    def _inventory_hosts(self) -> list[Host]:
        first, second, *others = map(inventory.host, (self.host, *self.others))
        if self._mixed:
            dead = second.bmc.model_copy(update={"address": IPv4Address(NOBODY)})
            second = second.model_copy(update={"bmc": dead})
        return [first, second, *others]

    def _play(self) -> None:
        limits = ("--expect-count", str(self._count), "--max-parallel", str(self._parallel))
        stop = ["--until", self.options.stop_after] if self.options.stop_after else []
        self.stranger.press("on")
        ident = self._order("--all", "--yes", *limits, "--no-wait", *stop)
        watching = run.start(self.argv("watch", ident))
        try:
            for event in self._run_events(ident):
                self._timelines.setdefault(event.deployment, Timeline()).add(event)
                self.scenario.on(self, event)
                at_work = sum(str(timeline.stage) in AT_WORK for timeline in self._timelines.values())
                self.most = max(self.most, at_work)
            code = watching.wait(WATCH_LIMIT)
        finally:
            run.stop(watching)
        self.check(
            f"provision watch ends with {self.scenario.expected}", code == self.scenario.expected, code
        )
        self._judge()

    def _run_events(self, ident: str) -> Iterator[Event]:
        after = 0
        while True:
            try:
                update = self.service.client.run_events(ident, after, 20)
            except UnreachableError:
                if self.service.wait_end(1):
                    self.service.ensure()
                continue
            self.rows = update.deployments
            for event in update.events:
                after = event.id
                yield event
            if all(row.stage in RESTING for row in self.rows) and not update.events:
                return

    def _judge(self) -> None:
        limit = min(self._parallel, self._count)
        self.check("hosts under way at one time", self.most == limit, f"{self.most} of at most {limit}")
        self.report.stages = [
            StageReport(name, seconds) for name, seconds in self._timeline(self.rows[0]).seconds()
        ]
        if not self._mixed:
            wanted = "cancelled" if self.options.stop_after else "ready"
            done = sum(row.stage == wanted for row in self.rows)
            self.check(f"hosts that are {wanted}", done == self._count, f"{done} of {self._count}")
            if done == self._count and not self.options.stop_after:
                self._compare()
            self.report.result = wanted
            self.scenario.after(self)
            return
        self.report.result = "partly failed"
        for row, code in zip(self.rows, (0, 201, 312), strict=False):
            ended = (row.stage == "ready") if code == 0 else row.code == code
            self.check(f"{row.host}", ended, row.reason or row.stage)

    def _compare(self) -> None:
        """Two first boots of one image must not give two hosts that cannot be told apart."""
        identities = []
        for plugged in (self.host, *self.others):
            plugged.press("shutdown")
            plugged.wait_state("off", second_boot.SHUTDOWN_LIMIT)
            identities.append(evidence.identity(plugged.disks[0]))
        for name in ("machine_id", "instance_id", "host_key"):
            values = {getattr(identity, name) for identity in identities}
            shown = ", ".join(sorted(value[:12] for value in values))
            self.check(f"{name} of each host is its own", len(values) == self._count, shown)
        same = len({identity.esp for identity in identities}) == 1
        self.check("the ESP of all is the image's", same, identities[0].esp[:12] if same else "they differ")

    def _timeline(self, row: DeploymentStatus) -> Timeline:
        return self._timelines.get(row.id, Timeline())

    def _note_hosts(self) -> None:
        super()._note_hosts()
        self.report.hosts = [host for host in self.report.hosts if host.result == "left alone"]
        for row in self.rows:
            timeline = self._timeline(row)
            first = next((stage.began for stage in timeline.stages.values() if stage.began), 0)
            why = f"{row.reason} (PV-{row.code})" if row.code else ""
            seconds = round(timeline.ended - first, 1) if first and timeline.ended else 0
            disk = f"virtio {self.disk_size >> 20} MiB, 0xA5"
            self.report.hosts.append(HostReport(row.host, row.mac, "uefi", disk, row.stage, why, seconds))
        for host in self.others:
            for fault in host.faults:
                self.check("the lab's machines", False, fault)
