"""The disk that an order would erase, as far as the host's last inventory says."""

from provisioner.agent import disks, protocol
from provisioner.discovery.hardware import agent_disk
from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.host import Host
from provisioner.domain.profile import Hints
from provisioner.site.site import Site


def hints(site: Site, host: Host) -> Hints:
    """Which disk is meant: what the host says, else the first of its profile."""
    return host.disk or site.database.profiles.get(host.profile).disks[0]


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
    wanted = protocol.DiskHints(**hints(site, host).model_dump())
    hardware = site.database.hosts.hardware(host.name)
    fitting = [
        disk
        for disk in map(agent_disk, hardware.disks if hardware else ())
        if not disks.mismatches(disk, wanted)
    ]
    return fitting[0] if len(fitting) == 1 else None
