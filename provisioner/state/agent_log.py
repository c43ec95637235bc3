"""The agent's log of one attempt, a file in the state folder: its beginning, and no more than LIMIT."""

import logging
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from provisioner.state.disk_usage import is_full

LIMIT = 4 << 20  # bytes of one attempt; a deployment has five attempts at most
MOST_LINES, LONGEST_LINE = 5000, 2000  # of one message, in lines and characters
CUT = "… the log is longer; the rest was not kept\n"
log = logging.getLogger(__name__)


def append(state: Path, deployment: str, attempt: int, lines: Iterable[str]) -> None:
    """Add lines of the agent; a log is evidence, so a full disk loses it and hinders nothing."""
    kept = islice(lines, MOST_LINES)
    text = "".join(line.replace("\n", " ")[:LONGEST_LINE] + "\n" for line in kept)
    path = state / "logs" / f"{deployment}.{attempt}.agent.log"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with path.open("ab") as out:
            room = LIMIT - out.tell()
            data = text.encode(errors="replace")
            if room > 0:
                out.write(data if len(data) <= room else data[:room] + CUT.encode())
    except OSError as fault:
        if not is_full(fault):
            raise
        log.warning("the agent's log of %s is not kept: %s", deployment, fault.strerror)
