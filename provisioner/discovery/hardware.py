"""What a ramdisk says of its machine, as the rest of the service knows hardware."""

from collections.abc import Iterable

from provisioner.agent import protocol
from provisioner.agent.neighbour import Neighbour
from provisioner.domain import identity
from provisioner.domain.claim import Claim
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts, NeighbourInfo, NicInfo
from provisioner.system import disk_names


def reported(message: protocol.Hello | protocol.Inventory) -> HardwareFacts:
    """The hardware in an agent's hello, or in the inventory of a machine that nobody knows; no nonce."""
    return HardwareFacts(
        mac=message.mac,
        macs=tuple(message.macs),
        serial=identity.serial(message.serial),
        uuid=identity.uuid(message.uuid),
        memory=message.memory,
        version=message.version,
        boot_id=message.boot_id if isinstance(message, protocol.Hello) else "",
        disks=tuple(map(_disk, message.disks)),
        nics=tuple(NicInfo(**vars(nic)) for nic in message.nics),
        maker=message.maker,
        product=message.product,
        cpu=message.cpu,
        cpus=message.cpus,
        firmware=message.firmware,
        devices=tuple(DeviceInfo(**vars(device)) for device in message.devices),
        neighbours=heard(message.neighbours),
    )


def heard(neighbours: Iterable[Neighbour]) -> tuple[NeighbourInfo, ...]:
    """What the agent has heard of switches."""
    return tuple(NeighbourInfo(**vars(each)) for each in neighbours)


def claim_of(message: protocol.Hello, *, is_own_address: bool) -> Claim:
    """The hello as the guard looks at it."""
    return Claim(
        mac=message.mac,
        is_own_address=is_own_address,
        nonce=message.nonce,
        boot_id=message.boot_id,
        serial=message.serial,
        uuid=message.uuid,
        disks=tuple(map(_disk, message.disks)),
    )


def look_claim_of(message: protocol.Examination, *, is_own_address: bool) -> Claim:
    """The report of a verification likewise; its disks are nobody's to choose from."""
    return Claim(
        mac=message.hardware.mac,
        is_own_address=is_own_address,
        nonce=message.nonce,
        boot_id=message.boot_id,
        serial=message.hardware.serial,
        uuid=message.hardware.uuid,
    )


def _disk(disk: protocol.Disk) -> DiskInfo:
    """A ramdisk of before, and the installer, say what makers leave in place of a number, too."""
    numbers = {"serial": disk_names.evidence(disk.serial), "wwn": disk_names.evidence(disk.wwn)}
    return DiskInfo(**vars(disk) | numbers)


def agent_disk(disk: DiskInfo) -> protocol.Disk:
    """The disk as the agent's own rule for choosing one takes it."""
    return protocol.Disk(**vars(disk))
