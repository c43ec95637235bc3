"""How long a BMC that says `not now` is asked again, and with which pauses."""

import time
from collections.abc import Callable
from typing import TypeVar

from provisioner.errors import NotYetError, PowerError

SHORTEST, LONGEST = 1.0, 60.0  # seconds between two tries, whatever the BMC asks for
SILENCE = 10.0  # seconds before a BMC that did not answer at all is asked again: it may be restarting
Done = TypeVar("Done")


def pause_after(fault: PowerError) -> float | None:
    """Seconds after which it is worth asking again; None where it is refused for good."""
    if isinstance(fault, NotYetError):
        return min(max(fault.pause, SHORTEST), LONGEST)
    return SILENCE if fault.code == 201 else None


def outlast(
    act: Callable[[], Done], seconds: float, before_retry: Callable[[], object] = lambda: None
) -> Done:
    """Act; where the BMC says `not now`, pause as it asks and act again, for `seconds` at most.

    `before_retry` may raise, which ends it. Silence is outlasted only after an answer: then the BMC is there,
    and restarts. Raises PowerError.
    """
    until, has_answered = time.monotonic() + seconds, False
    while True:
        try:
            return act()
        except PowerError as fault:
            has_answered |= isinstance(fault, NotYetError)
            pause = pause_after(fault) if has_answered else None
            if pause is None or time.monotonic() + pause > until:
                raise
        time.sleep(pause)  # a BMC has no event to wait for
        before_retry()
