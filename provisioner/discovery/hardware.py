"""What a ramdisk says of its machine, as the rest of the service knows hardware."""

from provisioner.agent import protocol
from provisioner.domain import identity
from provisioner.domain.claim import Claim
from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts, NicInfo


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
        disks=tuple(DiskInfo(**vars(disk)) for disk in message.disks),
        nics=tuple(NicInfo(**vars(nic)) for nic in message.nics),
        maker=message.maker,
        product=message.product,
        cpu=message.cpu,
        cpus=message.cpus,
        firmware=message.firmware,
        devices=tuple(DeviceInfo(**vars(device)) for device in message.devices),
    )


def claim_of(message: protocol.Hello, *, is_own_address: bool) -> Claim:
    """The hello as the guard looks at it."""
    return Claim(
        mac=message.mac,
        is_own_address=is_own_address,
        nonce=message.nonce,
        boot_id=message.boot_id,
        serial=message.serial,
        uuid=message.uuid,
        disks=tuple(DiskInfo(**vars(disk)) for disk in message.disks),
    )


def agent_disk(disk: DiskInfo) -> protocol.Disk:
    """The disk as the agent's own rule for choosing one takes it."""
    return protocol.Disk(**vars(disk))
