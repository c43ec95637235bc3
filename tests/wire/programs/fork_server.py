"""Runs command lines of `provision`, each in a fork of this process, which has imported the program.

What a test waits for is then what the command does, not Python's import of it. Standard input is a Unix
socket of whole messages: JSON of an order (tests/wire/forkserver.py), and five descriptors with it: standard
input, output and error, where the process's id and its exit code are written, and the process whose
namespaces it runs in, or /dev/null. It ends with the socket's other end.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any, NoReturn

from pydantic import BaseModel

from provisioner import cli, run

LONGEST = 1 << 20
STREAMS = 3
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x00020000  # clone(2)
LEFT = {"serve", "rehearse"}  # no test runs them so


def build(kind: type[BaseModel]) -> None:
    """Build the models that there are: each command would do it anew."""
    for each in kind.__subclasses__():
        if not each.__pydantic_generic_metadata__["parameters"]:
            each.model_rebuild()
        build(each)


def enter(pidfd: int) -> None:
    """Into the namespaces of a process, as `nsenter --preserve-credentials --user --net --mount`."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    if setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "setns")


def become(order: dict[str, Any], descriptors: list[int]) -> None:
    """What a new process would be."""
    run.die_with_parent()
    signal.set_wakeup_fd(-1)
    if order["inside"]:
        enter(descriptors[-1])
    os.chdir(order["cwd"])
    how = [(stream.encoding, stream.errors) for stream in (sys.stdin, sys.stdout, sys.stderr)]
    for number, descriptor in enumerate(descriptors[:STREAMS]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        encoding, errors = how[number]
        lines = 1 if name == "stderr" else -1
        stream = open(number, mode, lines, encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115  as Python
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [sys.argv[0], *order["argv"]]


class Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[int, int]] = {}  # pidfd → process id, where its end is told

    def serve(self) -> bool:
        """Until the other end is closed, or, in each fork, the command is to be run; whether it is."""
        while True:
            control = self._control.fileno()
            ready, _, _ = select.select([control, *self._running], [], [])
            for handle in ready:
                if handle != control:
                    self._tell_end(handle)
                    continue
                data, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, 5)
                if not data:
                    return False
                if self._fork(json.loads(data), descriptors):
                    return True

    def _fork(self, order: dict[str, Any], descriptors: list[int]) -> bool:
        told = descriptors.pop(STREAMS)
        child = os.fork()
        if not child:
            self._control.close()
            for handle, (_, other) in self._running.items():
                os.close(handle)
                os.close(other)
            os.close(told)
            become(order, descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        os.write(told, f"{child}\n".encode())
        self._running[os.pidfd_open(child)] = child, told
        return False

    def _tell_end(self, handle: int) -> None:
        child, told = self._running.pop(handle)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):  # whoever waited has given up
            os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(told)
        os.close(handle)


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    for name, (place, _) in cli.COMMANDS.items():
        if name not in LEFT:
            importlib.import_module(f"provisioner.cli.{place.partition(':')[0]}")
    importlib.import_module("provisioner.client")
    build(BaseModel)
    gc.freeze()  # what is here stays: a collection in a fork would copy all of it
    if Server(control).serve():
        run_command()


def run_command() -> NoReturn:
    """As a process of its own ends, but nothing is torn down: that takes longer than the command."""
    code: object = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        code = 1
        traceback.print_exc()
    # as Python does at its end: threads that are no daemons are waited for
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
