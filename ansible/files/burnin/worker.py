"""The process of one GPU: does the tests that it is told, a line of JSON each, and prints what came of it.

Nothing that goes wrong here ends without a line, except what kills the process; then its silence is told.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from burnin import collective, matmul, memory, transfer
from burnin.levels import COPIES, MATMULS, Level

TOLD_EVERY = 0.5  # seconds between two lines of progress


def say(**message: Any) -> None:
    print(json.dumps(message, allow_nan=False), flush=True)


class Teller:
    """Prints how far a test is, not more often than is read."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, done: float, of: float) -> None:
        if time.monotonic() - self._last >= TOLD_EVERY:
            self._last = time.monotonic()
            say(progress={"done": round(done, 1), "of": round(of, 1)})


def finisher(torch: Any, device: Any) -> Callable[[], None]:
    """Waits until the GPU has done what it was given."""
    if device.type != "cuda":
        return lambda: None
    return lambda: torch.cuda.synchronize(device)


def cannot(torch: Any, device: Any, kind: str) -> str:
    """Why this device multiplies nothing of this type; empty: it does."""
    try:
        one = torch.ones(8, 8, dtype=getattr(torch, matmul.TYPES[kind]), device=device)
        torch.matmul(one, one)
    except RuntimeError as fault:
        if "not implemented" in str(fault) or "not supported" in str(fault).lower():
            return str(fault).splitlines()[0][:200]
        raise
    return ""


def measure(torch: Any, device: Any, test: str, level: Level) -> dict[str, Any]:
    finish, tell = finisher(torch, device), Teller()
    if test in COPIES:
        return transfer.check(torch, device, test, level, finish)
    if test in MATMULS:
        kind = test.removeprefix("matmul-")
        if why := cannot(torch, device, kind):
            return skipped(test, why)
        return dict(matmul.check(torch, device, kind, level.order, level.matmul_seconds, finish, tell))
    if test == "memory-pattern":
        return memory.check(torch, device, level, tell)
    return dict(matmul.load(torch, device, level.load_order, level.load_seconds, finish, tell))


def failed(test: str, reason: str) -> dict[str, Any]:
    """A test that did not end; that is one error."""
    return {**skipped(test, reason), "state": "error", "errors": 1}


def skipped(test: str, reason: str) -> dict[str, Any]:
    numbers = {"iterations": 0, "errors": 0, "value": None, "unit": "", "max_abs_error": None}
    return {"name": test, "state": "skipped", "reason": reason, **numbers}


def safely(test: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The work's entry; what it raises is the entry's reason."""
    try:
        return {"name": test, **work()}
    except Exception as fault:  # torch raises RuntimeError and many of its own
        return failed(test, f"{type(fault).__name__}: {fault}".splitlines()[0][:300])


def on_gpu(torch: Any, device: Any, level: Level) -> None:
    """Do what each line of the standard input names, until it ends."""
    for line in sys.stdin:
        test = str(json.loads(line)["test"])
        say(result=safely(test, lambda test=test: measure(torch, device, test, level)))  # type: ignore[misc]
        if device.type == "cuda":
            torch.cuda.empty_cache()


def between_gpus(torch: Any, devices: list[Any], uuids: list[str], level: Level) -> None:
    """All copies between GPUs, then the list of them."""
    found, every = [], transfer.pairs(len(devices), level.all_pairs)
    for one, other in every:
        done = safely("d2d", lambda: transfer.between(torch, devices, (one, other), level))  # noqa: B023
        found.append({"from": uuids[one], "to": uuids[other], **done})
        say(progress={"done": len(found), "of": len(every)})
    say(result=found)


def main(role: str, order: dict[str, Any]) -> None:
    """`order`: device, level, uuids of the GPUs that this process sees, and a rank's number and file."""
    import torch

    level, count = Level(**order["level"]), len(order["uuids"])
    if order["device"] == "cuda" and torch.cuda.device_count() < count:
        say(fault=f"torch {torch.__version__} sees {torch.cuda.device_count()} of {count} GPUs")
        return
    names = [f"cuda:{number}" if order["device"] == "cuda" else "cpu" for number in range(count)]
    devices = [torch.device(name) for name in names]
    if role == "worker":
        torch.zeros(1, device=devices[0])  # starts CUDA: what goes wrong there is not a test's fault
        say(result={"torch": torch.__version__})
        on_gpu(torch, devices[0], level)
    elif role == "peers":
        between_gpus(torch, devices, order["uuids"], level)
    else:
        rank = int(order["rank"])
        if order["device"] == "cuda":
            torch.cuda.set_device(devices[rank])
        size, copies = level.copy_bytes, level.copies
        say(result=collective.check(torch, devices[rank], rank, count, order["meeting"], size, copies))
