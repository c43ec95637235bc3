"""A rehearsal of `method: autoinstall`: Ubuntu's installer from a live-server ISO, in the ramdisk's place."""

from pathlib import Path

from provisioner.domain.event import Event
from provisioner.domain.profile import Profile
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import InputError
from provisioner.lab import inventory, machine, qemu, recorded, second_boot
from provisioner.lab.rehearsal import DISK_SERIAL, Options, Rehearsal, Scenario
from provisioner.lab.report import ImageReport, versions
from provisioner.state import iso_files
from provisioner.system.checksum import sha256

SIZE = 12 << 30  # bytes; a minimal server needs 6 or 7, an ordinary one about 10
EDGE = 64 << 20  # bytes of 0xA5 at both ends, where old tables and file systems are looked for
SPARE = 3072  # MiB of memory beside the ISO, which the live system keeps there as a whole
# generous: under emulation the installer unpacks its system for an hour, and generates locales and a ramdisk
DEADLINES = {
    Stage.POWERING: 600,
    Stage.NETBOOTING: 7200,
    Stage.WRITING: 36_000,
    Stage.RESTARTING: 7200,
    Stage.VERIFYING: 3600,
}
STEPS = ("installer.began", "installer.disk", "installer.done")
BLOCK = 2048  # bytes; the primary volume descriptor is in block 16 (ECMA-119, 8.4)
HINT = "give ubuntu-NN.NN-live-server-amd64.iso, whole and as Ubuntu publishes it"
LIFE = 24 * 3600  # seconds that the order may take in all


def check(iso: Path) -> None:
    """Everything about an ISO that can be refused before minutes are spent. Raises InputError."""
    if not iso.is_file():
        raise InputError(f"--iso: {iso} is no file", hint=HINT, code=320)
    with iso.open("rb") as opened:
        opened.seek(16 * BLOCK)
        descriptor = opened.read(BLOCK)
    if descriptor[:6] != b"\x01CD001":
        raise InputError(f"--iso: {iso.name} is no ISO 9660 image", hint=HINT, code=329)
    whole, size = int.from_bytes(descriptor[80:84], "little") * BLOCK, iso.stat().st_size
    if size < whole:
        raise InputError(f"--iso: {iso.name} is cut short: {size} of {whole} bytes", hint=HINT, code=329)
    iso_files.check_iso(iso)
    if not all(iso_files.describe_iso(iso)):
        raise InputError(
            f"--iso: {iso.name} does not say in .disk/info which Ubuntu it is",
            hint=HINT,
            code=329,
        )


class Install(Scenario):
    """Ubuntu's installer writes the disk. Nothing goes wrong. Afterwards the host boots once more."""

    name = "autoinstall"

    def __init__(self) -> None:
        self._rested = 0

    def on(self, lab: Rehearsal, event: Event) -> None:
        if lab.timeline.stage in RESTING:
            self._rested = lab.host.console_offset()

    def after(self, lab: Rehearsal) -> None:
        recorded.check_whole(lab, 0, self._rested)
        if lab.options.stop_after in ("powering", "netbooting"):
            return
        events = [event.kind for event in lab.service.client.events(lab.deployment.id).events]
        steps = [kind for kind in events if kind in STEPS]
        lab.check("the installer's steps", steps == [*STEPS], ", ".join(steps))
        _check_named_disk(lab)
        if not lab.options.stop_after:
            second_boot.check_serials(lab)
            second_boot.rehearse_installed(lab)


def _check_named_disk(lab: Rehearsal) -> None:
    """The head of the disk that the service named is not the 0xA5 any more that it was."""
    with lab.disk.open("rb") as disk:
        head = disk.read(EDGE)
    changed = sum(1 for at in range(0, EDGE, 1 << 20) if head[at : at + (1 << 20)].strip(b"\xa5"))
    detail = f"{lab.deployment.disk.serial}; {changed} of its first {EDGE >> 20} MiB were written"
    named = lab.deployment.disk.serial == f"{DISK_SERIAL}1"
    lab.check("the named disk", named and changed > 0, detail)


class IsoRehearsal(Rehearsal):
    """One host whose profile says `method: autoinstall`, and an ISO in the catalogue."""

    disk_size = SIZE
    fresh = "0xA5 at both ends"
    settings = f"[orders]\nexpire_seconds = {LIFE}\n"

    def __init__(self, options: Options, scenario: Scenario) -> None:
        super().__init__(options, scenario)
        if options.iso is None:
            raise InputError("a rehearsal of the installer needs an ISO", hint="--iso FILE")
        self._iso = options.iso
        self._name, self._version = iso_files.describe_iso(self._iso)
        self.memory = SPARE + (self._iso.stat().st_size >> 20)

    def _build(self) -> None:
        digest = sha256(self._iso)
        size = self._iso.stat().st_size
        name = f"{self._name}@{self._version}"
        self.report.image = ImageReport(name=name, raw=size, sha256=digest, pack=size)
        self._choose_accelerator()
        self.report.versions = versions()

    def _disk(self, number: int) -> qemu.Disk:
        """Sparse: an installer makes its own file systems, and twelve full gigabytes would take minutes."""
        path = self.folder / f"disk{number}.raw"
        machine.fill_ends(path, SIZE, EDGE)
        return qemu.Disk(path, f"{DISK_SERIAL}{number}", self.options.disk)

    def _inventory_profile(self) -> Profile:
        ours = inventory.profile(self._name, self.scenario.hints, self.scenario.gpus, DEADLINES)
        return ours.model_copy(update={"method": "autoinstall"})

    def _add_image(self) -> None:
        self.provision("image", "add", "--iso", str(self._iso), "--sha256", self.report.image.sha256)
