"""What the service wrote to a host's disk since that disk was last looked at."""

from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.values import FrozenModel


class DiskWriting(FrozenModel):
    """`image` (`name@version`) was written by the deployment `by`, until `ended` (seconds since 1970).

    `whole`: to its end, read back; of an installer, that it said so. Otherwise the disk holds a part of it.
    """

    by: str
    image: str
    ended: float
    whole: bool

    def describe(self) -> str:
        """`vault-os 1.0, written by d-01JD8`, or `half of vault-os 1.0, begun by d-01JD8`."""
        image = self.image.replace("@", " ", 1)
        return f"{image}, written by {self.by}" if self.whole else f"half of {image}, begun by {self.by}"


def is_onto(row: Deployment, disk: DiskInfo) -> bool:
    """Whether the deployment may write this disk; one of an older release says only which it has written."""
    target = row.target if row.target.is_known else TargetDisk.model_validate(row.disk, from_attributes=True)
    return target.is_known and target.is_of(disk)


def as_written(disk: DiskInfo, writing: DiskWriting) -> DiskInfo:
    """The disk with what was written in place of what had been seen: that is no more."""
    return disk.model_copy(update={"content": f"holds {writing.describe()}", "foreign": "", "owner": ""})
