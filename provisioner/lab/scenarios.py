"""The rehearsals by name: one where all goes well, and those in which something is broken on purpose."""

from collections.abc import Callable

from provisioner.lab import evidence, second_boot
from provisioner.lab.rehearsal import Event, Fault, Rehearsal

MIDDLE = 0.4  # of the image, when the power is cut


class Deploy(Fault):
    """Nothing goes wrong. Afterwards the host boots from the network once more."""

    name = "deploy"

    def on(self, lab: Rehearsal, event: Event) -> None:
        if event["kind"] == "agent.hello":
            asks = {"ipmi": second_boot.ask_with_ipmitool, "redfish": second_boot.ask_with_curl}
            asks[lab.options.bmc](lab)

    def after(self, lab: Rehearsal) -> None:
        if lab.options.stop_after == "writing":
            _compare_with_image(lab)
        elif not lab.options.stop_after:
            second_boot.rehearse(lab)


def _compare_with_image(lab: Rehearsal) -> None:
    """The disk as it was written, before anything booted from it."""
    lab.host.cut_power()
    built = lab.supplies
    wrong = evidence.differences(lab.host.disks[0], built.raw, evidence.may_differ(built.manifest))
    seen = f"differs at bytes {wrong}" if wrong else "equals the image outside LBA 0-33, seed and backup GPT"
    lab.check("the disk", not wrong, seen)


class PowerCut(Fault):
    """The host loses its power in the middle of writing, once, and stays off: its silence is noticed."""

    name = "power-cut"

    def __init__(self) -> None:
        self._offset = -1

    def on(self, lab: Rehearsal, event: Event) -> None:
        data = event["data"]
        is_middle = event["kind"] == "agent.progress" and data["phase"] == "writing"
        if self._offset < 0 and is_middle and data["done"] > MIDDLE * data["total"]:
            lab.host.cut_power()
            self._offset = lab.host.console_offset()
            left = evidence.boots_nothing(lab.host.disks[0], lab.supplies.manifest)
            lab.check("the half-written disk", not left, left or "its tables and ESP are empty")
            self.restore(lab)

    def restore(self, lab: Rehearsal) -> None:
        """Nobody comes: the service must power it again."""

    def after(self, lab: Rehearsal) -> None:
        attempts = lab.deployment["attempt"]
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
        # what the console said from the button to the network
        said = lab.host.serial_log.read_bytes()[self._offset :].split(b"PXE", 1)[0]
        refused = b"failed to load" in said and b"Linux version" not in said
        again = any(event["kind"] == "netboot.again" for event in _events(lab))
        seen = f"the firmware {'failed to load it' if refused else 'loaded it'}"
        lab.check(
            "the older image", refused and again, f"{seen}, {'then' if again else 'never'} asked the network"
        )


def _events(lab: Rehearsal) -> list[Event]:
    return list(lab.service.client.events(lab.deployment["id"])["events"])


class Kills(Fault):
    """kill -9 of the web service while netbooting, the worker while writing, the parent while verifying."""

    name = "kills"

    def __init__(self) -> None:
        self._plan = {"netbooting": "web", "writing": "worker", "verifying": "parent"}

    def on(self, lab: Rehearsal, event: Event) -> None:
        stage = str(lab.story.stage)
        if stage not in self._plan or (stage == "writing" and event["kind"] != "agent.progress"):
            return
        name = self._plan.pop(stage)
        lab.service.kill(name)
        lab.service.ensure()
        lab.check(f"kill -9 of the {name} while {stage}", True, "all ports were free, it was started again")

    def after(self, lab: Rehearsal) -> None:
        lab.check("all three were killed", not self._plan, f"{lab.service.starts} starts of the service")


class CorruptPack(Fault):
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
        named = row["code"] == 321 and "damaged" in row["reason"]
        lab.check("the sentence", named, row["reason"])
        left = evidence.boots_nothing(lab.host.disks[0], lab.supplies.manifest)
        lab.check("the half-written disk", not left, left or "its tables and ESP are empty")


class TwoDisks(Fault):
    """Two disks fit the profile's hints: neither may be touched."""

    name = "two-disks"
    expected = 3
    disks = 2

    def after(self, lab: Rehearsal) -> None:
        row = lab.deployment
        lab.check("the sentence", row["code"] == 313 and "LABDISK2" in row["reason"], row["reason"])
        lab.host.cut_power()
        clean = all(evidence.is_untouched(disk) for disk in lab.host.disks)
        lab.check("both disks", clean, "every byte untouched" if clean else "one was written")


class MissingGpu(Fault):
    """The profile expects one PCI device more than there is."""

    name = "missing-gpu"
    expected = 8
    gpus = 2

    def after(self, lab: Rehearsal) -> None:
        reason = lab.deployment["reason"]
        lab.check("the sentence", "1234:11e8" in reason, reason)


FAULTS: dict[str, Callable[[], Fault]] = {
    kind.name: kind for kind in (PowerCut, PowerCutOlder, Kills, CorruptPack, TwoDisks, MissingGpu)
}
