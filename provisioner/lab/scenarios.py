"""The rehearsals by name: one where all goes well, and those in which something is broken on purpose."""

from collections.abc import Callable

from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentProgress
from provisioner.domain.profile import Hints
from provisioner.domain.stage import RESTING
from provisioner.lab import boot_proof, evidence, examination, qemu, recorded, second_boot
from provisioner.lab.rehearsal import DISK_SERIAL, Rehearsal, Scenario
from provisioner.lab.simulators import SIMULATORS

MATRIX: list[tuple[qemu.Firmware, qemu.Bus]] = [
    *(("uefi", "virtio"), ("uefi", "nvme"), ("uefi", "ahci")),
    *(("bios", "virtio"), ("bios", "nvme"), ("bios", "ahci")),
]
MIDDLE = 0.4  # of the image, when the power is cut
# what firmware says of a disk that does not boot, and when it goes on to the network
REFUSALS = {"uefi": (b"failed to load", b"PXE"), "bios": (b"not a bootable disk", b"Booting from ROM")}


class Deploy(Scenario):
    """Nothing goes wrong. Afterwards the host boots from the network once more."""

    name = "deploy"

    def __init__(self) -> None:
        self._began = self._rested = 0  # offsets in the machine's own log of its console

    def before(self, lab: Rehearsal) -> None:
        self._began = lab.host.console_offset()

    def on(self, lab: Rehearsal, event: Event) -> None:
        if event.kind == "agent.hello":
            lab.report.checks += SIMULATORS[lab.options.bmc].ask(lab.host.bmc)
        if lab.timeline.stage in RESTING:
            self._rested = lab.host.console_offset()

    def after(self, lab: Rehearsal) -> None:
        recorded.check_whole(lab, self._began, self._rested)
        if lab.options.stop_after == "writing":
            _compare_with_image(lab)
        elif not lab.options.stop_after:
            second_boot.check_serials(lab)
            if lab.options.restart == "kexec":
                boot_proof.rehearse(lab)
            second_boot.rehearse(lab)


def _compare_with_image(lab: Rehearsal) -> None:
    """The disk as it was written, before anything booted from it."""
    lab.host.cut_power()
    built = lab.supplies
    wrong = evidence.differences(lab.disk, built.raw, evidence.may_differ(built.manifest))
    seen = (
        f"differs at bytes {wrong}"
        if wrong
        else "equals the image outside LBA 0-33, seed, backup GPT, what is free"
    )
    lab.check("the disk", not wrong, seen)


class PowerCut(Scenario):
    """The host loses its power in the middle of writing, once, and stays off: its silence is noticed."""

    name = "power-cut"

    def __init__(self) -> None:
        self._offset = -1

    def on(self, lab: Rehearsal, event: Event) -> None:
        data = event.data
        if not isinstance(data, AgentProgress) or data.phase != "writing":
            return
        if self._offset < 0 and data.done > MIDDLE * data.total:
            lab.host.cut_power()
            self._offset = lab.host.console_offset()
            left = evidence.boots_nothing(lab.disk, lab.supplies.manifest)
            lab.check("the half-written disk", not left, left or "its tables and ESP are empty")
            self.restore(lab)

    def restore(self, lab: Rehearsal) -> None:
        """Nobody comes: the service must power it again."""

    def after(self, lab: Rehearsal) -> None:
        attempts = lab.deployment.attempt
        lab.check("the power was cut, and attempt 2 wrote it", self._offset >= 0 and attempts == 2, attempts)


class PowerCutOlder(PowerCut):
    """The same on a disk that holds an older image; somebody presses the button, disk first."""

    name = "power-cut-older"
    older = True

    def restore(self, lab: Rehearsal) -> None:
        lab.host.standing_order = "disk"
        lab.host.press("on")

    def after(self, lab: Rehearsal) -> None:
        super().after(lab)
        refusal, network = REFUSALS[lab.options.firmware]
        # what the console said from the button to the network
        console = lab.host.serial_log.read_bytes()[self._offset :].split(network, 1)[0]
        refused = refusal in console and b"Linux version" not in console
        again = any(event.kind == "netboot.again" for event in _events(lab))
        seen = f"the firmware {'failed to load it' if refused else 'loaded it'}"
        lab.check(
            "the older image", refused and again, f"{seen}, {'then' if again else 'never'} asked the network"
        )


def _events(lab: Rehearsal) -> list[Event]:
    return list(lab.service.client.events(lab.deployment.id).events)


class Kills(Scenario):
    """kill -9 of the web service while netbooting, the worker while writing, the parent while verifying."""

    name = "kills"

    def __init__(self) -> None:
        self._plan = {"netbooting": "web", "writing": "worker", "verifying": "parent"}

    def on(self, lab: Rehearsal, event: Event) -> None:
        stage = str(lab.timeline.stage)
        if stage not in self._plan or (stage == "writing" and event.kind != "agent.progress"):
            return
        name = self._plan.pop(stage)
        lab.service.kill(name)
        lab.service.ensure()
        lab.check(f"kill -9 of the {name} while {stage}", True, "it was started again")

    def after(self, lab: Rehearsal) -> None:
        lab.check("all three were killed", not self._plan, f"{lab.service.starts} starts of the service")
        if lab.has_console:
            recorded.check_parts(lab)


class CorruptPack(Scenario):
    """One byte of the image is changed on the server after it was added."""

    name = "corrupt-pack"
    expected = 3

    def before(self, lab: Rehearsal) -> None:
        pack = lab.service.state / "images" / lab.supplies.image.replace("@", "-") / "pack"
        middle = pack.stat().st_size // 2
        with pack.open("r+b") as file:
            file.seek(middle)
            byte = file.read(1)
            file.seek(middle)
            file.write(bytes([byte[0] ^ 1]))

    def after(self, lab: Rehearsal) -> None:
        row = lab.deployment
        named = row.code == 321 and "damaged" in row.reason
        lab.check("the sentence", named, row.reason)
        left = evidence.boots_nothing(lab.disk, lab.supplies.manifest)
        lab.check("the half-written disk", not left, left or "its tables and ESP are empty")


class TwoDisks(Scenario):
    """Two disks fit the profile's hints: neither may be touched."""

    name = "two-disks"
    expected = 3
    disks = 2

    def after(self, lab: Rehearsal) -> None:
        row = lab.deployment
        lab.check("the sentence", row.code == 313 and "LABDISK2" in row.reason, row.reason)
        if lab.has_console:
            lines = row.console
            lab.check("the console's last words", bool(lines), lines[-1] if lines else "none are kept")
        lab.host.cut_power()
        clean = all(evidence.is_untouched(disk) for disk in lab.host.disks)
        lab.check("both disks", clean, "every byte untouched" if clean else "one was written")


class PlainRom(Deploy):
    """A card under BIOS that is not iPXE: it gets undionly.kpxe by TFTP, at both boots from the network."""

    name = "plain-rom"
    plain_rom = True

    def after(self, lab: Rehearsal) -> None:
        super().after(lab)
        lines = lab.service.log.read_text(errors="replace").splitlines()
        lent = [line for line in lines if f"'undionly.kpxe' for {lab.deployment.address}: done" in line]
        wanted = 1 if lab.options.stop_after else 2
        lab.check("undionly.kpxe by TFTP", len(lent) == wanted, f"lent {len(lent)} times")


class HintedDisk(Deploy):
    """Two disks, and the profile's hint means the second: it is written and booted, the first is not."""

    name = "hinted-disk"
    disks = 2
    hints = Hints(serial=f"{DISK_SERIAL}2")
    written = 2

    def after(self, lab: Rehearsal) -> None:
        super().after(lab)
        lab.host.cut_power()
        clean = evidence.is_untouched(lab.host.disks[0])
        lab.check("the first disk", clean, "every byte untouched" if clean else "was written")


class LargeSectors(Scenario):
    """The disk has sectors of 4096 bytes, the image was made for 512: it must be refused untouched."""

    name = "4kn"
    expected = 3
    sector = 4096

    def after(self, lab: Rehearsal) -> None:
        row = lab.deployment
        named = row.code == 314 and "sectors of 4096 bytes, the image was made for 512" in row.reason
        lab.check("the sentence", named, f"{row.reason} (PV-{row.code})")
        lab.host.cut_power()
        clean = evidence.is_untouched(lab.disk)
        lab.check("the disk", clean, "every byte untouched" if clean else "was written")


class MissingGpu(Scenario):
    """The profile expects one PCI device more than there is."""

    name = "missing-gpu"
    expected = 8
    gpus = 2

    def after(self, lab: Rehearsal) -> None:
        reason = lab.deployment.reason
        lab.check("the sentence", "1234:11e8" in reason, reason)


class VerifyRamdisk(Scenario):
    """After the deployment the host is verified from the ramdisk: nothing on its disk may change."""

    name = "verify-ramdisk"

    def after(self, lab: Rehearsal) -> None:
        examination.rehearse(lab)


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    kind.name: kind
    for kind in (
        *(Deploy, PowerCut, PowerCutOlder, Kills, CorruptPack),
        *(PlainRom, TwoDisks, HintedDisk, LargeSectors, MissingGpu),
        VerifyRamdisk,
    )
}
