"""Why something may not begin, as data: what a plan shows and an order raises."""

from provisioner.domain.values import FrozenModel


class Refusal(FrozenModel):
    """One reason: its PV code, a sentence with the evidence, and what to do next (may be empty)."""

    code: int
    sentence: str
    hint: str = ""
