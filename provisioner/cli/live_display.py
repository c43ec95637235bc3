"""A display on a terminal that is redrawn in place, at the service's time."""

import signal
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from provisioner.cli.output import drawn_lines

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console, Group

LAST_WORDS = 4  # lines that are left below the display when it is over, for what is said then
INTERVAL = 0.25  # seconds between two redraws, so that times run on
CLEAR, BELOW, REST = "\x1b[H\x1b[2J", "\x1b[J", "\x1b[K"  # ECMA-48: whole screen, below, rest of the line


def can_redraw(out: "Console") -> bool:
    """Whether it is a terminal on which lines can be written over."""
    return out.file.isatty() and not out.is_dumb_terminal


class LiveDisplay(ABC):
    """Redraws itself as long as its block lasts. Each line is written over the one that was there.

    So what stays the same is there at every moment; rich's own Live erases all before it draws.
    """

    def __init__(self, out: "Console") -> None:
        self._out = out
        self._skew = 0.0  # seconds by which the service's clock is ahead of ours
        self._warning = ""
        self._drawn: tuple[int, int, int] | None = None  # lines, and the terminal's columns and lines then
        self._changed, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> None:
        self._out.show_cursor(show=False)
        self._before = signal.signal(signal.SIGWINCH, self._resized)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGWINCH, self._before)
        self._is_over.set()
        self._changed.set()
        self._thread.join()
        with suppress(OSError):
            self._write(self._frame() + "\r\n")
        self._out.show_cursor(show=True)

    @abstractmethod
    def draw(self) -> "Group":
        """What is shown now, with the warning if there is one: at most `width` columns and `height` lines."""

    @property
    def width(self) -> int:
        """Columns that may be used; the last one stays free, as terminals differ in what they do there."""
        return self._out.width - 1

    @property
    def height(self) -> int:
        """Lines that may be used."""
        return self._out.height - (LAST_WORDS if self._is_over.is_set() else 0)

    def warn(self, sentence: str) -> None:
        """Show something about us, not about what is watched, until the service answers again."""
        self._warning = sentence
        self._changed.set()

    def reached(self, now: float) -> None:
        """The service has answered: its time is `now`, in seconds since 1970, and no warning is due."""
        self._skew, self._warning = now - time.time(), ""
        self._changed.set()

    def service_time(self) -> float:
        """The service's time, in seconds since 1970."""
        return time.time() + self._skew

    def _resized(self, number: int, frame: "FrameType | None") -> None:
        self._changed.set()

    def _redraw(self) -> None:
        with suppress(OSError):  # nobody reads it any more
            while not self._is_over.is_set():
                self._write(self._frame())
                self._changed.wait(INTERVAL)
                self._changed.clear()

    def _frame(self) -> str:
        """What has to be written so that the display is as it should be now."""
        width, height = self._out.size
        lines = drawn_lines(self._out, self.draw())[:height] or [""]
        begin = "\r"
        if self._drawn and self._drawn[1:] != (width, height):
            begin = CLEAR  # the terminal has folded what was there, and the lines are elsewhere
        elif self._drawn and self._drawn[0] > 1:
            begin = f"\r\x1b[{self._drawn[0] - 1}A"
        is_shorter = self._drawn and begin != CLEAR and len(lines) < self._drawn[0]
        end = f"\r\n{BELOW}\x1b[A" if is_shorter else ""
        self._drawn = (len(lines), width, height)
        return begin + "\r\n".join(f"{line}{REST}" for line in lines) + end

    def _write(self, frame: str) -> None:
        self._out.file.write(frame)
        self._out.file.flush()
