"""The command line of this process as ps(1) shows it: proc_pid_cmdline(5)."""

import ctypes
import os
from collections.abc import Sequence

from provisioner.system.processes import ARG_END, ARG_START, stat_fields


def show_command_line(words: Sequence[str]) -> None:
    """Let the kernel show these words as ours, cut where the ones that we were started with were shorter."""
    fields = stat_fields(os.getpid())
    begin, end = int(fields[ARG_START]), int(fields[ARG_END])
    room = end - begin
    text = "".join(f"{word}\0" for word in words).encode(errors="surrogateescape")
    ctypes.memmove(begin, text[: room - 1].ljust(room, b"\0"), room)
