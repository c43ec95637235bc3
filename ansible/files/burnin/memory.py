"""Writes patterns over a GPU's memory and reads them back; every word that differs is counted.

All of the region is written before any of it is read, so that two addresses which are one cell are seen.
Patterns: the address in each word; a one that walks through the 64 places; a checkerboard and its inverse;
random words, made twice from one seed.
"""

import time
from collections.abc import Iterator
from typing import Any

from burnin.levels import GIB, MIB, Level
from burnin.matmul import SEED, Tell

SLICE = 16 * MIB  # words; what is expected of one slice has to fit beside the region
KEPT = 2 * GIB  # for it, and for what CUDA itself takes
CHECKER = 0x5555555555555555


def patterns(walks: int) -> list[tuple[str, int]]:
    """Names and numbers; the places of the walking one are spread over the word."""
    walking = [("walking ones", 64 * step // walks) for step in range(walks)]
    return [("address", 0), ("checkerboard", CHECKER), ("checkerboard", ~CHECKER), ("random", 0), *walking]


def expected(torch: Any, device: Any, name: str, number: int, start: int, count: int) -> Any:
    """The words of the pattern from word `start` on."""
    if name == "random":
        generator = torch.Generator(device=device)
        generator.manual_seed(SEED + start)
        words = torch.empty(count, dtype=torch.int64, device=device)
        return words.random_(-(1 << 63), None, generator=generator)
    if name == "checkerboard":
        return torch.full((count,), number, dtype=torch.int64, device=device)
    address = torch.arange(start, start + count, dtype=torch.int64, device=device)
    return address if name == "address" else torch.ones_like(address) << ((address + number) & 63)


def region(torch: Any, device: Any, size: int) -> list[Any]:
    """The memory in pieces of 1 GiB; fewer than were asked for where an allocation fails."""
    pieces = []
    while size > 0:
        try:
            pieces.append(torch.empty(min(size, GIB) // 8, dtype=torch.int64, device=device))
        except RuntimeError:  # out of memory
            break
        size -= GIB
    return pieces


def slices(pieces: list[Any]) -> Iterator[tuple[int, Any]]:
    """Each slice with the number of its first word."""
    start = 0
    for piece in pieces:
        for offset in range(0, len(piece), SLICE):
            part = piece[offset : offset + SLICE]
            yield start + offset, part
        start += len(piece)


def wrong_words(torch: Any, part: Any, wanted: Any) -> tuple[int, int, int]:
    """How many words differ, which is the first, and its bits that do."""
    flipped = part ^ wanted
    wrong = flipped != 0
    count = int(wrong.sum().item())
    if not count:
        return 0, 0, 0
    first = int(wrong.to(torch.int8).argmax().item())
    return count, first, int(flipped[first].item()) & (2**64 - 1)


def one_pass(torch: Any, device: Any, pieces: list[Any], pattern: tuple[str, int]) -> tuple[int, str]:
    """Write a pattern everywhere, then read it; words that differ, and a sentence of the first."""
    for start, part in slices(pieces):
        part.copy_(expected(torch, device, *pattern, start, len(part)))
    errors, words = 0, ""
    for start, part in slices(pieces):
        count, first, bits = wrong_words(torch, part, expected(torch, device, *pattern, start, len(part)))
        errors += count
        if count and not words:
            words = f"first at offset {(start + first) * 8:#x}, bits {bits:#018x}"
    return errors, f"{errors} words differ in {pattern[0]}, {words}" if errors else ""


def wanted_bytes(torch: Any, device: Any, level: Level) -> int:
    if level.memory_bytes:
        return level.memory_bytes
    free = int(torch.cuda.mem_get_info(device)[0])
    return max(0, int((free - KEPT) * level.memory)) // 8 * 8


def check(torch: Any, device: Any, level: Level, tell: Tell) -> dict[str, Any]:
    """Every pattern at least once, and again for as long as the level says.

    `value` is the time of it all, `bytes` how much memory was written.
    """
    began, size = time.monotonic(), wanted_bytes(torch, device, level)
    pieces = region(torch, device, size)
    got = sum(len(piece) for piece in pieces) * 8
    errors, passes, reasons, every = 0, 0, list[str](), patterns(level.walks)
    while passes < len(every) or time.monotonic() - began < level.memory_seconds:
        count, words = one_pass(torch, device, pieces, every[passes % len(every)])
        passes, errors = passes + 1, errors + count
        reasons += [words] * (bool(words) and len(reasons) < 4)
        tell(passes, max(passes, len(every)))
    short = got < size * 0.9 or not got
    reasons += [f"only {got} of {size} bytes could be allocated"] * short
    return {
        "state": "error" if errors or short else "ok",
        "reason": "; ".join(reasons),
        "iterations": passes,
        "errors": errors,
        "value": round(time.monotonic() - began, 3),
        "unit": "s",
        "max_abs_error": None,
        "bytes": got,
    }
