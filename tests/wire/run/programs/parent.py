"""Starts a program as the product does, from its main thread or another one, and says its process id."""

import os
import signal
import sys
import threading

from provisioner import run


def begin() -> None:
    child = run.start(["sh", "-c", "echo here; exec sleep 600"], stdin=run.PIPE, stdout=run.PIPE)
    assert child.stdout
    child.stdout.readline()
    print(child.pid, flush=True)


def begin_and_stay() -> None:
    begin()
    threading.Event().wait()


def begin_and_die() -> None:
    """As early as it can be."""
    child = run.start(["sleep", "600"])
    os.write(1, b"%d\n" % child.pid)
    os.kill(os.getpid(), signal.SIGKILL)


where = sys.argv[1]
if where == "main":
    begin()
elif where == "nowhere":
    begin_and_die()
else:
    threading.Thread(target=begin_and_stay if where == "thread" else begin, daemon=True).start()
sys.stdin.read()
