"""A service's process that has ordered an act which hangs: ordering PROGRAM; says the act's process id."""

import sys
import threading

from provisioner.power import acts

heard = acts.Acts((sys.executable, sys.argv[1]))
exchange = acts._exchange


def said(line: object, request: bytes, until: float) -> bytes:
    """The first that the act says goes to our standard output."""
    line.sendall(request)  # type: ignore[attr-defined]
    line.shutdown(1)  # type: ignore[attr-defined]
    print(line.recv(100).decode(), flush=True)  # type: ignore[attr-defined]
    threading.Event().wait()
    return b""


acts._exchange = said
heard.perform("hang", b"", 100)
