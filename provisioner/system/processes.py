"""What the kernel says of a process: proc(5)."""

import contextlib
from pathlib import Path

# numbers of fields in proc_pid_stat(5)
PARENT, UTIME, STIME, ARG_START, ARG_END = 4, 14, 15, 48, 49


def stat_fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, each at its number in proc_pid_stat(5), of which the first is 1.

    Raises OSError: there is no such process (any more).
    """
    text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    number, _, rest = text.partition(" (")
    name, _, others = rest.rpartition(") ")  # a name may hold spaces and brackets
    return ["", number, name, *others.split()]


def is_held(pid: int) -> bool:
    """Whether a debugger has it, or the kernel while it waits for a disk: its silence is no fault then.

    Nobody could end a process that waits for a disk, either.
    """
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        state, tracer = fields.get("State", "").strip(), fields.get("TracerPid", "0").strip()
        return state.startswith("D") or tracer != "0"
    return False


def seconds_without_processor() -> float:
    """For how long this process could have run but had no processor; 0 where the kernel does not tell.

    The second number of `schedstat` (Documentation/scheduler/sched-stats), of the main thread.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    return 0.0
