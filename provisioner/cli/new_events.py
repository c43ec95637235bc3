"""The service's news as they come, also while it is being started again."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from provisioner.errors import UnreachableError

Row = dict[str, Any]
PATIENCE = 120.0  # seconds that the service may be away before we stop watching
PAUSE = 1.0  # seconds between two tries to reach it
WAIT = 20.0  # seconds that one request for news may wait at the service


def await_news(
    ask: Callable[[int, float], Row], warn: Callable[[str], None], until: float | None
) -> Iterator[Row]:
    """What `ask(after, wait)` answers, again and again, until the monotonic clock says `until`.

    `warn` is told while the service is away. Raises UnreachableError where it stays away.
    """
    after = 0

    def ask_once(wait: float) -> Row:
        nonlocal after
        news = ask(after, wait)
        after = max([after, *(event["id"] for event in news["events"])])
        return news

    return repeat(ask_once, warn, until)


def repeat(ask: Callable[[float], Row], warn: Callable[[str], None], until: float | None) -> Iterator[Row]:
    """What `ask(wait)` answers, likewise."""
    heard = time.monotonic()
    while True:
        left = WAIT if until is None else max(0.0, min(WAIT, until - time.monotonic()))
        try:
            news = ask(left)
        except UnreachableError as fault:
            if time.monotonic() - heard > PATIENCE:
                raise
            warn(f"{fault}; trying again")
            time.sleep(PAUSE)  # there is nobody who could wake us
            continue
        heard = time.monotonic()
        yield news
        if until and time.monotonic() >= until:
            return
