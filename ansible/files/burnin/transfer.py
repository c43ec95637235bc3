"""Copies between host and GPU, within a GPU and between GPUs: GB/s (10^9 bytes), the median of several.

Host memory is pinned. What arrived is compared with what was sent.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from burnin.levels import Level

SPREAD = 0x9E3779B97F4A7C15 - (1 << 64)  # odd, so that each number has another product, and all bits change
WARM = 2  # copies that do not count: the link comes out of its saving state


def numbers(torch: Any, size: int) -> Any:
    """`size` bytes in the host's memory, no two words alike; quick to make, and the same each time."""
    return torch.arange(size // 8, dtype=torch.int64) * SPREAD


def timed(target: Any, source: Any, copies: int, finish: Callable[[], None]) -> list[float]:
    """Seconds of each copy."""
    found = []
    for number in range(WARM + copies):
        finish()
        began = time.perf_counter()
        target.copy_(source, non_blocking=True)
        finish()
        found += [time.perf_counter() - began] * (number >= WARM)
    return found


def entry(size: int, seconds: list[float], errors: int) -> dict[str, Any]:
    """`bytes` is the size of one copy."""
    return {
        "state": "error" if errors else "ok",
        "reason": f"{errors} words of {size // 8} arrived otherwise than they were sent" if errors else "",
        "iterations": len(seconds),
        "errors": errors,
        "value": round(size / max(statistics.median(seconds), 1e-9) / 1e9, 3),
        "unit": "GB/s",
        "max_abs_error": None,
        "bytes": size,
    }


def check(torch: Any, device: Any, kind: str, level: Level, finish: Callable[[], None]) -> dict[str, Any]:
    """h2d, d2h or d2d of one GPU; d2d reads and writes each byte, so its memory does twice the value."""
    sent = numbers(torch, level.copy_bytes)
    pinned = sent.pin_memory() if device.type == "cuda" else sent
    if kind == "h2d":
        source, target = pinned, torch.empty_like(sent, device=device)
    elif kind == "d2h":
        source, target = sent.to(device), torch.empty_like(pinned, pin_memory=device.type == "cuda")
    else:
        source = sent.to(device)
        target = torch.empty_like(source)
    seconds = timed(target, source, level.copies, finish)
    return entry(level.copy_bytes, seconds, int((target.cpu() != sent).sum().item()))


def pairs(count: int, every: bool) -> list[tuple[int, int]]:
    """From each GPU to each other, or round in a ring."""
    if every:
        return [(one, other) for one in range(count) for other in range(count) if one != other]
    return [(one, (one + 1) % count) for one in range(count)]


def between(torch: Any, devices: list[Any], pair: tuple[int, int], level: Level) -> dict[str, Any]:
    """One copy between two GPUs; `peer` tells whether they reach each other without the host."""
    sent = numbers(torch, level.copy_bytes)
    source, target = sent.to(devices[pair[0]]), torch.empty_like(sent, device=devices[pair[1]])
    is_cuda = devices[0].type == "cuda"

    def finish() -> None:
        for device in (devices[number] for number in pair if is_cuda):
            torch.cuda.synchronize(device)

    peer = bool(torch.cuda.can_device_access_peer(*pair)) if is_cuda else None
    seconds = timed(target, source, level.copies, finish)
    return {**entry(level.copy_bytes, seconds, int((target.cpu() != sent).sum().item())), "peer": peer}
