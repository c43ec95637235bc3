"""What a profile demands of a host, as the judge takes it."""

from provisioner.domain.acceptance import Level
from provisioner.domain.profile import Profile
from provisioner.errors import InputError
from provisioner.verify.model import Expected, GpuKind, PciDevice


def of_profile(
    profile: Profile, level: Level | None = None, soak_seconds: int = 0, *, unordered: str = ""
) -> Expected:
    """Without image, disk and the inventory's MACs, which are a host's own.

    `level` and `soak_seconds` come in place of the profile's, where they are given.

    `unordered` says why nobody knows them. Raises InputError: the level is of GPUs, and no driver is named.
    """
    acceptance = profile.acceptance
    given = {"level": level, "soak_seconds": soak_seconds}
    acceptance = acceptance.model_copy(update={name: value for name, value in given.items() if value})
    if acceptance.level is not Level.QUICK and not profile.gpu_driver:
        raise InputError(
            f"the profile {profile.name} names no gpu_driver, so there is nothing to burn in",
            hint="--level quick, or name driver and GPUs in the profile",
        )
    return Expected(
        image_id="",
        image_version="",
        root_disk_serial="",
        memory_min=profile.memory_min,
        macs=tuple(nic.mac for nic in profile.nics if nic.mac and nic.role != "bmc"),
        pci=tuple(PciDevice(id=gpu.id, count=gpu.count, name=gpu.name) for gpu in profile.gpus),
        gpu_driver=profile.gpu_driver,
        gpus=tuple(GpuKind(**gpu.model_dump()) for gpu in profile.gpus) if profile.gpu_driver else (),
        firmware=profile.firmware,
        acceptance=acceptance,
        unordered=unordered,
        profile=profile.name,
        profile_sha256=profile.sha256,
    )
