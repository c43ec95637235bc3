"""Prints the GPUs that a container sees, before and after `systemctl daemon-reload`, as one JSON object.

Runs on the target with its Python alone, as root. Containers are known to lose their GPUs when systemd reads
its units again. The container is of an image that is there already, and gone afterwards: nothing is fetched
and nothing stays. Argument, for tests: how many seconds all of it may take.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

LIMIT = 120.0  # seconds for everything but the removal
REMOVAL = 30.0  # seconds
MOST = 5  # images that are tried: one may have no shell, or a C library that nvidia-smi cannot use
NAME = f"provisioner-gpu-check-{os.getpid()}"
GONE = ("No such container", "is already in progress")  # the daemon's words
ENDINGS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
LIST = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")


class Failure(Exception):
    """A program did not do what it should; its own words."""


class Ending:
    """A signal that ends us, put off while a program starts: what nobody knows yet, nobody would end."""

    number = 0
    is_put_off = False


class Clock:
    """Until when the programs may run."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def run(self, *argv: str) -> str:
        """What a program prints. Raises Failure with its complaint, or that the time is over."""
        left = max(self._end - time.monotonic(), 0.01)
        try:
            code, printed, complained = outcome(argv, left)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(argv[:2])} did not end in time") from None
        except OSError as fault:
            raise Failure(f"{argv[0]}: {fault.strerror}") from None
        if code:
            raise Failure(complaint(complained or printed) or f"{argv[0]} failed ({code})")
        return printed.decode(errors="replace")


def outcome(argv: tuple[str, ...], seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, output and complaints of a program; it does not outlive this, whatever happens.

    Raises OSError, TimeoutExpired.
    """
    program = None
    Ending.is_put_off = True
    try:
        program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        Ending.is_put_off = False
        if Ending.number:
            number, Ending.number = Ending.number, 0  # once: the container is still to be removed
            sys.exit(128 + number)
        printed, complained = program.communicate(timeout=seconds)
        return program.returncode, printed, complained
    finally:
        Ending.is_put_off = False
        if program and program.poll() is None:
            program.kill()
            program.wait()


def complaint(text: bytes) -> str:
    """What a program complains of: Docker's first line, after which it tells of its help."""
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    return next((line.strip()[:300] for line in lines if not line.startswith("WARNING")), "")


def gpus(clock: Clock) -> list[str]:
    """The UUIDs that NVML has in the container. Raises Failure, as where the container lost them."""
    uuids = clock.run("docker", "exec", NAME, *LIST).split()
    if not all(uuid.startswith("GPU-") for uuid in uuids):
        raise Failure(f"nvidia-smi says {' '.join(uuids)[:100]}")
    return sorted(uuids)


def start(clock: Clock, image: str) -> None:
    """A container that sleeps; should we be killed it ends by itself, and removes itself then."""
    options = ["--detach", "--rm", "--pull=never", "--network=none", f"--name={NAME}", "--gpus=all"]
    options += ["--env=NVIDIA_DRIVER_CAPABILITIES=utility", "--entrypoint=sleep"]
    clock.run("docker", "run", *options, image, str(int(LIMIT + REMOVAL)))


def remove() -> None:
    """Nothing of it stays, not even half a start; that there is none, or soon none (--rm), is no fault."""
    try:
        Clock(REMOVAL).run("docker", "rm", "--force", "--volumes", NAME)
    except Failure as fault:
        if not any(good in str(fault) for good in GONE):
            raise


def compare(clock: Clock, image: str) -> dict[str, Any]:
    """What one container sees, and what is left of it. Raises Failure where it sees nothing to begin with."""
    try:
        start(clock, image)
        before = gpus(clock)
        clock.run("systemctl", "daemon-reload")
        try:
            return {"state": "ok", "before": before, "after": gpus(clock)}
        except Failure as fault:
            return {"state": "ok", "before": before, "after": [], "reason": f"afterwards: {fault}"}
    finally:
        remove()


def ask(seconds: float) -> dict[str, Any]:
    """By the newest image in which it can be done."""
    if not shutil.which("docker"):
        return {"state": "no docker", "reason": "the program docker is not installed"}
    clock = Clock(seconds)
    try:
        listed = clock.run("docker", "image", "ls", "--quiet", "--no-trunc").split()
        images = list(dict.fromkeys(listed))
        if not images:
            return {"state": "no image", "reason": "the host has no container image, and none is fetched"}
        reasons = []
        for image in images[:MOST]:
            try:
                return compare(clock, image)
            except Failure as fault:
                reasons.append(f"{image.removeprefix('sha256:')[:12]}: {fault}")
    except Failure as fault:
        reasons = [str(fault)]
    return {"state": "error", "reason": "; ".join(dict.fromkeys(reasons))[:600]}


def leave(number: int, frame: object) -> None:
    """The connection is gone: `finally` still removes the container, and no second signal stops that."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    if not Ending.is_put_off:
        sys.exit(128 + number)
    Ending.number = number


if __name__ == "__main__":
    for ending in ENDINGS:
        signal.signal(ending, leave)
    print(json.dumps(ask(float(sys.argv[1]) if len(sys.argv) > 1 else LIMIT)))
