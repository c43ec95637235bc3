"""The command line of this process as ps(1) shows it: proc_pid_cmdline(5)."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

ARG_START, ARG_END = 48, 49  # fields of /proc/PID/stat, proc_pid_stat(5)
FIRST = 3  # the field behind the name, which may hold spaces


def show_command_line(words: Sequence[str]) -> None:
    """Let the kernel show these words as ours, cut where the ones that we were started with were shorter."""
    fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(") ")[2].split()
    begin, end = int(fields[ARG_START - FIRST]), int(fields[ARG_END - FIRST])
    room = end - begin
    text = "".join(f"{word}\0" for word in words).encode(errors="surrogateescape")
    ctypes.memmove(begin, text[: room - 1].ljust(room, b"\0"), room)
