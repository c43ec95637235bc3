"""Becomes other processes: each is a fork of this one, which has imported all that they need, once.

The parent asks by a Unix socket of whole messages (system/forked.py): the words of a command line, and with
them descriptors. It opens no file and no port and knows no secret, so there is nothing to inherit but code.
Why it is there: docs/decisions/2026-11-30-fork-server.md, 2026-12-01-acts-in-forks.md.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from provisioner import run
from provisioner.system.command_line import show_command_line

READY = b"ready"
LONGEST = 65536  # bytes of a request: a list of words and a list of options, as JSON
MOST = 8  # descriptors that come with one: standard input, where the end is told, one for each option
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(descriptor: int, modules: Iterable[str]) -> bool:
    """Fork as is asked by the socket until its other end is closed, then end all forks that there still are.

    True in each fork, whose `sys.argv` is ours with the words of the request in place of the last two, which
    said what this process is.
    """
    # the kernel would end us with the parent; but the forks go first, and the socket says when
    ctypes.CDLL(None).prctl(run.PR_SET_PDEATHSIG, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # whoever stops all stops the parent, too
    for name in modules:
        with suppress(Exception):  # the fork that needs it will say what is wrong
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is here stays: a collection in a fork would copy all of it
    with socket.socket(fileno=descriptor) as control:
        control.send(READY)
        return _Server(control).serve()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._forks: dict[int, tuple[int, int]] = {}  # pidfd → process id, where its end is told

    def serve(self) -> bool:
        while True:
            asked = self._control.fileno()
            ready, _, _ = select.select([asked, *self._forks], [], [])
            for handle in (each for each in ready if each != asked):
                self._tell_end(handle)
            if asked not in ready:
                continue
            data, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, MOST)
            if not data:
                self._end_all()
                return False
            if self._fork(*json.loads(data), *descriptors):
                return True

    def _fork(self, words: list[str], options: list[str], stdin: int, told: int, *given: int) -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one that comes early is not lost
        child = os.fork()
        if not child:
            self._control.close()
            for number in (told, *self._forks, *(other for _, other in self._forks.values())):
                os.close(number)
            _become(words, dict(zip(options, given, strict=True)), stdin)
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for number in (stdin, *given):
            os.close(number)
        handle = os.pidfd_open(child)
        self._forks[handle] = child, told
        with suppress(BrokenPipeError):  # the parent has just ended
            socket.send_fds(self._control, [str(child).encode()], [handle])
        return False

    def _tell_end(self, handle: int) -> None:
        child, told = self._forks.pop(handle)
        _, status = os.waitpid(child, 0)
        with suppress(BrokenPipeError):
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(told)
        os.close(handle)

    def _end_all(self) -> None:
        for handle in self._forks:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        while self._forks:
            self._tell_end(next(iter(self._forks)))


def _become(words: Sequence[str], given: dict[str, int], stdin: int) -> None:
    """What a new interpreter with this command line would be."""
    os.dup2(stdin, 0)
    os.close(stdin)
    for number in given.values():
        os.set_inheritable(number, False)
    shown = [sys.executable, *sys.orig_argv[1:-2], *words]
    show_command_line(shown)
    sys.argv = [*sys.argv[:-2], *words]
    for option, number in given.items():
        sys.argv += [option, str(number)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
