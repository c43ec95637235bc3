"""A display on a terminal that is redrawn in place, at the service's time."""

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


class LiveDisplay(ABC):
    """Redraws itself four times a second as long as its block lasts."""

    def __init__(self, out: "Console") -> None:
        self._out = out
        self._skew = 0.0  # seconds by which the service's clock is ahead of ours
        self._warning = ""
        self._live: Live | None = None  # rich draws as soon as it is made

    def __enter__(self) -> None:
        from rich.live import Live

        self._live = Live(console=self._out, get_renderable=self.draw, refresh_per_second=4)
        self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    @abstractmethod
    def draw(self) -> "RenderableType":
        """What is shown now, with the warning if there is one."""

    def warn(self, sentence: str) -> None:
        """Show something about us, not about what is watched, until the service answers again."""
        self._warning = sentence

    def reached(self, now: float) -> None:
        """The service has answered: its time is `now`, in seconds since 1970, and no warning is due."""
        self._skew, self._warning = now - time.time(), ""

    def service_time(self) -> float:
        """The service's time, in seconds since 1970."""
        return time.time() + self._skew
