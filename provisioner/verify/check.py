"""Compares what a host is with what it must be: one result with a sentence for each check. No I/O."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from provisioner.verify.model import Expected, PciDevice, TaskResult, printable

# MemTotal is less than what is plugged in: firmware, the kernel's text and its page table (1.6 %) are gone.
# Of 64 GiB and more that is 2 to 4 %, of a small machine more, hence the floor.
MEMORY_TOLERANCE = 0.07
MEMORY_FLOOR = 64 << 20  # bytes


Text = Annotated[str, Field(max_length=300), AfterValidator(printable)]


class RootDisk(BaseModel):
    """A disk below the root file system."""

    model_config = ConfigDict(frozen=True)

    name: Text
    serial: Text


class Facts(BaseModel):
    """What ansible/files/facts.py prints; `memory` (MemTotal) in bytes."""

    model_config = ConfigDict(frozen=True)

    image_id: Text
    image_version: Text
    root_disks: Annotated[tuple[RootDisk, ...], Field(max_length=64)]
    memory: Annotated[int, Field(ge=0)]
    macs: Annotated[tuple[Text, ...], Field(max_length=512)]
    pci: Annotated[tuple[Text, ...], Field(max_length=4096)]
    machine_id: Text
    kernel: Text
    cloud_init: Text

    def as_data(self) -> dict[str, Any]:
        """For the verdict; PCI ids as `{id: count}`, which is shorter."""
        return {**self.model_dump(mode="json"), "pci": dict(sorted(Counter(self.pci).items()))}


def read(text: str) -> Facts | None:
    """The facts in what the host printed; None where that is something else."""
    try:
        return Facts.model_validate_json(text)
    except ValidationError:
        return None


def compare(facts: Facts, expected: Expected) -> Iterator[TaskResult]:
    """Every check, `ok` or `deviation`."""
    yield _image(facts, expected)
    if expected.root_disk_serial:
        yield _root_disk(facts, expected.root_disk_serial)
    if expected.memory_min:
        yield _memory(facts, expected.memory_min)
    for mac in dict.fromkeys(expected.macs):
        yield _card(facts, mac)
    for device in expected.pci:
        yield _pci(facts, device)


def _result(name: str, good: bool, sentence: str) -> TaskResult:
    return TaskResult(name, "ok" if good else "deviation", sentence)


def _image(facts: Facts, expected: Expected) -> TaskResult:
    wanted = (expected.image_id, expected.image_version)
    if (facts.image_id, facts.image_version) == wanted:
        return _result("image", True, f"the OS is image {' '.join(wanted)}")
    said = f"{facts.image_id} {facts.image_version}".strip()
    said = f"image {said}" if said else "nothing of an image (no IMAGE_ID in os-release)"
    return _result("image", False, f"the OS says {said}, deployed was {' '.join(wanted)}")


def _root_disk(facts: Facts, wanted: str) -> TaskResult:
    if any(disk.serial == wanted for disk in facts.root_disks):
        return _result("root disk", True, f"the root file system is on disk serial {wanted}")
    if not facts.root_disks:
        return _result(
            "root disk", False, f"the root file system is on no disk that is known, written was {wanted}"
        )
    found = ", ".join(
        f"serial {disk.serial}" if disk.serial else f"{disk.name}, which shows no serial"
        for disk in facts.root_disks
    )
    return _result("root disk", False, f"the root file system is on disk {found}, written was {wanted}")


def _memory(facts: Facts, wanted: int) -> TaskResult:
    allowed = max(wanted * MEMORY_TOLERANCE, MEMORY_FLOOR)
    good = facts.memory >= wanted - allowed
    sentence = f"memory {gib(facts.memory)}, the profile wants at least {gib(wanted)}"
    return _result("memory", good, sentence)


def gib(size: int) -> str:
    """Bytes for people, with at most one digit after the point."""
    return f"{size / 2**30:.1f}".removesuffix(".0") + " GiB"


def _card(facts: Facts, mac: str) -> TaskResult:
    good = mac.lower() in facts.macs
    return _result("network card", good, f"network card {mac} is {'there' if good else 'missing'}")


def _pci(facts: Facts, device: PciDevice) -> TaskResult:
    found = facts.pci.count(device.id)
    label = f"{device.id} ({device.name})" if device.name else device.id
    noun = "device" if device.count == 1 else "devices"
    sentence = f"{device.count} PCI {noun} {label} expected, {found} found"
    return _result(f"pci {device.id}", found == device.count, sentence)
