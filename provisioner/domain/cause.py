"""A cause for which a deployment waits: what is wrong, on what evidence, and what to do."""

from provisioner.domain.values import FrozenModel


class Sight(FrozenModel):
    """One line of evidence; `time` is when it was seen, in seconds since 1970."""

    sentence: str
    time: float


class Cause(FrozenModel):
    """What hinders a deployment that waits, named while it waits.

    `code` is its PV code. `evidence` is never empty. `actions` are for people, in the order in which they
    are tried.
    """

    code: int
    sentence: str
    evidence: tuple[Sight, ...]
    actions: tuple[str, ...]
