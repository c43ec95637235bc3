"""Multiplies matrices: against a reference in fp64 that the processor computes, then bit by bit with itself.

Tolerances. An element of a product is a sum of `order` terms. Whatever the sequence of the additions, its
error is at most order * u * (|A| |B|) (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition,
section 3.5), u the unit roundoff with which is added, and (|A| |B|) at most the product of the norms of the
row and the column. To it comes one rounding to the type of the result.
  fp32: added in fp32, rounded to nearest, u = 2^-24 (TF32 is off)
  fp16, bf16: exact products, added in fp32 by tensor cores, which cut off instead of rounding and align the
      terms to the largest (Fasi, Higham, Mikaitis, Pranesh, Numerical behavior of NVIDIA tensor cores, 2021):
      two units of 2^-23 for each addition cover it, u = 2^-22; the result is rounded with 2^-11 and 2^-8
No healthy GPU can miss a bound that holds for every sequence, but small faults lie within it. They are found
by the second half: cuBLAS gives the same bits for the same call on the same GPU and stream (cuBLAS, "Results
Reproducibility"), so one bit that changes is an error.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SEED = 20261129
TILE = 2048
ROUNDOFF = {"fp32": 2.0**-24, "fp16": 2.0**-11, "bf16": 2.0**-8}  # of a result
ADDING = {"fp32": 2.0**-24, "fp16": 2.0**-22, "bf16": 2.0**-22}
SLACK = 1.01  # second-order terms, and the reference's own error
TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
BITS = {"fp32": "int32", "fp16": "int16", "bf16": "int16"}
Tell = Callable[[float, float], None]  # done, of


def exactly(torch: Any) -> None:
    """fp32 is fp32, and nothing is added in 16 bits."""
    settings = torch.backends.cuda.matmul
    for name in (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    ):
        with suppress(AttributeError, AssertionError):  # an older torch has fewer of them
            setattr(settings, name, False)


def factors(torch: Any, order: int, kind: str) -> tuple[Any, Any]:
    """Two matrices of values between -1 and 1, the same on every machine."""
    generator = torch.Generator()
    generator.manual_seed(SEED)
    one, other = (torch.rand(order, order, generator=generator) * 2 - 1 for _ in range(2))
    return one.to(getattr(torch, TYPES[kind])), other.to(getattr(torch, TYPES[kind]))


def reference(torch: Any, one: Any, other: Any, kind: str) -> tuple[Any, Any]:
    """The product in fp64, and how far each element may be from it."""
    left, right = one.double(), other.double()
    exact = left @ right
    norms = torch.outer(left.norm(dim=1), right.norm(dim=0))
    smallest = torch.finfo(one.dtype).tiny * ROUNDOFF[kind]  # subnormal results
    bound = left.shape[1] * ADDING[kind] * norms + ROUNDOFF[kind] * exact.abs() + smallest
    return exact, bound * SLACK


def differing(one: Any, other: Any, bits: Any) -> Any:
    """How many elements have other bits; NaN is compared, too."""
    return (one.view(bits) != other.view(bits)).sum()


def product_of(torch: Any, one: Any, other: Any) -> Any:
    """Their product. By a processor, which only a rehearsal burns in, 16 bits are added in fp32 as GPUs do:
    how torch adds them there depends on what the processor has, and may be in 16 bits.
    """
    if one.device.type == "cpu" and one.element_size() == 2:
        return torch.matmul(one.float(), other.float()).to(one.dtype)
    return torch.matmul(one, other)


def repeat(torch: Any, pair: Any, kind: str, seconds: float, first: Any, finish: Any, tell: Tell) -> Any:
    """Multiply for `seconds`; how often, and how many elements were not the bits of `first`.

    Counting stays on the GPU; the processor waits for it about four times a second.
    """
    bits, began = getattr(torch, BITS[kind]), time.monotonic()
    changed, count, batch = torch.zeros((), dtype=torch.int64, device=first.device), 0, 1
    while (gone := time.monotonic() - began) < seconds or not count:
        for _ in range(batch):
            product = product_of(torch, *pair)
            changed += differing(product, first, bits)
        finish()
        count += batch
        batch = max(1, min(4096, int(count / max(time.monotonic() - began, 1e-6) / 4)))
        tell(min(gone, seconds), seconds)
    return count, int(changed.item()), product, time.monotonic() - began


def judged(torch: Any, product: Any, exact: Any, bound: Any) -> tuple[int, float | None, str]:
    """Elements beyond their bound (NaN is), the largest error, a sentence."""
    error = (product.double() - exact).abs()
    wrong = ~(error <= bound)
    count, largest = int(wrong.sum().item()), float(error.max().item())
    if not count:
        return 0, largest, ""
    place = divmod(int(wrong.flatten().to(torch.int8).argmax().item()), product.shape[1])
    found, should, by = (float(one[place]) for one in (product, exact, bound))
    words = f"{count} elements are not what the processor computes, the first in row {place[0]}, column"
    words += f" {place[1]}: {found:g}, not {should:g} ± {by:.2g}"
    return count, largest if math.isfinite(largest) else None, words


def check(torch: Any, device: Any, kind: str, order: int, seconds: float, finish: Any, tell: Tell) -> Any:
    """A test's entry in the report: state, errors, TFLOPS (the comparison is part of the time)."""
    exactly(torch)
    one, other = factors(torch, order, kind)
    exact, bound = reference(torch, one, other, kind)
    tell(0, seconds)
    pair = (one.to(device), other.to(device))
    first = product_of(torch, *pair)
    kept = first.cpu()
    wrong, largest, words = judged(torch, kept, exact, bound)
    count, changed, last, spent = repeat(torch, pair, kind, seconds, first, finish, tell)
    # once more by the processor: a GPU that computes wrongly may compare wrongly, too
    changed = max(changed, int(differing(last.cpu(), kept, getattr(torch, BITS[kind])).item()))
    changed_words = f"{changed} elements changed between iterations" if changed else ""
    return {
        "state": "error" if wrong + changed else "ok",
        "reason": "; ".join(filter(None, (words, changed_words))),
        "iterations": count + 1,
        "errors": wrong + changed,
        "value": round(2 * order**3 * count / spent / 1e12, 6),
        "unit": "TFLOPS",
        "max_abs_error": largest,
    }


def load(torch: Any, device: Any, order: int, seconds: float, finish: Any, tell: Tell) -> Any:
    """As much work as the GPU can do, its results compared bit by bit; no reference, so larger matrices.

    They are smaller ones side by side: the processor needs seconds to make one of this order.
    """
    exactly(torch)
    kind, times = "bf16", max(1, order // TILE)
    pair = tuple(one.to(device).repeat(times, times) for one in factors(torch, order // times, kind))
    first = product_of(torch, *pair)
    count, changed, last, spent = repeat(torch, pair, kind, seconds, first, finish, tell)
    bits = getattr(torch, BITS[kind])
    changed = max(changed, int(differing(last.cpu(), first.cpu(), bits).item()))
    wrong = int((~torch.isfinite(first.cpu().float())).sum().item())  # the factors are small: none can be
    reasons = [f"{changed} elements changed between iterations"] * bool(changed)
    reasons += [f"{wrong} elements are no numbers"] * bool(wrong)
    return {
        "state": "error" if changed + wrong else "ok",
        "reason": "; ".join(reasons),
        "iterations": count + 1,
        "errors": changed + wrong,
        "value": round(2 * order**3 * count / spent / 1e12, 6),
        "unit": "TFLOPS",
        "max_abs_error": None,
    }
