"""One thing that a check of the service has looked at."""

from typing import Literal

from provisioner.domain.values import FrozenModel

CheckState = Literal["fault", "warning", "unknown", "ok"]
ORDER: tuple[CheckState, ...] = ("fault", "warning", "unknown", "ok")  # what needs somebody first


class CheckLine(FrozenModel):
    """What was looked at, how it is, the evidence in a sentence; what to do and a PV code for a fault."""

    subject: str
    state: CheckState
    sentence: str
    hint: str = ""
    code: int = 0
