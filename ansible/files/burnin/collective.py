"""One rank of an all-reduce over all GPUs: NCCL, or gloo where processors stand in.

The bandwidth is that of the bus as NCCL's tests define it: bytes / seconds * 2 (n - 1) / n. The terms are
whole numbers, so fp32 has the exact sum in any sequence.
"""

import statistics
import time
from datetime import timedelta
from typing import Any

WARM = 2


def bus_gbps(size: int, seconds: list[float], ranks: int) -> float:
    return round(size / max(statistics.median(seconds), 1e-9) / 1e9 * 2 * (ranks - 1) / ranks, 3)


def check(torch: Any, device: Any, rank: int, ranks: int, meeting: str, size: int, copies: int) -> Any:
    """What this rank saw; `meeting` is a file that all ranks share, so no port is opened for it."""
    from torch import distributed

    backend = "nccl" if device.type == "cuda" else "gloo"
    limit = timedelta(seconds=60)
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=ranks, timeout=limit
    )
    base = (torch.arange(size // 4, device=device) % 7 + 1).to(torch.float32)
    mine, wanted = base * (rank + 1), base * (ranks * (ranks + 1) // 2)
    seconds, errors = [], 0
    for number in range(WARM + copies):
        total = mine.clone()
        distributed.barrier()
        began = time.perf_counter()
        distributed.all_reduce(total)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds += [time.perf_counter() - began] * (number >= WARM)
        errors += int((~(total == wanted)).sum().item())
    distributed.destroy_process_group()
    return {"errors": errors, "bus_gbps": bus_gbps(size, seconds, ranks), "bytes": size}
