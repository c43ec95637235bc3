"""One boot of the agent, from hello to reboot."""

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from provisioner import __version__, errors
from provisioner.agent import disks, facts, protocol
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.disk_start import start_disk
from provisioner.agent.kexec import Kexec, WrittenRoot
from provisioner.agent.link import Link, Stopped
from provisioner.agent.neighbour import Neighbour
from provisioner.agent.restart import restart
from provisioner.agent.stream import Stream
from provisioner.agent.sysfs import read_word
from provisioner.agent.writer import ImageWriter, device_path, seconds_since
from provisioner.domain import identity
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature
from provisioner.run import run

KEYS = Path("/etc/provisioner/keys")
INTERVAL = 2.0  # seconds between two reports
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
        manifest = self._manifest(order)
        disks.check(disk, manifest.raw_size, manifest.logical_sector_size)
        names = [_hostname(order.seed), *order.former_names]
        disks.check_consent(disk, names, erase=order.erase, foreign=order.foreign)
        self._warn_of_copies(present, disk)
        self.log(f"writing to {disks.describe(disk)}, {disk.content}")
        stream = Stream(self._link, order.pack_url, manifest)
        with self._open(disk.name) as device:
            self._writer = ImageWriter(
                device,
                manifest,
                lambda *at: self._at(disk.name, *at),
                self.log,
                method=order.method,
                may_discard=order.erase,
            )
            self._writer.write(stream, order.seed)
        self.log("written, verified and read back")
        root = manifest.partition("root")
        self._root = WrittenRoot(disk.name, root.offset, root.length)
        written = replace(disk, content=f"holds {order.image_name} {order.image_version}")
        counts = (self._writer.bytes_written, stream.fetched, self._writer.bytes_saved)
        self.log("{} written, {} fetched, {} were right already".format(*map(disks.size, counts)))
        return protocol.Written(order.deployment, order.attempt, 0, written, seconds_since(began), *counts)

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

    def _manifest(self, order: protocol.Order) -> manifests.Manifest:
        """Fetched, its signature checked by a key of the ramdisk, and of the image that was ordered."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pack.json"
            path.write_bytes(self._link.fetch(order.manifest_url))
            mark = path.with_name("pack.json.minisig")
            mark.write_bytes(self._link.fetch(order.manifest_url + ".minisig"))
            key = signature.verify(path, mark, sorted(self._keys.glob("*.pub")))
            manifest = manifests.load(path)
        if (manifest.name, manifest.version) != (order.image_name, order.image_version):
            raise errors.PackError(
                f"the service gives {manifest.name}@{manifest.version}, "
                f"ordered was {order.image_name}@{order.image_version}",
                code=328,
            )
        self.log(f"manifest signed by {key}")
        return manifest

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

    def _reporting(self) -> "_Reporter":
        return _Reporter(self)

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
        self._say_progress(message)
        self._link.post("progress", message)
        return now

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
            answer = self._link.post(path, replace(message, seq=self._seq))
            if answer.do == "reboot":
                self.log("the service says: reboot")
                how = self._order.restart if self._order else "firmware"
                return start_disk(
                    how, self._root, tell=self._tell_start, reboot=self._reboot, kexec=self._kexec
                )
            if answer.do == "stop":
                return self._rest(f"the service says: stop. The disk {self._disk_state}")
            pause.wait(self.interval)

    def _tell_start(self, how: protocol.Restart, sentence: str) -> None:
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


class _Reporter:
    """Reports progress from a thread of its own, so that a slow service never slows the disk."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(self._job.interval)  # in order: the last progress, then what became of it

    def _work(self) -> None:
        last, seconds = None, 0.0
        while True:
            began = time.monotonic()
            with suppress(errors.ProvisionError, Stopped):
                last = self._job.report(last, seconds)
            if self._done.wait(self._job.interval):
                return
            seconds = time.monotonic() - began


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
