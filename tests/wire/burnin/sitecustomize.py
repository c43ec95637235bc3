"""Plants faults into the burn-in's processes: Python imports this first where PYTHONPATH names its folder.

FAULT says which, some with a type of number (`nan:bfloat16`). `cuda` lets a processor pass for GPUs, so that
NVML's stand-in beside this file is watched; `first` plants them into the first GPU's process only.
"""

import json
import os
import signal
import sys
import time
from typing import Any

FAULTS = set(filter(None, os.environ.get("FAULT", "").split(",")))
ROLE = next((word for word in sys.orig_argv if word in ("worker", "peers", "rank")), "")
LAST_BIT = {"float32": 1, "float16": 1 << 13, "bfloat16": 1 << 16}  # of an fp32 that is rounded to it
calls: dict[str, int] = {}  # by the type of number, or the function


def is_first_gpu() -> bool:
    return any("-0" in word.partition('"uuids"')[2][:12] for word in sys.orig_argv)


def faulty(real: Any) -> Any:
    """torch.matmul as a faulty GPU does it; a small product, which only asks for a type, is right."""

    def matmul(one: Any, other: Any) -> Any:
        product = real(one, other)
        if product.shape[0] < 16:
            return product
        # a processor multiplies 16 bits in fp32 and rounds: which type is meant, the caller knows
        kind = str(sys._getframe(1).f_locals.get("one", product).dtype).removeprefix("torch.")
        calls[kind] = calls.get(kind, 0) + 1
        if "hangs" in FAULTS:
            time.sleep(3600)
        if "killed" in FAULTS:
            os.kill(os.getpid(), signal.SIGKILL)
        if "cut" in FAULTS:
            os.write(1, b'{"progress": {"done": 0.')
            os.kill(os.getpid(), signal.SIGKILL)
        if "noise" in FAULTS:
            os.write(1, b'{"progress": {"do\n[]\nnull\n\xff\xfe\n{"result"\n')
        if f"raises:{kind}" in FAULTS:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
        if f"wrong:{kind}" in FAULTS:
            product[2, 3] += 1
        if f"nan:{kind}" in FAULTS:
            product[2, 3] = float("nan")
        if f"flips:{kind}" in FAULTS and calls[kind] == 5:
            import torch

            product.view(torch.int32)[3, 4] ^= LAST_BIT[kind]
        return product

    return matmul


def misread(real: Any) -> Any:
    """A word of the memory that reads otherwise once."""

    def xor(one: Any, other: Any) -> Any:
        calls["xor"] = calls.get("xor", 0) + 1
        if calls["xor"] == 2:
            one = one.clone()
            one[17] = real(one[17], 1 << 40)
        return real(one, other)

    return xor


def lying(real: Any) -> Any:
    """A worker that counts errors and says that all is well."""

    def dumps(value: Any, **how: Any) -> str:
        if isinstance(value, dict) and "name" in (value.get("result") or {}):
            value = {"result": {**value["result"], "state": "ok", "errors": 3, "reason": ""}}
        return str(real(value, **how))

    return dumps


def pass_for_cuda(torch: Any) -> None:
    """Processors that are counted as GPUs; whatever is done on them is done by the processor."""
    real = torch.device

    class Kind(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real)

    class Device(metaclass=Kind):
        def __new__(cls, *words: Any) -> Any:
            return real("cpu")

    torch.device = Device
    torch.cuda.device_count = lambda: len(os.environ["CUDA_VISIBLE_DEVICES"].split(","))


if ROLE and FAULTS and ("first" not in FAULTS or is_first_gpu()):
    import torch

    if "cuda" in FAULTS:
        pass_for_cuda(torch)
    if ROLE == "worker":
        torch.matmul = faulty(torch.matmul)
        if "misreads" in FAULTS:
            torch.Tensor.__xor__ = misread(torch.Tensor.__xor__)
        if "lies" in FAULTS:
            json.dumps = lying(json.dumps)
    if ROLE == "rank" and "ring" in FAULTS:
        from torch import distributed

        reduce = distributed.all_reduce

        def all_reduce(total: Any) -> None:
            reduce(total)
            total[5] += 1

        distributed.all_reduce = all_reduce
