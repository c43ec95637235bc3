"""A host's disks as they must be by now: as a ramdisk saw them last, and what we wrote to them since."""

from dataclasses import dataclass
from typing import Literal

from provisioner.domain.deployment import Deployment
from provisioner.domain.disk_writing import DiskWriting, as_written, is_onto
from provisioner.domain.events.agent import AgentProgress, AgentWritten
from provisioner.domain.events.installer import InstallerDisk, InstallerDone
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.progress import Progress
from provisioner.site.site import Site

WHOLE = (AgentWritten.kind, InstallerDone.kind)


@dataclass(frozen=True)
class DiskView:
    """`hardware` as it must be by now; it was seen at `at` (seconds since 1970) in the deployment `seen_in`.

    That is empty for what a ramdisk said of a machine that nobody knew. `writing` is what the deployment
    `writer` wrote since, if anything.
    """

    hardware: HardwareFacts
    at: float
    seen_in: Deployment | None = None
    writer: Deployment | None = None
    writing: DiskWriting | None = None

    @property
    def seen_by(self) -> Literal["deployment", "installer", "inventory"]:
        """Whose words it is: those of a deployment's ramdisk or installer, or of a stranger's ramdisk."""
        if not self.hardware.boot_id:
            return "inventory"
        return "installer" if self.seen_in and self.seen_in.is_installed else "deployment"

    def writing_to(self, disk: DiskInfo) -> DiskWriting | None:
        """What was written to this disk."""
        return self.writing if self.writer and is_onto(self.writer, disk) else None


def look(site: Site, host: str) -> DiskView | None:
    """What is known of a host's hardware; None before a ramdisk has told anything of it."""
    facts = site.database.hosts.hardware(host)
    if facts is None:
        return None
    at = site.database.hosts.hardware_at(host)
    seen_in = _seen_in(site, host, facts)
    writer = seen_in or _newest_since(site, host, at)
    writing = last_writing(site, writer) if writer else None
    if writer is None or writing is None:
        return DiskView(facts, at, seen_in)
    disks = tuple(as_written(disk, writing) if is_onto(writer, disk) else disk for disk in facts.disks)
    return DiskView(facts.model_copy(update={"disks": disks}), at, seen_in, writer, writing)


def _seen_in(site: Site, host: str, facts: HardwareFacts) -> Deployment | None:
    """The deployment whose hello told of it: the host's last one, or one of the host that its machine was."""
    if not facts.boot_id:
        return None
    last = site.database.deployments.last_consumed(host)
    if last and last.agent_boot_id == facts.boot_id:
        return last
    return site.database.deployments.by_boot(facts.boot_id)


def _newest_since(site: Site, host: str, at: float) -> Deployment | None:
    """The host's last deployment that wrote, unless a ramdisk looked after it."""
    last = site.database.deployments.last_consumed(host)
    return last if last and last.consumed >= at else None


def last_writing(site: Site, row: Deployment) -> DiskWriting | None:
    """What a deployment wrote, as its events say; None where it had not begun to."""
    for kind in WHOLE:
        if done := site.database.events.last_of(row.id, kind):
            return DiskWriting(by=row.id, image=row.image, ended=done.time, whole=True)
    begun = _begun(site, row)
    return DiskWriting(by=row.id, image=row.image, ended=begun, whole=False) if begun else None


def _begun(site: Site, row: Deployment) -> float:
    """When it was last heard of as writing; 0: it has not written. Its events may be forgotten by now."""
    kind = InstallerDisk.kind if row.is_installed else AgentProgress.kind
    if event := site.database.events.last_of(row.id, kind):
        has_written = not isinstance(event.data, AgentProgress) or _touches(event.data.progress())
        return event.time if has_written else 0.0
    has_written = bool(row.disk.name) if row.is_installed else _touches(row.progress)
    return row.stage_since if has_written else 0.0


def _touches(progress: Progress) -> bool:
    """Before its first byte the agent prepares, and has done nothing."""
    return bool(progress.phase) and (progress.phase != "preparing" or progress.done > 0)
