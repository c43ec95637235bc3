"""Compares the GPUs that NVML and the PCI bus show with the profile: a sentence for each fault. No I/O."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.verify.check import gib
from provisioner.verify.evidence import BusGpu, GpuReport, NvmlGpu
from provisioner.verify.model import Expected, GpuKind, TaskResult

# ECC takes up to 6.3 % of GDDR6; drivers before R510 count what they keep for themselves as missing, too: of
# a healthy T4 by 450 and 460 it is 7.8 %, of an A10 by 470 7.5 %
MEMORY_TOLERANCE = 0.08
# what may be asked of a GPU, as sentences call it
VALUES = {"uuid": "UUID", "memory": "memory", "width": "PCIe link width", "ecc": "ECC mode"}


def compare(report: GpuReport, expected: Expected) -> Iterator[TaskResult]:
    """Every check, `ok` or `deviation`; a fault of one GPU is one deviation, whatever it breaks.

    Where NVML does not start there is one sentence that says why: the GPUs cannot be judged. What could not
    be read of every GPU is not said to be good.
    """
    seen = _sort(report, expected)
    if fault := _silence(report, seen):
        yield TaskResult("gpu driver", "deviation", fault)
        return
    yield _driver(report, expected.gpu_driver)
    checks = (
        ("gpu count", _counts(seen), f"NVML shows {_named(seen)}" if seen.is_complete() else ""),
        ("gpu bus", _lost(seen), "every GPU on the PCI bus answers NVML"),
        (
            "gpu values",
            _untold(seen),
            "every GPU tells what is asked of it" if all(map(seen.tells, VALUES)) else "",
        ),
        ("gpu uuid", _twins(seen), "every GPU has a UUID of its own" if seen.tells("uuid") else ""),
        ("gpu memory", _memories(seen), "every GPU has the profile's memory" if seen.tells("memory") else ""),
        ("gpu link", _links(seen), "every GPU has the profile's PCIe lanes" if seen.tells("width") else ""),
        ("gpu ecc", _ecc(seen), "ECC of every GPU is as it must be" if seen.tells("ecc") else ""),
    )
    for name, faults, good in checks:
        sentences = list(faults)
        yield from (TaskResult(name, "deviation", sentence) for sentence in sentences)
        if good and not sentences:
            yield TaskResult(name, "ok", good)


def counts(report: GpuReport, expected: Expected) -> bool:
    """Whether `compare` says how many GPUs are missing, so that nobody has to say it by their PCI ids."""
    return not _silence(report, _sort(report, expected)) or _is_bare(report)


@dataclass(frozen=True)
class _Seen:
    """The GPUs of a report. `answering` have a place; `unplaced` are counted by NVML, and that is all.

    `lost` are on the PCI bus, and NVML tells nothing of them. A VGA controller that the profile does not
    name is a board's own screen: the driver may know it or not, so it is never lost, and no stranger.
    `screens` are the places of all of these.
    """

    kinds: dict[str, GpuKind]
    answering: tuple[NvmlGpu, ...]
    unplaced: tuple[NvmlGpu, ...]
    lost: tuple[BusGpu, ...]
    screens: frozenset[str]

    def pairs(self) -> Iterator[tuple[NvmlGpu, GpuKind]]:
        """The GPUs that the profile names, and what it says of them."""
        return ((gpu, self.kinds[gpu.id]) for gpu in self.answering if gpu.id in self.kinds)

    def count(self, kind: GpuKind) -> int:
        """How many of a kind answer."""
        return sum(gpu.id == kind.id for gpu in self.answering)

    def count_lost(self, kind: GpuKind) -> int:
        """How many of a kind are on the bus alone."""
        return sum(card.id == kind.id for card in self.lost)

    def missing(self, kind: GpuKind) -> int:
        """How many of a kind are nowhere, less than none where there are too many."""
        shown = self.count(kind)
        return 0 if shown == kind.count else kind.count - shown - self.count_lost(kind)

    def silent(self) -> tuple[BusGpu, ...]:
        """Those on the bus that NVML counts and tells nothing of, as far as one can know which they are."""
        bound = tuple(card for card in self.lost if card.driver == "nvidia")
        return (bound or self.lost) if self.unplaced else ()

    def nowhere(self) -> tuple[NvmlGpu, ...]:
        """Those that NVML counts and that cannot be any card on the bus."""
        quiet = self.screens - {gpu.bus for gpu in self.answering}
        return self.unplaced[len(self.lost) + len(quiet) :]

    def is_complete(self) -> bool:
        """Whether as many answer as the profile wants, of each kind."""
        return all(self.count(kind) == kind.count for kind in self.kinds.values())

    def tells(self, what: str) -> bool:
        """Whether there are any, and each says a value for which it is asked."""
        pairs = list(self.pairs())
        told = (getattr(gpu, what) is not None for gpu, kind in pairs if _asked(kind)[what])
        return bool(pairs) and all(told)


def _sort(report: GpuReport, expected: Expected) -> _Seen:
    kinds = {kind.id: kind for kind in expected.gpus}
    places = {gpu.bus for gpu in report.gpus}
    screens = frozenset(card.bus for card in report.graphics if card.is_vga and card.id not in kinds)
    return _Seen(
        kinds,
        tuple(gpu for gpu in report.gpus if gpu.bus),
        tuple(gpu for gpu in report.gpus if not gpu.bus),
        tuple(card for card in report.graphics if card.bus not in places | screens),
        screens,
    )


def _asked(kind: GpuKind) -> dict[str, bool]:
    """Of which of VALUES the profile says something; the UUID is asked of each."""
    return {
        "uuid": True,
        "memory": bool(kind.memory_min),
        "width": bool(kind.link_width),
        "ecc": kind.ecc is not None,
    }


def _silence(report: GpuReport, seen: _Seen) -> str:
    """Why NVML answers nothing; empty where it does."""
    sentences = {
        "ok": f"NVML does not count its GPUs: {report.reason}" if report.reason else "",
        "no module": "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked",
        "another module": "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is "
        f"called pynvml: {report.reason}",
        "no library": f"NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA {_module(report)} "
        + ("is loaded" if report.module else "is not loaded either"),
        "not loaded": _not_reached(report, seen),
        "mismatch": _mismatch(report),
        "silent": f"NVML hangs ({report.reason}), as it does when a GPU has fallen off its bus",
        "killed": "the process that asked NVML died: its library or the driver is broken",
        "error": f"NVML does not start: {report.reason}",
    }
    return sentences[report.state]


def _module(report: GpuReport) -> str:
    return f"kernel module {report.module}" if report.module else "kernel module"


def _library(report: GpuReport) -> str:
    return f"NVML's library {report.library}" if report.library else "NVML's library"


def _is_bare(report: GpuReport) -> bool:
    """Whether the driver has nothing to drive, and so is not loaded."""
    return report.state == "not loaded" and not report.module and not report.graphics


def _not_reached(report: GpuReport, seen: _Seen) -> str:
    """NVML says so as well where the module is there and /dev/nvidiactl is not."""
    if report.module:
        return (
            f"{_library(report)} does not reach the NVIDIA {_module(report)}, which is there: /dev/nvidiactl "
            "is missing, or closed to the user who asks"
        )
    if _is_bare(report):
        return (
            f"no GPU of NVIDIA's is on the PCI bus, {_named(seen)} expected; its kernel module is not loaded"
        )
    gpus = [card for card in report.graphics if card.bus not in seen.screens]
    others = Counter(card.driver for card in gpus if card.driver not in ("", "nvidia"))
    instead = "".join(f", {_share(n, len(gpus))} the driver {name}" for name, n in sorted(others.items()))
    return f"the NVIDIA kernel module is not loaded{instead}, NVML's library is {report.library or 'there'}"


def _share(number: int, whole: int) -> str:
    if number == whole:
        return "its GPU has" if whole == 1 else "its GPUs have"
    return f"{number} of {whole} GPUs {'has' if number == 1 else 'have'}"


def _mismatch(report: GpuReport) -> str:
    if report.module and report.library and report.library.endswith(report.module):
        return (
            f"NVML says that module and library do not fit ({report.reason}), both are {report.module} now: "
            "restart the host"
        )
    return f"the NVIDIA {_module(report)} does not fit {_library(report)}"


def _driver(report: GpuReport, branch: str) -> TaskResult:
    version = report.driver or "of unknown version"
    good = version.split(".")[0] == branch
    return TaskResult(
        "gpu driver",
        "ok" if good else "deviation",
        f"NVIDIA driver {version}, the profile wants branch {branch}",
    )


def _label(kind: GpuKind) -> str:
    return f"{kind.id} ({kind.name})" if kind.name else kind.id


def _named(seen: _Seen) -> str:
    """What the profile wants: `8 10de:2330 (H100 SXM)`."""
    return " and ".join(f"{kind.count} {_label(kind)}" for kind in seen.kinds.values())


def _card(gpu: NvmlGpu) -> str:
    return f"{gpu.place} ({', '.join(filter(None, (gpu.id, gpu.name)))})"


def _counts(seen: _Seen) -> Iterator[str]:
    """Who is lost is named by `_lost`. A stranger may stand in the place of one that is missing."""
    wrong = [kind for kind in seen.kinds.values() if seen.missing(kind)]
    if sum(map(seen.missing, wrong)) == len(seen.nowhere()) > 0:
        wrong = []
    strangers = [gpu for gpu in seen.answering if gpu.id not in seen.kinds]
    if strangers and len(wrong) == 1 and seen.missing(wrong[0]) > 0:
        others, verb = _list([_card(gpu) for gpu in strangers]), "is" if len(strangers) == 1 else "are"
        yield f"{_expected(seen, wrong[0])}; {others} {verb} not in the profile"
        return
    yield from (_expected(seen, kind) for kind in wrong)
    yield from (f"{_card(gpu)} is not in the profile" for gpu in strangers if gpu.bus not in seen.screens)


def _expected(seen: _Seen, kind: GpuKind) -> str:
    noun = "GPU" if kind.count == 1 else "GPUs"
    lost = seen.count_lost(kind)
    also = f" and the PCI bus {lost} more" if lost else ""
    return f"{kind.count} {noun} {_label(kind)} expected, NVML shows {seen.count(kind)}{also}"


def _lost(seen: _Seen) -> Iterator[str]:
    """NVML may count a GPU and tell nothing of it, not even its place: then the bus has it."""
    silent = seen.silent()
    for card in seen.lost:
        driver = f"driver {card.driver}" if card.driver else "no driver bound"
        if card in silent:
            reasons = " or ".join(dict.fromkeys(map(_reason, seen.unplaced)))
            yield f"GPU {card.bus} ({card.id}, {driver}) does not answer NVML: {reasons}"
        else:
            yield f"GPU {card.bus} ({card.id}, {driver}) is on the PCI bus and missing from NVML"
    for gpu in seen.nowhere():
        name = "another GPU that NVML counts" if silent else gpu.place
        yield f"{name} does not answer, and is nowhere on the PCI bus: {_reason(gpu)}"


def _reason(gpu: NvmlGpu) -> str:
    return gpu.why("handle" if "handle" in gpu.errors else "pci")


def _untold(seen: _Seen) -> Iterator[str]:
    """What a GPU should say and does not: all of it in one sentence, as a dying GPU says nothing at all."""
    for gpu, kind in seen.pairs():
        reasons: dict[str, list[str]] = {}
        for what, is_asked in _asked(kind).items():
            if is_asked and getattr(gpu, what) is None:
                reasons.setdefault(gpu.why(what), []).append(VALUES[what])
        if reasons:
            untold = "; ".join(f"no {_list(names)}: {reason}" for reason, names in reasons.items())
            yield f"{gpu.place} tells {untold}"


def _list(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _twins(seen: _Seen) -> Iterator[str]:
    owners: dict[str, list[str]] = {}
    for gpu in seen.answering:
        owners.setdefault(gpu.uuid or "", []).append(gpu.place)
    for uuid, places in owners.items():
        if uuid and len(places) > 1:
            yield f"{_list(places)} have the same UUID {uuid}"


def _memories(seen: _Seen) -> Iterator[str]:
    """The maker's gigabytes, less what the driver keeps and ECC takes."""
    for gpu, kind in seen.pairs():
        if gpu.memory is not None and gpu.memory < kind.memory_min * (1 - MEMORY_TOLERANCE):
            yield f"{gpu.place} has {gib(gpu.memory)} of memory, the profile wants {gib(kind.memory_min)}"


def _links(seen: _Seen) -> Iterator[str]:
    """Width only: the generation falls when the GPU idles."""
    for gpu, kind in seen.pairs():
        if gpu.width is not None and gpu.width < kind.link_width:
            able = f", it can x{gpu.width_max}: reseat it" if (gpu.width_max or 0) > gpu.width else ""
            yield f"{gpu.place} has a PCIe link of x{gpu.width}, the profile wants x{kind.link_width}{able}"


def _ecc(seen: _Seen) -> Iterator[str]:
    for gpu, kind in seen.pairs():
        if kind.ecc is not None and gpu.ecc is not None and gpu.ecc is not kind.ecc:
            soon = ", the next restart changes it" if gpu.ecc_pending is kind.ecc else ""
            yield f"{gpu.place}: ECC is {_switch(gpu.ecc)}, the profile wants it {_switch(kind.ecc)}{soon}"
    free = [gpu for gpu, kind in seen.pairs() if kind.ecc is None and gpu.ecc is not None]
    if len({gpu.ecc for gpu in free}) > 1:
        off = ", ".join(gpu.place for gpu in free if not gpu.ecc)
        yield f"ECC is off on {off} and on on the others"


def _switch(on: bool) -> str:
    return "on" if on else "off"
