"""How long and how large each level's tests are."""

from dataclasses import asdict, dataclass, replace
from typing import Any

MATMULS = ("matmul-fp32", "matmul-fp16", "matmul-bf16")
COPIES = ("h2d", "d2h", "d2d")
TOGETHER = (*MATMULS, "memory-pattern", "load")  # on all GPUs at once
TESTS = (*COPIES, *TOGETHER)
MIB, GIB = 1 << 20, 1 << 30
DCGM_USUAL = {1: 5, 2: 150, 3: 900}  # seconds of `dcgmi diag -r N` (DCGM's user guide, for one server)


@dataclass(frozen=True)
class Level:
    """Seconds are those of one test on one GPU; `order` is a matrix's number of rows and columns.

    `memory` is the part of the free memory that is written, `walks` how many of the 64 places a single one
    goes to, `patience` after how many silent seconds a process of a GPU is given up.
    """

    name: str
    matmul_seconds: float
    load_seconds: float
    memory_seconds: float
    order: int
    load_order: int
    memory: float
    walks: int
    copy_bytes: int
    copies: int
    all_pairs: bool
    dcgm: int
    dcgm_seconds: float  # its limit
    memory_bytes: int = 0  # where it is not a part of what is free
    patience: float = 120
    start_seconds: float = 300  # the first import of torch from a cold disk, and CUDA's start

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    def seconds(self, test: str) -> float:
        if test in MATMULS:
            return self.matmul_seconds
        return {"load": self.load_seconds, "memory-pattern": self.memory_seconds}.get(test, 1.0)

    def usual(self, gpus: int) -> float:
        """About how many seconds all of it takes; for progress only, and estimated, not measured."""
        together = sum(self.seconds(test) for test in TOGETHER)
        pairs = gpus * (gpus - 1 if self.all_pairs else 1)
        return 12 + gpus + together + (16 + pairs / 2 if gpus > 1 else 0) + DCGM_USUAL[self.dcgm]


# fmt: off
LEVELS = {
    "quick": Level("quick", 1.5, 5, 5, 2048, 8192, 0.25, 4, 256 * MIB, 10, False, 1, 60),
    "standard": Level("standard", 10, 45, 30, 4096, 8192, 0.9, 16, GIB, 20, False, 2, 600),
    "full": Level("full", 60, 600, 120, 4096, 16384, 0.95, 64, GIB, 20, True, 3, 3600),
    "soak": Level("soak", 60, 600, 120, 4096, 16384, 0.95, 64, GIB, 20, True, 3, 3600),
}
# fmt: on


def chosen(name: str, seconds: float, size: str) -> Level:
    """The level; `seconds` are those of a soak. `tiny` is what a processor can do in place of a GPU."""
    level = LEVELS[name]
    if name == "soak":
        tenth = seconds / 10
        level = replace(level, matmul_seconds=tenth, load_seconds=tenth * 4, memory_seconds=tenth * 3)
    if size == "tiny":
        if name != "soak":
            level = replace(level, matmul_seconds=0.2, load_seconds=0.2, memory_seconds=0.2)
        level = replace(level, order=64, load_order=64, memory_bytes=MIB, copy_bytes=64 << 10, copies=3)
        level = replace(level, patience=12, start_seconds=60, dcgm_seconds=5)
    return level
