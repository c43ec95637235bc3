"""Runs other programs, and is the only module that does: argv lists, time limits, errors in words."""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from provisioner.errors import ProgramError

PIPE = subprocess.PIPE
Process: TypeAlias = subprocess.Popen[bytes]
PR_SET_PDEATHSIG = 1  # prctl(2)
# By a program that becomes the one that is wanted: code of ours between fork and exec may dead-lock beside
# threads (Python, subprocess, preexec_fn). For the kernel the *thread* is the parent: where that ($0) ended
# before the signal was asked for, nobody would send it.
_DIE_WITH_PARENT = ("--pdeathsig", "KILL", "--", "/bin/sh", "-c")
_UNLESS_ORPHANED = '[ -e "/proc/$PPID/task/$0" ] || kill -KILL "$$"; exec "$@"'
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def find(program: str, package: str = "") -> str:
    """The path of a program; `package` is the Debian package that the error names. Raises ProgramError."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    executable = shutil.which(program, path=path)
    if not executable:
        raise ProgramError(f"{program} is not installed", hint=f"apt-get install {package or program}")
    return executable


def run(
    argv: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    timeout: float = 60,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run to its end. `timeout` in seconds; `env` is added to ours.

    Raises:
        ProgramError: missing, over time or, with `check`, any exit code but 0; carries the last lines.
    """
    command = [find(str(argv[0])), *map(str, argv[1:])]
    try:
        ended = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise ProgramError(f"{argv[0]} did not end within {timeout:g} s") from slow
    if check and ended.returncode:
        raise ProgramError(f"{Path(str(argv[0])).name} ended with code {ended.returncode}: {_tail(ended)}")
    return ended


def text(argv: Sequence[str | Path], *, timeout: float = 60, cwd: Path | None = None) -> str:
    """What the program printed, as text without the last newline. Raises ProgramError as `run` does."""
    return run(argv, timeout=timeout, cwd=cwd).stdout.decode(errors="replace").rstrip("\n")


def _tail(ended: subprocess.CompletedProcess[bytes]) -> str:
    lines = (ended.stderr or ended.stdout).decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-4:]) or "it said nothing"


def die_with_parent() -> None:
    """Let the kernel kill this process, which was forked, when its parent's thread ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    argv: Sequence[str | Path],
    *,
    log: Path | None = None,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start and return at once; output goes to `log` (appended), else to `stdout`, else to ours.

    The child is killed when the thread that started it ends, however it ends. Raises ProgramError: it is not
    installed.
    """
    program = find(str(argv[0]))
    environment = {**os.environ, **(env or {})}
    script = _UNLESS_ORPHANED if "PWD" in environment else f"unset PWD; {_UNLESS_ORPHANED}"  # a shell sets it
    starter = [find("setpriv", "util-linux"), *_DIE_WITH_PARENT, script, str(threading.get_native_id())]
    command = [*starter, program, *map(str, argv[1:])]
    out = log.open("ab") if log else None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=out or stdout,
            stderr=subprocess.STDOUT if out else None,
            pass_fds=pass_fds,
            env=environment,
            cwd=cwd,
        )
    finally:
        if out:
            out.close()


def stop(process: Process, *, grace: float = 5) -> int:
    """Ask it to end (SIGTERM), insist (SIGKILL) after `grace` seconds; its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def signal_process(pid: int, number: int) -> None:
    """Send a signal to one process; one that is gone already is no error."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def running(argv: Sequence[str | Path], *, log: Path | None = None, grace: float = 5) -> Iterator[Process]:
    """A program that runs as long as the block does."""
    process = start(argv, log=log)
    try:
        yield process
    finally:
        stop(process, grace=grace)
