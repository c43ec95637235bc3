"""Compares the GPUs that NVML and the PCI bus show with the profile: a sentence for each fault. No I/O."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.verify.check import MEMORY_TOLERANCE, Text, gib
from provisioner.verify.model import Expected, GpuKind, TaskResult

Few = Field(max_length=64)


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class OnBus(_Said):
    """A display controller of NVIDIA's on the PCI bus; `driver` is empty where none is bound."""

    bus: Text
    id: Text
    driver: Text = ""


class Gpu(_Said):
    """A GPU as NVML shows it. None: it does not know or does not answer, `errors` says why.

    `memory` in bytes; `width` in PCIe lanes; `bus` as the kernel writes it, `0000:17:00.0`.
    """

    index: int
    bus: Text = ""
    id: Text = ""
    uuid: Text | None = None
    serial: Text | None = None
    name: Text | None = None
    vbios: Text | None = None
    memory: Annotated[int, Field(ge=0)] | None = None
    width: int | None = None
    width_max: int | None = None
    generation: int | None = None
    generation_max: int | None = None
    ecc: bool | None = None
    ecc_pending: bool | None = None
    persistence: bool | None = None
    errors: Annotated[dict[Text, Text], Few] = {}

    @property
    def place(self) -> str:
        """What a technician can look for."""
        return f"GPU {self.bus}" if self.bus else f"GPU number {self.index} of NVML"

    def why(self, what: str) -> str:
        """Why a value is missing, for the end of a sentence."""
        return self.errors.get(what) or "no reason given"


class Shown(_Said):
    """What ansible/files/gpus.py prints. `module`: the loaded kernel module's version; `library`: NVML's."""

    state: Literal["ok", "no module", "no library", "not loaded", "mismatch", "silent", "error"]
    reason: Text = ""
    driver: Text | None = None
    library: Text | None = None
    module: Text = ""
    graphics: Annotated[tuple[OnBus, ...], Few] = ()
    gpus: Annotated[tuple[Gpu, ...], Few] = ()


def read(text: str) -> Shown | None:
    """What the host printed; None where that is something else."""
    try:
        return Shown.model_validate_json(text)
    except ValidationError:
        return None


def compare(shown: Shown, expected: Expected) -> Iterator[TaskResult]:
    """Every check, `ok` or `deviation`; a fault of one GPU is a deviation of its own.

    Where NVML does not start there is one sentence that says why: the GPUs cannot be judged.
    """
    if fault := _silence(shown):
        yield TaskResult("gpu driver", "deviation", fault)
        return
    yield _driver(shown, expected.gpu_driver)
    kinds = {kind.id: kind for kind in expected.gpus}
    named = " and ".join(f"{kind.count} {_label(kind)}" for kind in kinds.values())
    checks = (
        ("gpu count", _counts(shown, kinds), f"NVML shows {named}"),
        ("gpu bus", _lost(shown), "every GPU on the PCI bus answers NVML"),
        ("gpu uuid", _twins(shown), "every GPU has a UUID of its own"),
        ("gpu memory", _memories(shown, kinds), "every GPU has the profile's memory"),
        ("gpu link", _links(shown, kinds), "every GPU has the profile's PCIe lanes"),
        ("gpu ecc", _ecc(shown, kinds), "ECC of every GPU is as it must be"),
    )
    for name, faults, good in checks:
        sentences = list(faults)
        yield from (TaskResult(name, "deviation", sentence) for sentence in sentences)
        if not sentences:
            yield TaskResult(name, "ok", good)


def _silence(shown: Shown) -> str:
    """Why NVML answers nothing; empty where it does."""
    loaded = f"kernel module {shown.module}" if shown.module else "kernel module"
    sentences = {
        "ok": f"NVML does not count its GPUs: {shown.reason}" if shown.reason else "",
        "no module": "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked",
        "no library": f"NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA {loaded} "
        + ("is loaded" if shown.module else "is not loaded either"),
        "not loaded": f"the NVIDIA kernel module is not loaded, NVML's library is {shown.library or 'there'}",
        "mismatch": f"the NVIDIA {loaded} does not fit NVML's library {shown.library or 'version'}",
        "silent": f"NVML hangs ({shown.reason}), as it does when a GPU has fallen off its bus",
        "error": f"NVML does not start: {shown.reason}",
    }
    return sentences[shown.state]


def _driver(shown: Shown, branch: str) -> TaskResult:
    version = shown.driver or "of unknown version"
    good = version.split(".")[0] == branch
    return TaskResult(
        "gpu driver",
        "ok" if good else "deviation",
        f"NVIDIA driver {version}, the profile wants branch {branch}",
    )


def _label(kind: GpuKind) -> str:
    return f"{kind.id} ({kind.name})" if kind.name else kind.id


def _counts(shown: Shown, kinds: dict[str, GpuKind]) -> Iterator[str]:
    found = Counter(gpu.id for gpu in shown.gpus if gpu.id)
    for kind in kinds.values():
        if found[kind.id] != kind.count:
            noun = "GPU" if kind.count == 1 else "GPUs"
            yield f"{kind.count} {noun} {_label(kind)} expected, NVML shows {found[kind.id]}"
    for gpu in shown.gpus:
        if gpu.id and gpu.id not in kinds:
            yield f"{gpu.place} ({gpu.id}, {gpu.name or 'nameless'}) is not in the profile"


def _lost(shown: Shown) -> Iterator[str]:
    answering = {gpu.bus for gpu in shown.gpus}
    for gpu in shown.gpus:
        if not gpu.bus:
            yield f"{gpu.place} does not answer: {gpu.why('handle' if 'handle' in gpu.errors else 'pci')}"
    for one in shown.graphics:
        if one.bus not in answering:
            driver = f"driver {one.driver}" if one.driver else "no driver bound"
            yield f"GPU {one.bus} ({one.id}, {driver}) is on the PCI bus and missing from NVML"


def _twins(shown: Shown) -> Iterator[str]:
    owners: dict[str, Gpu] = {}
    for gpu in _answering(shown):
        if not gpu.uuid:
            yield f"{gpu.place} tells no UUID: {gpu.why('uuid')}"
        elif owners.setdefault(gpu.uuid, gpu) is not gpu:
            yield f"{owners[gpu.uuid].place} and {gpu.place} have the same UUID {gpu.uuid}"


def _answering(shown: Shown) -> Iterator[Gpu]:
    """Those with a place; the others are named by `_lost`."""
    return (gpu for gpu in shown.gpus if gpu.bus)


def _pairs(shown: Shown, kinds: dict[str, GpuKind]) -> Iterator[tuple[Gpu, GpuKind]]:
    return ((gpu, kinds[gpu.id]) for gpu in _answering(shown) if gpu.id in kinds)


def _memories(shown: Shown, kinds: dict[str, GpuKind]) -> Iterator[str]:
    """The maker's gigabytes, less what the driver keeps and ECC takes (up to 6.3 % of GDDR6)."""
    for gpu, kind in _pairs(shown, kinds):
        if not kind.memory_min:
            continue
        if gpu.memory is None:
            yield f"{gpu.place} tells no memory: {gpu.why('memory')}"
        elif gpu.memory < kind.memory_min * (1 - MEMORY_TOLERANCE):
            yield f"{gpu.place} has {gib(gpu.memory)} of memory, the profile wants {gib(kind.memory_min)}"


def _links(shown: Shown, kinds: dict[str, GpuKind]) -> Iterator[str]:
    """Width only: the generation falls when the GPU idles."""
    for gpu, kind in _pairs(shown, kinds):
        if not kind.link_width:
            continue
        if gpu.width is None:
            yield f"{gpu.place} tells no PCIe link width: {gpu.why('width')}"
        elif gpu.width < kind.link_width:
            able = f", it can x{gpu.width_max}: reseat it" if (gpu.width_max or 0) > gpu.width else ""
            yield f"{gpu.place} has a PCIe link of x{gpu.width}, the profile wants x{kind.link_width}{able}"


def _ecc(shown: Shown, kinds: dict[str, GpuKind]) -> Iterator[str]:
    pairs = list(_pairs(shown, kinds))
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
