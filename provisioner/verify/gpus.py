"""Compares the GPUs that NVML and the PCI bus show with the profile: a sentence for each fault. No I/O."""

from collections import Counter
from collections.abc import Iterator

from provisioner.verify.check import MEMORY_TOLERANCE, gib
from provisioner.verify.evidence import GpuReport, NvmlGpu
from provisioner.verify.model import Expected, GpuKind, TaskResult


def compare(report: GpuReport, expected: Expected) -> Iterator[TaskResult]:
    """Every check, `ok` or `deviation`; a fault of one GPU is a deviation of its own.

    Where NVML does not start there is one sentence that says why: the GPUs cannot be judged.
    """
    if fault := _silence(report):
        yield TaskResult("gpu driver", "deviation", fault)
        return
    yield _driver(report, expected.gpu_driver)
    kinds = {kind.id: kind for kind in expected.gpus}
    named = " and ".join(f"{kind.count} {_label(kind)}" for kind in kinds.values())
    checks = (
        ("gpu count", _counts(report, kinds), f"NVML shows {named}"),
        ("gpu bus", _lost(report, kinds), "every GPU on the PCI bus answers NVML"),
        ("gpu uuid", _twins(report), "every GPU has a UUID of its own"),
        ("gpu memory", _memories(report, kinds), "every GPU has the profile's memory"),
        ("gpu link", _links(report, kinds), "every GPU has the profile's PCIe lanes"),
        ("gpu ecc", _ecc(report, kinds), "ECC of every GPU is as it must be"),
    )
    for name, faults, good in checks:
        sentences = list(faults)
        yield from (TaskResult(name, "deviation", sentence) for sentence in sentences)
        if not sentences:
            yield TaskResult(name, "ok", good)


def _silence(report: GpuReport) -> str:
    """Why NVML answers nothing; empty where it does."""
    sentences = {
        "ok": f"NVML does not count its GPUs: {report.reason}" if report.reason else "",
        "no module": "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked",
        "another module": "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is "
        f"called pynvml: {report.reason}",
        "no library": f"NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA {_module(report)} "
        + ("is loaded" if report.module else "is not loaded either"),
        "not loaded": _not_reached(report),
        "mismatch": _mismatch(report),
        "silent": f"NVML hangs ({report.reason}), as it does when a GPU has fallen off its bus",
        "error": f"NVML does not start: {report.reason}",
    }
    return sentences[report.state]


def _module(report: GpuReport) -> str:
    return f"kernel module {report.module}" if report.module else "kernel module"


def _library(report: GpuReport) -> str:
    return f"NVML's library {report.library}" if report.library else "NVML's library"


def _not_reached(report: GpuReport) -> str:
    """NVML says so as well where the module is there and /dev/nvidiactl is not."""
    if report.module:
        return (
            f"{_library(report)} does not reach the NVIDIA {_module(report)}, which is there: /dev/nvidiactl "
            "is missing, or closed to the user who asks"
        )
    others = sorted({card.driver for card in report.graphics} - {"", "nvidia"})
    instead = f", its GPUs have the driver {' and '.join(others)}" if others else ""
    return f"the NVIDIA kernel module is not loaded{instead}, NVML's library is {report.library or 'there'}"


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


def _counts(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[str]:
    counted = Counter(gpu.id for gpu in report.gpus if gpu.id)
    for kind in kinds.values():
        if counted[kind.id] != kind.count:
            noun = "GPU" if kind.count == 1 else "GPUs"
            yield f"{kind.count} {noun} {_label(kind)} expected, NVML shows {counted[kind.id]}"
    for gpu in report.gpus:
        if gpu.id and gpu.id not in kinds:
            yield f"{gpu.place} ({gpu.id}, {gpu.name or 'nameless'}) is not in the profile"


def _lost(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[str]:
    """A screen that the profile does not name is the board's own: the driver may not even know it."""
    answering = {gpu.bus for gpu in report.gpus}
    for gpu in report.gpus:
        if not gpu.bus:
            yield f"{gpu.place} does not answer: {gpu.why('handle' if 'handle' in gpu.errors else 'pci')}"
    for card in report.graphics:
        if card.bus not in answering and (card.id in kinds or not card.is_vga):
            driver = f"driver {card.driver}" if card.driver else "no driver bound"
            yield f"GPU {card.bus} ({card.id}, {driver}) is on the PCI bus and missing from NVML"


def _twins(report: GpuReport) -> Iterator[str]:
    owners: dict[str, NvmlGpu] = {}
    for gpu in _answering(report):
        if not gpu.uuid:
            yield f"{gpu.place} tells no UUID: {gpu.why('uuid')}"
        elif owners.setdefault(gpu.uuid, gpu) is not gpu:
            yield f"{owners[gpu.uuid].place} and {gpu.place} have the same UUID {gpu.uuid}"


def _answering(report: GpuReport) -> Iterator[NvmlGpu]:
    """Those with a place; the others are named by `_lost`."""
    return (gpu for gpu in report.gpus if gpu.bus)


def _pairs(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[tuple[NvmlGpu, GpuKind]]:
    return ((gpu, kinds[gpu.id]) for gpu in _answering(report) if gpu.id in kinds)


def _memories(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[str]:
    """The maker's gigabytes, less what the driver keeps and ECC takes (up to 6.3 % of GDDR6)."""
    for gpu, kind in _pairs(report, kinds):
        if not kind.memory_min:
            continue
        if gpu.memory is None:
            yield f"{gpu.place} tells no memory: {gpu.why('memory')}"
        elif gpu.memory < kind.memory_min * (1 - MEMORY_TOLERANCE):
            yield f"{gpu.place} has {gib(gpu.memory)} of memory, the profile wants {gib(kind.memory_min)}"


def _links(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[str]:
    """Width only: the generation falls when the GPU idles."""
    for gpu, kind in _pairs(report, kinds):
        if not kind.link_width:
            continue
        if gpu.width is None:
            yield f"{gpu.place} tells no PCIe link width: {gpu.why('width')}"
        elif gpu.width < kind.link_width:
            able = f", it can x{gpu.width_max}: reseat it" if (gpu.width_max or 0) > gpu.width else ""
            yield f"{gpu.place} has a PCIe link of x{gpu.width}, the profile wants x{kind.link_width}{able}"


def _ecc(report: GpuReport, kinds: dict[str, GpuKind]) -> Iterator[str]:
    pairs = list(_pairs(report, kinds))
    for gpu, kind in pairs:
        if kind.ecc is None or gpu.ecc is kind.ecc:
            continue
        if gpu.ecc is None:
            yield f"{gpu.place} tells no ECC mode: {gpu.why('ecc')}"
            continue
        soon = ", the next restart changes it" if gpu.ecc_pending is kind.ecc else ""
        yield f"{gpu.place}: ECC is {_switch(gpu.ecc)}, the profile wants it {_switch(kind.ecc)}{soon}"
    free = [gpu for gpu, kind in pairs if kind.ecc is None and gpu.ecc is not None]
    if len({gpu.ecc for gpu in free}) > 1:
        off = ", ".join(gpu.place for gpu in free if not gpu.ecc)
        yield f"ECC is off on {off} and on on the others"


def _switch(on: bool) -> str:
    return "on" if on else "off"
