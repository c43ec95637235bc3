"""Verifications after a deployment: from the ramdisk."""

from provisioner.api.answer import ServiceAnswer
from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.values import FrozenModel


class ExaminationOrder(FrozenModel):
    """Verify a host from the ramdisk: it is restarted, nothing is written. `by` is who says so."""

    host: str


class ExaminationAnswer(ServiceAnswer):
    """The verification as it was ordered; it goes on as a deployment does."""

    deployment: DeploymentStatus
