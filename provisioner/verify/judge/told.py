"""What a check asks of each GPU: the values that are told are judged, the others are not passed over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.judge.finding import Finding, absent, good, left_out, unproved
from provisioner.verify.judge.inventory import SILENT
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import Seen
from provisioner.verify.model import GpuKind

Fault = Callable[[Seen, NvmlGpu, GpuKind], Finding | None]


@dataclass(frozen=True)
class Question:
    """`words` names the value in sentences, `fields` are NvmlGpu's; `good` is said where all are well.

    `is_asked`: whether the profile says anything of it; a GPU that does not know what is asked is at fault.
    """

    words: str
    fields: tuple[str, ...]
    good: str
    is_asked: Callable[[GpuKind], bool] = lambda kind: False


def ask(question: Question, fault: Fault) -> Callable[[Seen], Iterator[Finding]]:
    """A check that asks every GPU of the profile."""

    def findings(seen: Seen) -> Iterator[Finding]:
        if not seen.is_answered:
            yield left_out(SILENT)
            return
        found = [_of_gpu(seen, gpu, kind, question, fault) for gpu, kind in seen.cards.pairs()]
        yield from (finding for finding in found if isinstance(finding, Finding))
        if not any(isinstance(finding, Finding) for finding in found):
            yield _conclusion(seen, question, any(found))

    return findings


def _of_gpu(seen: Seen, gpu: NvmlGpu, kind: GpuKind, question: Question, fault: Fault) -> Finding | bool:
    """Its fault; else whether it told all."""
    told = {name: getattr(gpu, name) for name in question.fields}
    missing = [name for name, value in told.items() if value is None]
    for name, value in told.items():
        if not is_possible(name, value):
            words = f"{seen.place(gpu)} tells {value:g} for its {question.words}, which cannot be"
            return unproved(words, gpu.bus)
    if not missing:
        return fault(seen, gpu, kind) or True
    reason = gpu.why(missing[0])
    if is_unsupported(reason) and not question.is_asked(kind):
        return False
    return unproved(f"{seen.place(gpu)} tells no {question.words}: {reason}", gpu.bus)


def _conclusion(seen: Seen, question: Question, is_told: bool) -> Finding:
    if not is_told:
        return absent(f"no GPU of the profile tells its {question.words}")
    return good(question.good, _observed(seen, question.fields))


def _observed(seen: Seen, fields: tuple[str, ...]) -> dict[str, object]:
    if len(fields) == 1:
        return {gpu.bus: getattr(gpu, fields[0]) for gpu, _ in seen.cards.pairs()}
    return {gpu.bus: {name: getattr(gpu, name) for name in fields} for gpu, _ in seen.cards.pairs()}


def is_unsupported(reason: str) -> bool:
    """Whether NVML says that this kind of GPU has no such thing (NVML_ERROR_NOT_SUPPORTED)."""
    return reason.lower().startswith("not supported")
