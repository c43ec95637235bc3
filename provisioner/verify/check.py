"""Compares what a host is with what it must be: one result with a sentence for each check. No I/O."""

from collections.abc import Iterator, Sequence

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import DiskIdentity, Match
from provisioner.domain.profile import Profile
from provisioner.verify.evidence import HostFacts
from provisioner.verify.model import Expected, PciDevice, TaskResult

# MemTotal is less than what is plugged in: firmware, the kernel's text and its page table (1.6 %) are gone.
# Of 64 GiB and more that is 2 to 4 %, of a small machine more, hence the floor.
MEMORY_TOLERANCE = 0.07
MEMORY_FLOOR = 64 << 20  # bytes


def compare(facts: HostFacts, expected: Expected) -> Iterator[TaskResult]:
    """Every check, `ok` or `deviation`."""
    yield _image(facts, expected)
    wanted = DiskIdentity(expected.root_disk_serial, expected.root_disk_wwn)
    if wanted.is_known:
        yield _root_disk(facts, wanted)
    if expected.memory_min:
        yield _memory(facts.memory, expected.memory_min)
    for mac in dict.fromkeys(expected.macs):
        yield _card(facts, mac)
    for device in expected.pci:
        yield _pci(facts.pci, device)


def foresee(hardware: HardwareFacts, profile: Profile) -> tuple[str, ...]:
    """What would be a deviation of a host with this hardware, a sentence each: GPUs and memory.

    A memory of 0, or no PCI function at all, is what was not reported, and not judged.
    """
    ids = [device.id for device in hardware.devices]
    wanted = [PciDevice(gpu.id, gpu.count, gpu.name) for gpu in profile.gpus if ids]
    results = [_pci(ids, device) for device in wanted]
    if hardware.memory and profile.memory_min:
        results.append(_memory(hardware.memory, profile.memory_min))
    return tuple(result.sentence for result in results if result.result == "deviation")


def _result(name: str, good: bool, sentence: str) -> TaskResult:
    return TaskResult(name, "ok" if good else "deviation", sentence)


def _image(facts: HostFacts, expected: Expected) -> TaskResult:
    wanted = (expected.image_id, expected.image_version)
    if (facts.image_id, facts.image_version) == wanted:
        return _result("image", True, f"the OS is image {' '.join(wanted)}")
    shown = f"{facts.image_id} {facts.image_version}".strip()
    shown = f"image {shown}" if shown else "nothing of an image (no IMAGE_ID in os-release)"
    return _result("image", False, f"the OS says {shown}, deployed was {' '.join(wanted)}")


def _root_disk(facts: HostFacts, wanted: DiskIdentity) -> TaskResult:
    told = {disk: DiskIdentity(disk.serial, disk.wwn) for disk in facts.root_disks}
    if any(identity.compare(wanted) is Match.SAME for identity in told.values()):
        return _result("root disk", True, f"the root file system is on disk {_number(wanted)}")
    if not told:
        return _result(
            "root disk", False, f"the root file system is on no disk that is known, written was {wanted}"
        )
    shown = ", ".join(
        _number(identity) if identity.is_known else f"{disk.name}, which shows no serial"
        for disk, identity in told.items()
    )
    return _result("root disk", False, f"the root file system is on disk {shown}, written was {wanted}")


def _number(disk: DiskIdentity) -> str:
    return f"serial {disk}" if disk.serial else str(disk)


def _memory(memory: int, wanted: int) -> TaskResult:
    allowed = max(wanted * MEMORY_TOLERANCE, MEMORY_FLOOR)
    good = memory >= wanted - allowed
    sentence = f"memory {gib(memory)}, the profile wants at least {gib(wanted)}"
    return _result("memory", good, sentence)


def gib(size: int) -> str:
    """Bytes for people, with so many digits that what is judged too little also reads as less."""
    digits = 1 if size >= 2 << 30 else 2
    return f"{size / 2**30:.{digits}f}".rstrip("0").removesuffix(".") + " GiB"


def _card(facts: HostFacts, mac: str) -> TaskResult:
    good = mac.lower() in facts.macs
    return _result("network card", good, f"network card {mac} is {'there' if good else 'missing'}")


def _pci(ids: Sequence[str], device: PciDevice) -> TaskResult:
    count = ids.count(device.id)
    label = f"{device.id} ({device.name})" if device.name else device.id
    noun = "device" if device.count == 1 else "devices"
    sentence = f"{device.count} PCI {noun} {label} expected, {count} found"
    return _result(f"pci {device.id}", count == device.count, sentence)
