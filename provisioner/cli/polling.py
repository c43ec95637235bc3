"""What the service has to tell as it comes, also while it is being started again."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from provisioner.errors import UnreachableError

if TYPE_CHECKING:
    from provisioner.api.deployments import DeploymentEvents
    from provisioner.api.runs import RunEvents

    Events = TypeVar("Events", DeploymentEvents, RunEvents)
else:
    Events = TypeVar("Events")

ABSENCE_LIMIT = 120.0  # seconds that the service may be away before we stop watching
PAUSE = 1.0  # seconds between two tries to reach it
Answer = TypeVar("Answer")


def follow_events(
    ask: "Callable[[int, float], Events]", warn: Callable[[str], None], until: float | None
) -> "Iterator[Events]":
    """What `ask(after, wait)` answers, again and again, until the monotonic clock says `until`.

    `warn` is told while the service is away. Raises UnreachableError where it stays away.
    """
    after = 0

    def ask_once(wait: float) -> "Events":
        nonlocal after
        answer: Events = ask(after, wait)
        after = max([after, *(event.id for event in answer.events)])
        return answer

    return poll(ask_once, warn, until)


def poll(
    ask: Callable[[float], Answer], warn: Callable[[str], None], until: float | None = None
) -> Iterator[Answer]:
    """What `ask(wait)` answers, likewise; for ever where `until` is None."""
    from provisioner.client.transport import WAIT

    reached = time.monotonic()
    while True:
        wait = WAIT if until is None else max(0.0, min(WAIT, until - time.monotonic()))
        try:
            answer = ask(wait)
        except UnreachableError as fault:
            if time.monotonic() - reached > ABSENCE_LIMIT:
                raise
            warn(f"{fault}; trying again")
            time.sleep(PAUSE)  # there is nobody who could wake us
            continue
        reached = time.monotonic()
        yield answer
        if until and time.monotonic() >= until:
            return
