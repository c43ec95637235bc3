"""One line from the terminal, shown or hidden, or the Ctrl-C that came instead: neither gets lost."""

import select
import signal
import socket
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from provisioner.cli.output import info, write_prompt


def read_line(prompt: str) -> str:
    """What is typed, without its end. Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C.

    Python's `input` loses a Ctrl-C that comes with the prompt: it clears whatever is raised while it flushes
    it. One that comes just before the wait it would notice at the next key only.
    """
    write_prompt(prompt)
    if sys.stdin.isatty():  # elsewhere nobody types, and more than one line may have been read ahead
        _await_line()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")


def read_hidden(prompt: str) -> str:
    """Likewise; what is typed is not echoed."""
    with _without_echo() if sys.stdin.isatty() else nullcontext():
        line = read_line(prompt)
    info("")  # the line feed was not echoed either
    return line


def _await_line() -> None:
    """Until a line, or its end, can be read.

    Each signal for which Python has a handler wakes it, so that the handler runs (signal.set_wakeup_fd).
    """
    before = signal.set_wakeup_fd(-1)
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.setblocking(False)
        try:
            signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
            while sys.stdin not in select.select([sys.stdin, receiver], [], [])[0]:
                receiver.recv(64)
        finally:
            signal.set_wakeup_fd(before)


@contextmanager
def _without_echo() -> Iterator[None]:
    """What was typed before is thrown away, as getpass(3) does: it was meant for something else."""
    before = termios.tcgetattr(sys.stdin)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    try:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, silent)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)
