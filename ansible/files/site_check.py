"""Runs one approved program of a site on this host, within limits, and prints its verdict as JSON.

`site_check.py PROGRAM SHA256 [--seconds S] [--memory BYTES] [--processes N]`. PROGRAM is a file, or `-`: then
it is read from the standard input, as base64, and nothing of it is ever in a file. Approved is what has this
checksum: the program is copied into sealed memory, the copy is hashed, and the copy is run, so whoever
changes or swaps the file meanwhile changes nothing. It may print one JSON object and nothing else:
`{"status": "pass|warn|fail", "observed": ..., "expected": ..., "reason": "..."}`, with exit code 0. Anything
else is `error`, which says nothing good.

Limits: its time, its memory (for each process), how many processes, how much it prints, no core dumps. It is
a process group of its own, killed as a whole. Where we are root it runs as nobody, in PID and network
namespaces of its own: whatever it starts ends with it, and it has no network. Without root it keeps the
network and our own user, and processes that leave the group are found because they become our children.
"""

import argparse
import base64
import ctypes
import errno
import hashlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 64 << 20  # bytes of a program
PRINTED = 64 << 10  # bytes that it may print
NOBODY = 65534
STATUSES = ("pass", "warn", "fail")
KEYS = {"status", "observed", "expected", "reason"}
MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_EXEC = 1, 2, 0x10  # memfd_create(2); MFD_EXEC since Linux 6.3
F_ADD_SEALS, SEALS = 1033, 0xF  # fcntl(2): no seals, shrinking, growing or writing any more
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38  # prctl(2)
CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC = 0x20000000, 0x40000000, 0x08000000  # unshare(2)
CANNOT_RUN = 126  # as a shell says it
_libc = ctypes.CDLL(None, use_errno=True)


class CheckError(Exception):
    """The check could not be made; why, in words."""


def approved(path: Path, sha256: str) -> int:
    """A descriptor of the program's copy, which nobody can change any more. Raises CheckError."""
    data = handed_over() if str(path) == "-" else read(path)
    if len(data) > LARGEST:
        raise CheckError(f"{path} is larger than {LARGEST >> 20} MiB")
    copy = memory_file()
    with os.fdopen(os.dup(copy), "wb") as file:
        file.write(data)
    if _libc.fcntl(copy, F_ADD_SEALS, SEALS):
        raise CheckError(f"the copy cannot be sealed: {os.strerror(ctypes.get_errno())}")
    with os.fdopen(os.dup(copy), "rb") as file:
        file.seek(0)
        found = hashlib.sha256(file.read()).hexdigest()
    if found != sha256.lower():
        raise CheckError(f"{path} is not the approved program: its SHA-256 is {found}, not {sha256.lower()}")
    return copy


def read(path: Path) -> bytes:
    try:
        return read_at_most(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), LARGEST + 1)
    except OSError as fault:
        raise CheckError(f"{path} cannot be read: {os.strerror(fault.errno or 0)}") from fault


def handed_over() -> bytes:
    """The program of the standard input."""
    try:
        return base64.b64decode(sys.stdin.buffer.read(2 * LARGEST).strip(), validate=True)
    except ValueError as fault:
        raise CheckError(f"the program was not handed over whole: {fault}") from fault


def memory_file() -> int:
    """An empty file in memory that may be sealed and run; it stays open in the program, as a script needs."""
    flags = MFD_ALLOW_SEALING
    number = _libc.memfd_create(b"site-check", flags | MFD_EXEC)
    if number < 0 and ctypes.get_errno() == errno.EINVAL:  # an older kernel, where all may be run
        number = _libc.memfd_create(b"site-check", flags)
    if number < 0:
        raise CheckError(f"no memory for the program: {os.strerror(ctypes.get_errno())}")
    return int(number)


def read_at_most(number: int, most: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        return file.read(most)


def limit(asked: argparse.Namespace) -> None:
    """The limits of this process and of all that it starts; they cannot be raised again."""
    limits = {
        resource.RLIMIT_AS: asked.memory,
        resource.RLIMIT_CPU: math.ceil(asked.seconds) + 1,
        resource.RLIMIT_NPROC: asked.processes + processes_of(os.getuid()),
        resource.RLIMIT_FSIZE: asked.memory,
        resource.RLIMIT_CORE: 0,
    }
    for which, value in limits.items():
        _, hard = resource.getrlimit(which)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (most, most))


def processes_of(user: int) -> int:
    """How many processes the user has already: the kernel counts those, too (their threads are few)."""
    found = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found += sum(1 for _ in (place / "task").iterdir()) if place.stat().st_uid == user else 0
    return found


def become_nobody() -> None:
    """Of root nothing is left, and no program that it starts gets it back."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def execute(copy: int, asked: argparse.Namespace) -> NoReturn:
    """Become the program."""
    try:
        os.chdir("/")
        become_nobody()
        limit(asked)
        words, env = [str(asked.program)], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        os.execve(f"/proc/self/fd/{copy}", words, env)  # noqa: S606  the approved program itself
    except OSError as fault:
        os.write(2, f"it cannot be run: {os.strerror(fault.errno or 0)}".encode())
    os._exit(CANNOT_RUN)


def within_namespaces(copy: int, asked: argparse.Namespace) -> NoReturn:
    """Be the first process of new namespaces: when it ends, the kernel kills all the others in them."""
    if _libc.unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC):
        os.write(2, f"no namespaces: {os.strerror(ctypes.get_errno())}".encode())
        os._exit(CANNOT_RUN)
    first = os.fork()
    if first:
        os._exit(exit_code(os.waitpid(first, 0)[1]))
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    program = os.fork()
    if not program:
        execute(copy, asked)
    while True:  # the orphans of the program are ours
        ended, status = os.wait()
        if ended == program:
            os._exit(exit_code(status))


def exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as a shell tells a signal


def start(copy: int, asked: argparse.Namespace) -> tuple[int, int, int]:
    """The process, and what its output and its error output are read from."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.close(out_end)
        os.close(err_end)
        return child, out, err
    os.setsid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number, end in ((os.open(os.devnull, os.O_RDONLY), 0), (out_end, 1), (err_end, 2)):
        os.dup2(number, end)
    if os.geteuid() == 0:
        within_namespaces(copy, asked)
    execute(copy, asked)


class Output:
    """What the program prints: all of it, up to a limit. Raises CheckError beyond it."""

    def __init__(self, out: int, err: int) -> None:
        self._said = {out: b"", err: b""}
        self._out, self._err = out, err
        self._open = {out, err}

    def read(self, others: list[int], seconds: float) -> list[int]:
        """Wait for output or one of the others, at most so long; which of the others is ready."""
        ready = select.select([*self._open, *others], [], [], max(0.0, seconds))[0]
        for number in self._open & set(ready):
            data = os.read(number, 1 << 16)
            self._said[number] += data
            if not data:
                self._open.discard(number)
            if len(self._said[number]) > PRINTED:
                raise CheckError(f"it printed more than {PRINTED >> 10} KiB")
        return [number for number in others if number in ready]

    def rest(self) -> tuple[bytes, bytes]:
        """Output and errors, whole: everybody who could write has been killed."""
        until = time.monotonic() + 10
        while self._open and time.monotonic() < until:
            self.read([], until - time.monotonic())
        return self._said[self._out], self._said[self._err]


def wait_for(child: int, output: Output, seconds: float) -> int:
    """The child's status when it has ended, whatever it left running. Raises CheckError: it is late."""
    until, descriptor = time.monotonic() + seconds, os.pidfd_open(child)
    while not output.read([descriptor], until - time.monotonic()):
        if time.monotonic() >= until:
            raise CheckError(f"it did not end within {seconds:g} s")
    os.close(descriptor)
    return os.waitpid(child, 0)[1]


def descendants(number: int) -> set[int]:
    """All processes below this one; as we are a subreaper, orphans of ours come back to us."""
    found = set()
    with suppress(OSError):
        for task in Path(f"/proc/{number}/task").iterdir():
            found |= {int(word) for word in (task / "children").read_text().split()}
    return found.union(*(descendants(one) for one in found))


def send(numbers: set[int], sign: signal.Signals) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, sign)


def reap(numbers: set[int]) -> None:
    """Wait for these to end, and take away what is left of those that are our children."""
    for number in numbers:
        with suppress(OSError):
            descriptor = os.pidfd_open(number)
            select.select([descriptor], [], [], 1)
            os.close(descriptor)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_all(child: int) -> None:
    """Kill its group and whoever left the group. All are stopped first, so that none starts another."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        stopped = set[int]()
        while running := descendants(os.getpid()) - stopped:
            send(running, signal.SIGSTOP)
            stopped |= running
        if not stopped:
            return
        send(stopped, signal.SIGKILL)
        reap(stopped)
    raise CheckError("it left processes that cannot be ended")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once each."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def verdict(said: bytes) -> dict[str, Any]:
    """The program's verdict. Raises CheckError: it is none."""
    try:
        found = json.loads(said.decode(), object_pairs_hook=unique, parse_constant=constant)
    except (ValueError, RecursionError) as fault:
        raise CheckError(f"it printed no JSON verdict: {str(fault)[:200]}") from fault
    if not isinstance(found, dict) or set(found) - KEYS or found.get("status") not in STATUSES:
        raise CheckError("its verdict is not {status: pass|warn|fail, observed, expected, reason}")
    reason = found.get("reason", "")
    if not isinstance(reason, str) or (found["status"] != "pass" and not reason.strip()):
        raise CheckError(f"its verdict is {found['status']} and gives no reason")
    return {"observed": None, "expected": None, **found, "reason": reason[:2000]}


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the program; its verdict. Raises CheckError."""
    copy = approved(asked.program, asked.sha256)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child, out, err = start(copy, asked)
    output = Output(out, err)
    try:
        status = wait_for(child, output, asked.seconds)
    finally:
        end_all(child)
    said, errors = output.rest()
    code = exit_code(status)
    if code:
        words = errors.decode(errors="replace").strip().splitlines()
        raise CheckError(f"it ended with code {code}" + (f": {words[-1][:300]}" if words else ""))
    return verdict(said)


def main() -> None:
    parser = argparse.ArgumentParser(prog="site_check", description="Run an approved check of this site.")
    parser.add_argument("program", type=Path)
    parser.add_argument("sha256")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--memory", type=int, default=4 << 30, help="bytes for each process, and for a file")
    parser.add_argument("--processes", type=int, default=64)
    asked, began = parser.parse_args(), time.monotonic()
    try:
        found = run(asked)
    except CheckError as fault:
        found = {"status": "error", "observed": None, "expected": None, "reason": str(fault)}
    lasted = round(time.monotonic() - began, 2)
    print(json.dumps({**found, "sha256": asked.sha256.lower(), "seconds": lasted}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
