"""One boot of the agent, from hello to reboot."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from provisioner import __version__, errors
from provisioner.agent import disks, facts, ordered_manifest, protocol
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.disk_start import start_disk
from provisioner.agent.kexec import Kexec, WrittenRoot
from provisioner.agent.link import Link, Stopped
from provisioner.agent.neighbour import Neighbour
from provisioner.agent.reporter import Reporter
from provisioner.agent.restart import restart
from provisioner.agent.stream import Stream
from provisioner.agent.swarm import Swarm
from provisioner.agent.swarm_stream import SwarmStream
from provisioner.agent.sysfs import read_word
from provisioner.agent.writer import ImageWriter, device_path, seconds_since
from provisioner.domain import identity
from provisioner.domain.restart import Restart
from provisioner.imaging import manifest as manifests
from provisioner.run import run

KEYS = Path("/etc/provisioner/keys")
INTERVAL = 2.0  # seconds between two reports
JOINED = 5.0  # seconds at most until the first report to the swarm was answered
PROGRESS_INTERVAL = 10.0  # seconds between two lines about it on the console


class Job:
    """What the agent is at. `reboot` is the act that ends it; tests give other acts, disks and times.

    `interval` is the time between two reports in seconds.
    """

    def __init__(
        self,
        arguments: KernelArguments,
        *,
        connect: Callable[..., Link] = Link,
        keys: Path = KEYS,
        reboot: Callable[[], None] | None = None,
        find_disks: Callable[[], list[protocol.Disk]] = facts.disks,
        open_disk: Callable[[str], BlockDevice] = lambda name: BlockDevice(device_path(name)),
        set_clock: Callable[[float], None] | None = None,
        interval: float = INTERVAL,
        neighbours: Callable[[], list[Neighbour]] = list,
        kexec: Kexec | None = None,
    ) -> None:
        self._arguments = arguments
        self._lines: list[str] = []
        self._link = connect(arguments.server, log=self.log)
        self._keys = keys
        self._reboot = reboot or restart
        self._find_disks = find_disks
        self._open = open_disk
        self._set_clock = set_clock or _set_clock
        self.interval = interval
        self._neighbours = neighbours
        self._kexec = kexec or Kexec()
        self._root: WrittenRoot | None = None
        self._writer: ImageWriter | None = None
        self._seq = 0
        self._progress_sent = time.monotonic()
        self._progress: protocol.Progress | None = None
        self._order: protocol.Order | None = None
        self._swarm: Swarm | None = None
        self._until_reboot = ExitStack()  # what gives to others while this host waits to be told to reboot
        self.soon = threading.Event()  # a report is due before its time
        self._is_known = threading.Event()  # the service has told the swarm of us, and us of it

    def log(self, sentence: str) -> None:
        """Print a line on the console, with the time, and keep it for the log."""
        line = f"{time.strftime('%H:%M:%S')} {sentence}"
        self._lines.append(line)
        print(f"agent: {line}", flush=True)

    def run(self) -> None:
        """Hello, write, report, reboot. Errors are reported to the service, and said here."""
        try:
            order = self._hello()
        except errors.UnreachableError as fault:
            self.log(f"{fault}. Nothing was written: this machine restarts and boots its disk")
            return self._reboot()
        except Exception as fault:  # any doubt: boot the disk
            self.log(f"no order was understood ({fault!r:.200}). Nothing was written: this machine restarts")
            return self._reboot()
        with self._until_reboot:
            self._obey(order)

    def _obey(self, order: protocol.Order) -> None:
        try:
            with self._reporting():
                done = self._write(order)
            self._finish("written", done)
        except Stopped:
            self._rest(f"the service says: stop. The disk {self._disk_state}")
        except errors.ProvisionError as fault:
            self._fail(order, fault)
        except Exception as fault:
            self._fail(
                order, errors.ProvisionError(f"the agent met an error of its own: {fault!r}", code=399)
            )

    @property
    def _disk_state(self) -> str:
        return self._writer.state if self._writer else "was not touched"

    def _hello(self) -> protocol.Order:
        cpu, cpus = facts.cpu()
        hello = protocol.Hello(
            nonce=self._arguments.nonce,
            boot_id=read_word(Path("/proc/sys/kernel/random/boot_id")),
            mac=self._arguments.mac,
            macs=[nic.mac for nic in facts.nics()],
            serial=facts.serial(),
            uuid=facts.uuid(),
            memory=facts.memory(),
            version=__version__,
            disks=self._find_disks(),
            nics=facts.nics(),
            maker=facts.maker(),
            product=facts.product(),
            cpu=cpu,
            cpus=cpus,
            firmware=facts.firmware(),
            devices=facts.devices(),
            neighbours=self._neighbours(),
        )
        for disk in hello.disks:
            self.log(f"disk {disks.describe(disk)}: {disk.content}")
        answer = protocol.load(protocol.HelloAnswer, self._link.post("hello", hello).body)
        self._link.token = answer.token
        self._order = answer.order
        self._set_clock(answer.time)
        order = answer.order
        self.log(
            f"order {order.deployment}, attempt {order.attempt}: {order.image_name}@{order.image_version}"
        )
        return order

    def _write(self, order: protocol.Order) -> protocol.Written:
        """Everything that can be refused is refused before the disk is touched."""
        began = time.monotonic()
        self._check_serial(order)
        present = self._find_disks()
        disk = disks.choose(present, order.disk)
        manifest = ordered_manifest.fetch(self._link, order, self._keys, self.log)
        disks.check(disk, manifest.raw_size, manifest.logical_sector_size)
        names = [_hostname(order.seed), *order.former_names]
        disks.check_consent(disk, names, erase=order.erase, foreign=order.foreign)
        self._warn_of_copies(present, disk)
        self.log(f"writing to {disks.describe(disk)}, {disk.content}")
        device = self._until_reboot.enter_context(self._open(disk.name))
        swarm = self._swarm = self._join(order, manifest, device)
        source = (self._link, order.pack_url, manifest)
        stream = SwarmStream(*source, swarm) if swarm else Stream(*source)
        self._writer = ImageWriter(
            device,
            manifest,
            lambda *at: self._at(disk.name, *at),
            self.log,
            method=order.method,
            may_discard=order.erase,
            on_disk=swarm.on_disk if swarm else lambda numbers: None,
        )
        self._writer.write(stream, order.seed)
        self.log("written, verified and read back")
        self._root = WrittenRoot.of(disk.name, manifest)
        written = replace(disk, content=f"holds {order.image_name} {order.image_version}")
        counts = (self._writer.bytes_written, stream.fetched, self._writer.bytes_saved)
        self.log("{} written, {} fetched, {} were right already".format(*map(disks.size, counts)))
        told = protocol.Written(order.deployment, order.attempt, 0, written, seconds_since(began), *counts)
        if not isinstance(stream, SwarmStream):
            return told
        self.log(f"{disks.size(stream.from_peers)} of it came from other hosts")
        return replace(told, bytes_from_peers=stream.from_peers)

    def _join(self, order: protocol.Order, manifest: manifests.Manifest, device: BlockDevice) -> Swarm | None:
        """Take part in the swarm of the order's image, if it has one. Without it the service gives all."""
        if not order.swarm.token:
            return None
        try:
            address = self._link.local_address()
        except OSError as fault:
            self.log(f"nothing comes from other hosts: {fault.strerror}")
            return None
        swarm = Swarm(
            manifest, token=order.swarm.token, address=address, others=order.swarm.others, log=self.log
        )
        self._until_reboot.callback(swarm.close)
        swarm.use(device)
        self._swarm = swarm
        self.soon.set()
        self._is_known.wait(JOINED)  # so that we know from the beginning what others have and fetch
        return swarm

    def _check_serial(self, order: protocol.Order) -> None:
        serial = facts.serial()
        expected = identity.serial(order.expected_serial)
        if expected and identity.compare_serials(expected, serial) is not identity.Match.SAME:
            raise errors.DiskError(
                f"this machine says serial {serial or 'nothing'}, the order is for {expected}",
                hint="correct the inventory: its MAC, if this is another machine; "
                "its serial, if the board was changed",
                code=301,
            )

    def _warn_of_copies(self, present: list[protocol.Disk], chosen: protocol.Disk) -> None:
        for disk in present:
            if disk.name != chosen.name and "image of ours" in disk.content:
                self.log(
                    f"warning: {disks.describe(disk)} {disk.content}: the host may boot that copy instead"
                )

    def _at(self, disk: str, phase: protocol.Phase, done: int, total: int) -> None:
        if self._link.stopped:
            raise Stopped
        order = self._order
        assert order is not None  # noqa: S101  set by the hello
        if self._progress and self._progress.phase != phase:
            self.log(f"{phase}")
        self._progress = protocol.Progress(
            order.deployment, order.attempt, self._seq, phase, done, total, 0.0, self._note, disk
        )

    def _reporting(self) -> Reporter:
        return Reporter(self.report, self.interval, self.soon)

    def report(self, last: protocol.Progress | None, seconds: float) -> protocol.Progress | None:
        """Send the latest progress and return it; `seconds` have passed since `last`.."""
        now = self._progress
        order = self._order
        if order is None:
            return None
        if now is None:
            now = protocol.Progress(order.deployment, order.attempt, 0, "preparing", 0, 1, 0.0)
        self._seq += 1
        same = last is not None and last.phase == now.phase
        moved = now.done - last.done if same and last else now.done
        message = replace(
            now,
            seq=self._seq,
            note=self._note,
            rate=round(max(0, moved) / seconds, 1) if seconds else 0.0,
            neighbours=self._neighbours(),
        )
        if swarm := self._swarm:
            message = replace(message, peer_port=swarm.port, liars=swarm.liars)
        self._say_progress(message)
        answer = self._link.post("progress", message)
        if swarm:
            self._hear_of_others(swarm, answer)
        return now

    def _hear_of_others(self, swarm: Swarm, answer: protocol.Answer) -> None:
        """Who writes the image too; an answer that cannot be meant changes nothing."""
        with suppress(protocol.ProtocolError):
            news = protocol.load(protocol.ProgressAnswer, answer.body).swarm
            swarm.tell([(peer.address, peer.port) for peer in news.peers], news.upload)
        self._is_known.set()

    @property
    def _note(self) -> str:
        return self._link.note or self._link.queued

    def _say_progress(self, now: protocol.Progress) -> None:
        """On the console too, now and then: somebody may stand before it."""
        if time.monotonic() < self._progress_sent + PROGRESS_INTERVAL or now.total <= 1:
            return
        self._progress_sent = time.monotonic()
        words = [f"{now.phase} {100 * now.done // now.total} %", self._note]
        if now.rate:
            left = (now.total - now.done) / now.rate
            words[1:1] = [f"{disks.size(int(now.rate))}/s", f"about {left:.0f} s left"]
        self.log(", ".join(word for word in words if word))

    def _finish(self, path: str, message: protocol.Written) -> None:
        """Tell, and go on telling until the answer is reboot."""
        pause = threading.Event()
        while True:
            self._seq += 1
            if swarm := self._swarm:
                message = replace(message, peer_port=swarm.port, bytes_given=swarm.sent)
            answer = self._link.post(path, replace(message, seq=self._seq))
            if answer.do == "reboot":
                self.log("the service says: reboot")
                return self._start_disk()
            if answer.do == "stop":
                return self._rest(f"the service says: stop. The disk {self._disk_state}")
            pause.wait(self.interval)

    def _start_disk(self) -> None:
        """Nothing has the disk open any more, and nobody is given anything: its root can be mounted."""
        self._until_reboot.close()
        how = self._order.restart if self._order else "firmware"
        start_disk(how, self._root, tell=self._tell_start, reboot=self._reboot, kexec=self._kexec)

    def _tell_start(self, how: Restart, sentence: str) -> None:
        """Nobody waits for the service to answer it: what comes next is the same."""
        self.log(sentence)
        self._seq += 1
        order = self._order
        assert order is not None  # noqa: S101  set by the hello
        told = protocol.Restarting(order.deployment, order.attempt, self._seq, how, sentence)
        with suppress(errors.ProvisionError, Stopped):
            self._link.post_once("restarting", told)

    def _fail(self, order: protocol.Order, fault: errors.ProvisionError) -> None:
        """The log first, then why; afterwards the machine waits: it must not boot something half-written."""
        self.log(f"failed (PV-{fault.code}): {fault}. The disk {self._disk_state}")
        with suppress(errors.ProvisionError, Stopped):
            lines = [*self._lines, *_kernel_log()]
            self._link.post("log", protocol.Log(order.deployment, order.attempt, self._seq + 1, lines))
        with suppress(errors.ProvisionError, Stopped):
            self._seq += 2
            failed = protocol.Failed(
                order.deployment, order.attempt, self._seq, fault.code, str(fault), fault.hint
            )
            if self._link.post("failed", failed).do == "reboot":
                return self._reboot()
        self._rest("nothing more can be done here")

    def _rest(self, sentence: str) -> None:
        self.log(f"{sentence}. Waiting to be powered off")


def _hostname(seed: dict[str, str]) -> str:
    """The host's name as its seed says it."""
    return facts.hostname(seed.get("meta-data", ""))


def _set_clock(now: float) -> None:
    """Ours from the service's, and the hardware's from ours: nothing else tells time at a site."""
    with suppress(OSError, OverflowError):
        time.clock_settime(time.CLOCK_REALTIME, now)
    with suppress(errors.ProvisionError):
        run(["hwclock", "-w", "-u"], check=False)


def _kernel_log() -> list[str]:
    with suppress(errors.ProvisionError):
        return run(["dmesg"], check=False).stdout.decode(errors="replace").splitlines()[-400:]
    return []
