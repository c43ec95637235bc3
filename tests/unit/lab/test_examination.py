"""What a rehearsal says of a verification by the ramdisk."""

import pytest

from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.deployment import Deployment, TargetDisk, WrittenDisk
from provisioner.domain.purpose import Purpose
from provisioner.domain.stage import Stage
from provisioner.lab.examination import writings


@pytest.mark.parametrize(
    ("target", "written", "said"),
    [
        (TargetDisk(), WrittenDisk(), (True, "0 disks to be written, 0 written")),
        (TargetDisk(name="sda"), WrittenDisk(), (False, "1 disks to be written, 0 written")),
        (TargetDisk(), WrittenDisk(name="sda", serial="Z1"), (False, "0 disks to be written, 1 written")),
    ],
)
def test_that_nothing_is_a_writing_is_counted(
    target: TargetDisk, written: WrittenDisk, said: tuple[bool, str]
) -> None:
    row = Deployment(
        id="d-1",
        host="lab-1",
        mac="52:54:00:00:00:01",
        image="os@1",
        stage=Stage.READY,
        stage_since=1,
        created=1,
        deadline=2,
        expires=2,
        armed_by="ann",
        erase=False,
        purpose=Purpose.VERIFY,
        target=target,
        disk=written,
    )
    assert writings(DeploymentStatus.model_validate(row)) == said
