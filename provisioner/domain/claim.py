"""What a machine says of itself when it wants to begin to write."""

from dataclasses import dataclass

from provisioner.domain.hardware import DiskInfo


@dataclass(frozen=True)
class Claim:
    """Who wants to write, in its own words; None where this message does not say it.

    `is_own_address`: whether the network knows the address that it speaks from as that of its MAC.
    """

    mac: str
    is_own_address: bool
    nonce: str
    boot_id: str | None = None
    serial: str | None = None
    uuid: str | None = None
    disks: tuple[DiskInfo, ...] | None = None
