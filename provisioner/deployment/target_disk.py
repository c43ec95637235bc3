"""The disk that an order would erase, as far as the host's last inventory says."""

from contextlib import suppress

from provisioner.agent import disks, protocol
from provisioner.deployment import disk_view
from provisioner.discovery.hardware import agent_disk
from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Hints
from provisioner.errors import DiskError
from provisioner.imaging.source import SECTOR
from provisioner.site.site import Site


def hints(site: Site, host: Host) -> Hints:
    """Which disk is meant: what the host says, else the first of its profile."""
    return host.disk or site.database.profiles.get(host.profile).disk


def ordered(site: Site, host: Host, row: Deployment) -> Hints:
    """Which disk this order means: by what it was ordered, and narrowed to the disk that was shown."""
    target, wanted = row.target, row.hints or hints(site, host)
    if not target.is_known:
        return wanted
    narrowed: dict[str, object] = {"min_size": target.size, "max_size": target.size}
    if target.serial or target.wwn:
        narrowed |= {"serial": target.serial or wanted.serial, "wwn": target.wwn or wanted.wwn}
    else:
        narrowed |= {"by_path": target.by_path} if target.by_path else {"name": target.name}
    return wanted.model_copy(update=narrowed)


def shown(site: Site, host: Host) -> TargetDisk:
    """What tells that disk from every other; unknown where `find` gives none."""
    disk = find(site, host)
    return TargetDisk.model_validate(disk, from_attributes=True) if disk else TargetDisk()


def find(site: Site, host: Host) -> protocol.Disk | None:
    """The one inventoried disk that fits; None where none does, or several.

    A preview only: the agent decides, on the machine itself, by the same rule.
    """
    with suppress(DiskError):
        return _chosen(site, host)
    return None


def preview(site: Site, host: Host, image: Image) -> tuple[protocol.Disk | None, DiskError | None]:
    """What `find` gives; and why none fits, or why the image cannot be written to it.

    An installer makes partitions of its own.
    """
    disk = None
    try:
        disk = _chosen(site, host)
        if image.kind == "pack":
            disks.check(disk, image.raw_size, SECTOR)
    except DiskError as fault:
        return disk, fault
    return disk, None


def _chosen(site: Site, host: Host) -> protocol.Disk:
    wanted = protocol.DiskHints(**hints(site, host).model_dump())
    view = disk_view.look(site, host.name)
    return disks.choose([agent_disk(disk) for disk in (view.hardware.disks if view else ())], wanted)
