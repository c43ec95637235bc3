"""The process behind a service's arbiter that answers requests: gunicorn's worker."""

import signal
import time
from pathlib import Path

from provisioner import run


def answering(arbiter: int, known: int = 0) -> int:
    """The process that answers requests; `known` for as long as there is none."""
    until = time.monotonic() + 20
    while not (children := Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()):
        if known:
            return known
        assert time.monotonic() < until, "no process answers requests"
        time.sleep(0.05)  # gunicorn forks it when the service has said that it is ready
    return int(children[0])


def next_answering(arbiter: int, old: int) -> int:
    """The process that is forked for this one, which is killed, as soon as it is there."""
    run.signal_process(old, signal.SIGKILL)
    until = time.monotonic() + 30
    while (new := answering(arbiter, old)) == old:
        assert time.monotonic() < until
    return new
