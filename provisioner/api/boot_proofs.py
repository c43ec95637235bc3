"""Restarts of hosts by which it is seen that their firmware starts the disk that was written."""

from typing import Annotated

from pydantic import Field, StrictBool

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.domain.refusal import Refusal
from provisioner.domain.values import FrozenModel


class BootProofOrder(FrozenModel):
    """The hosts: those with these names; or of those that `select` or `all` means, those that lack the proof.

    With `dry_run` nothing is ordered: it is answered which hosts they are, and what stands against each.
    """

    hosts: Annotated[tuple[str, ...], Field(max_length=5000)] = ()
    select: str = Field("", max_length=500)
    all: StrictBool = False
    dry_run: StrictBool = False


class BootProofOrdered(Resource):
    """The number of one host's request, whose result `GET /bmc/NUMBER` answers; 0 where it was refused."""

    host: str
    request: int = 0
    refusal: Refusal | None = None


class BootProofsOrdered(ServiceAnswer):
    """One for each host, in the order of their names; all are worked on at the same time."""

    proofs: tuple[BootProofOrdered, ...]
