"""Checks of the host itself: its image, its disk, its memory, its cards."""

from collections.abc import Iterator, Sequence

from provisioner.domain.acceptance import CheckStage, Status
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import DiskIdentity, Match
from provisioner.domain.profile import Profile
from provisioner.verify.judge.driver import is_bare
from provisioner.verify.judge.finding import Check, Finding, good, miss, needless
from provisioner.verify.judge.seen import Seen
from provisioner.verify.model import PciDevice

# MemTotal is less than what is plugged in: firmware, the kernel's text and its page table (1.6 %) are gone.
# Of 64 GiB and more that is 2 to 4 %, of a small machine more, hence the floor.
MEMORY_TOLERANCE = 0.07
UNOPENED = "the disk was not opened, so what it holds was not looked at"
MEMORY_FLOOR = 64 << 20  # bytes


def foresee(hardware: HardwareFacts, profile: Profile) -> tuple[str, ...]:
    """What would be a deviation of a host with this hardware, a sentence each: GPUs and memory.

    A memory of 0, or no PCI function at all, is what was not reported, and not judged.
    """
    ids = [device.id for device in hardware.devices]
    wanted = [PciDevice(gpu.id, gpu.count, gpu.name) for gpu in profile.gpus if ids]
    found = [_pci(ids, device) for device in wanted]
    if hardware.memory and profile.memory_min:
        found.append(_memory(hardware.memory, profile.memory_min))
    return tuple(finding.reason for finding in found if finding.status is Status.FAIL)


def image(seen: Seen) -> Iterator[Finding]:
    """The image on the disk is the one that was deployed."""
    facts, expected = seen.evidence.facts, seen.expected
    wanted = f"{expected.image_id} {expected.image_version}"
    shown = f"{facts.image_id} {facts.image_version}".strip()
    if expected.unordered or seen.evidence.ramdisk:
        yield needless(expected.unordered or UNOPENED, shown)
        return
    if (facts.image_id, facts.image_version) == (expected.image_id, expected.image_version):
        yield good(f"the OS is image {wanted}", shown, wanted)
        return
    words = f"image {shown}" if shown else "nothing of an image (no IMAGE_ID in os-release)"
    yield miss(f"the OS says {words}, deployed was {wanted}", "host", shown, wanted, "==")


def root_disk(seen: Seen) -> Iterator[Finding]:
    """The root file system is on the disk that was written."""
    wanted = DiskIdentity(seen.expected.root_disk_serial, seen.expected.root_disk_wwn)
    if seen.expected.unordered:
        yield needless(seen.expected.unordered, [disk.serial for disk in seen.evidence.facts.root_disks])
        return
    if wanted.is_known and seen.evidence.ramdisk:
        yield _written_disk(seen, wanted)
        return
    if not wanted.is_known:
        yield needless("the disk that was written has neither serial nor WWN")
        return
    told = {disk: DiskIdentity(disk.serial, disk.wwn) for disk in seen.evidence.facts.root_disks}
    if any(identity.compare(wanted) is Match.SAME for identity in told.values()):
        yield good(f"the root file system is on disk {_number(wanted)}", str(wanted), str(wanted))
        return
    shown = ", ".join(
        _number(identity) if identity.is_known else f"{disk.name}, which shows no serial"
        for disk, identity in told.items()
    )
    place = f"on disk {shown}" if told else "on no disk that is known"
    yield miss(f"the root file system is {place}, written was {wanted}", "host", shown, str(wanted), "in")


def _written_disk(seen: Seen, wanted: DiskIdentity) -> Finding:
    """From the ramdisk: whether the disk is there at all. That the host boots it is not known."""
    told = [DiskIdentity(disk.serial, disk.wwn) for disk in seen.evidence.disks]
    if any(identity.compare(wanted) is Match.SAME for identity in told):
        return needless(f"disk {_number(wanted)}, which was written, is there; {UNOPENED}", str(wanted))
    shown = ", ".join(_number(one) for one in told if one.is_known) or "no disk that shows a serial"
    words = f"disk {_number(wanted)}, which was written, is not there; seen: {shown}"
    return miss(
        words, "host", shown, str(wanted), "in", action="put it back; is its cable loose, or is it dead?"
    )


def _number(disk: DiskIdentity) -> str:
    return f"serial {disk}" if disk.serial else str(disk)


def memory(seen: Seen) -> Iterator[Finding]:
    """The memory is what the profile wants, less what firmware and kernel keep."""
    if wanted := seen.expected.memory_min:
        yield _memory(seen.evidence.facts.memory, wanted)
    else:
        yield needless("the profile names no memory", seen.evidence.facts.memory)


def _memory(memory: int, wanted: int) -> Finding:
    allowed = max(wanted * MEMORY_TOLERANCE, MEMORY_FLOOR)
    sentence = f"memory {gib(memory)}, the profile wants at least {gib(wanted)}"
    if memory >= wanted - allowed:
        return good(sentence, memory, wanted)
    return miss(sentence, "host", memory, wanted, ">=")


def gib(size: int) -> str:
    """Bytes for people, with so many digits that what is judged too little also reads as less."""
    digits = 1 if size >= 2 << 30 else 2
    return f"{size / 2**30:.{digits}f}".rstrip("0").removesuffix(".") + " GiB"


def cards(seen: Seen) -> Iterator[Finding]:
    """Every network card of the inventory is there."""
    macs = dict.fromkeys(seen.expected.macs)
    if not macs:
        yield needless("the inventory names no network card")
    for mac in macs:
        if mac.lower() in seen.evidence.facts.macs:
            yield good(f"network card {mac} is there", mac, mac)
        else:
            yield miss(f"network card {mac} is missing", "host", None, mac, "in")


def devices(seen: Seen) -> Iterator[Finding]:
    """As many PCI devices of each id as the profile names.

    Where NVML counts the GPUs they are not counted once more by their PCI ids: one is missing once.
    """
    named = {kind.id for kind in seen.expected.gpus} if _is_counted(seen) else set()
    wanted = [device for device in seen.expected.pci if device.id not in named]
    if not wanted:
        yield needless("the profile names no PCI device that NVML does not count")
    yield from (_pci(seen.evidence.facts.pci, device) for device in wanted)


def _is_counted(seen: Seen) -> bool:
    if seen.evidence.ramdisk:  # nobody else counts them there
        return False
    return bool(seen.expected.gpu_driver) and (seen.is_answered or is_bare(seen.report))


def _pci(ids: Sequence[str], device: PciDevice) -> Finding:
    count = ids.count(device.id)
    label = f"{device.id} ({device.name})" if device.name else device.id
    noun = "device" if device.count == 1 else "devices"
    sentence = f"{device.count} PCI {noun} {label} expected, {count} found"
    status = Status.PASS if count == device.count else Status.FAIL
    return Finding(status, sentence, device.id, count, device.count, "==")


CHECKS = (
    Check(
        "os.image",
        "The image is the one that was deployed",
        "image",
        CheckStage.SANITY,
        "os-release",
        "has it booted another disk? Deploy again",
        image,
        "the order's image and version",
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
    Check(
        "disk.root",
        "The root file system is on the disk that was written",
        "root disk",
        CheckStage.SANITY,
        "sysfs",
        "take the other disk out, or wipe it",
        root_disk,
        "serial and WWN of the disk that was written",
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
    Check(
        "memory.size",
        "The memory is the profile's",
        "memory",
        CheckStage.SANITY,
        "/proc/meminfo",
        "reseat its memory, look into the BMC's event log",
        memory,
        "`memory_min`, less 7 % or 64 MiB",
        unit="bytes",
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
    Check(
        "net.card",
        "Every network card is there",
        "network card",
        CheckStage.SANITY,
        "sysfs",
        "reseat the card, or correct the MACs in the inventory",
        cards,
        "the inventory's MACs",
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
    Check(
        "pci.devices",
        "The PCI devices are the profile's",
        "pci",
        CheckStage.SANITY,
        "sysfs",
        "reseat the card; is its slot switched on in the firmware?",
        devices,
        "`count` of each id, unless NVML counts it",
        names_scope=True,
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
)
