"""Calls about verifications after a deployment."""

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.examinations import ExaminationAnswer, ExaminationOrder
from provisioner.api.verifications import VerificationAnswer, VerificationOrder, VerificationStatus
from provisioner.client.transport import PATIENCE, Transport, quoted


class VerificationCalls(Transport):
    """Of `Client`: verifications after a deployment."""

    def begin_verification(self, order: VerificationOrder) -> VerificationStatus:
        """Let the service verify a host with an SSH key that is given for this one time."""
        return self.post(VerificationAnswer, "/verifications", order).verification

    def verification(self, ident: str, after: int = 0, wait: float = 0) -> VerificationStatus:
        """One of them, waited for until it has more than `after` tasks or has ended."""
        query = EventQuery(after=after, wait=wait)
        path = f"/verifications/{quoted(ident)}"
        return self.get(VerificationAnswer, path, query, patience=PATIENCE + wait).verification

    def cancel_verification(self, ident: str) -> VerificationStatus:
        """End the one of this id, or of this host, that goes on with an SSH key."""
        path = f"/verifications/{quoted(ident)}/cancel"
        return self.post(VerificationAnswer, path).verification

    def examine(self, order: ExaminationOrder) -> DeploymentStatus:
        """Verify a host from the ramdisk; it is followed as a deployment is."""
        return self.post(ExaminationAnswer, "/verifications/ramdisk", order).deployment
