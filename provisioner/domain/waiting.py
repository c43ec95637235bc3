"""What a deployment waits for: the sign of life that is expected, and how long that usually takes."""

from collections.abc import Collection
from statistics import median

from provisioner.domain.values import FrozenModel

LEAST = 3  # stages that have ended well, from which on one may say what is usual
SPAN = 90.0  # seconds up to which people count in seconds
SLACK, LEAST_SLACK = 1.5, 120.0  # times, and seconds at least, over the slowest that was seen


class UsualTime(FrozenModel):
    """How long a stage took in `count` deployments that ended well, in seconds: quartiles and the slowest."""

    low: float
    median: float
    high: float
    slowest: float
    count: int

    @property
    def patience(self) -> float:
        """Seconds for which a healthy one may go on: half as long again as the slowest."""
        return patience(self.slowest)

    def describe(self) -> str:
        """`usually 5-6 min`, `usually 40-55 s`; whole minutes are rounded outwards."""
        if self.high < SPAN:
            first, last, unit = int(self.low), -int(-self.high // 1), "s"
        else:
            first, last, unit = int(self.low // 60), -int(-self.high // 60), "min"
        return f"usually {first}-{last} {unit}" if first < last else f"usually {last} {unit}"


def patience(slowest: float) -> float:
    """Seconds for which others may go on, where a healthy one needed so many."""
    return max(slowest * SLACK, slowest + LEAST_SLACK)


def usual_time(seconds: Collection[float]) -> UsualTime | None:
    """What these have in common; None where they are fewer than LEAST."""
    if len(seconds) < LEAST:
        return None
    ordered = sorted(seconds)
    half = len(ordered) // 2
    return UsualTime(
        low=median(ordered[: half or 1]),
        median=median(ordered),
        high=median(ordered[-half or -1 :]),
        slowest=ordered[-1],
        count=len(ordered),
    )
