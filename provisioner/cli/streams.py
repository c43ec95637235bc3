"""Standard input, output and error of a command: closed, full, or read by nobody any more."""

import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO

from provisioner.cli import signs
from provisioner.errors import FileError
from provisioner.system import file_fault

STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


class Output(io.TextIOWrapper):
    """A standard stream that remembers that it could not be written: a second flush need not fail again.

    Where `is_ascii`, nothing else is written, whatever is printed and by whom.
    """

    fault: OSError | None = None
    is_ascii: bool = False

    def write(self, text: str, /) -> int:
        try:
            super().write(signs.plain(text) if self.is_ascii else text)
            return len(text)
        except OSError as fault:
            self.fault = fault
            raise

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as fault:
            self.fault = fault
            raise


def hold() -> None:
    """Give each closed stream a descriptor: else the next file that is opened would be taken for it.

    Such an input is at its end, and what is written to such an output is an error, as on a full disk.
    """
    for number, name, mode in STREAMS:
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDONLY)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.set_inheritable(number, True)  # for the programs that we run, it is theirs too
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    sys.stdout, sys.stderr = map(_output, (sys.stdout, sys.stderr))


def _output(stream: TextIO) -> TextIO:
    """The stream as one that writes nothing that its reader has no letters for.

    One of ASCII is called UTF-8, which is the same for what is written there: click would replace it.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    is_ascii = signs.is_ascii(stream)
    encoding, lines = "utf-8" if is_ascii else stream.encoding, stream.line_buffering
    output = Output(stream.detach(), encoding, "backslashreplace", line_buffering=lines)
    output.is_ascii = is_ascii
    return output


def give_up(stream: TextIO) -> OSError | None:
    """Write what a stream still holds; why that cannot be, if so. Then it is thrown away.

    Else the end of the process would try again, and say so in its own way.
    """
    try:
        stream.flush()
    except OSError as fault:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        with suppress(OSError):
            stream.flush()
        return fault
    return None


def unwritten() -> FileError | None:
    """Why standard output did not take all that was printed (PV-152); None if it did, or nobody reads it."""
    fault = give_up(sys.stdout)
    if isinstance(sys.stdout, Output):
        fault, sys.stdout.fault = fault or sys.stdout.fault, None  # it is said once
    if fault is None or isinstance(fault, BrokenPipeError):
        return None
    reason = file_fault.explained(fault, "the output")
    return FileError(str(reason), hint=reason.hint, code=152)


def is_unread() -> bool:
    """Whether whoever read our standard output has gone (poll(2), POLLERR)."""
    output = select.poll()
    output.register(1, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))
