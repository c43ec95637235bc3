"""What a host's own scripts print of it, read and bounded: a stranger could have written it."""

import json
from collections import Counter
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from provisioner.domain.values import Count, Readable, Words

Exact = Annotated[Readable, Field(max_length=300)]  # it is compared with what was ordered
Few = Field(max_length=64)
LARGEST = 4 << 20  # characters of what a script prints
_Report = TypeVar("_Report", bound=BaseModel)


class _Evidence(BaseModel):
    """Frozen; keys that a newer script prints are ignored."""

    model_config = ConfigDict(frozen=True)


class RootDisk(_Evidence):
    """A disk below the root file system."""

    name: Words
    serial: Exact
    wwn: Exact = ""


class HostFacts(_Evidence):
    """What ansible/files/facts.py prints; `memory` (MemTotal) in bytes, `pci` an id for each function."""

    image_id: Exact
    image_version: Exact
    root_disks: Annotated[tuple[RootDisk, ...], Few]
    memory: Count
    macs: Annotated[tuple[Exact, ...], Field(max_length=512)]
    pci: Annotated[tuple[Exact, ...], Field(max_length=4096)]
    machine_id: Exact
    kernel: Words
    cloud_init: Words

    def as_data(self) -> dict[str, object]:
        """The fields as JSON has them; PCI ids as `{id: count}`, which is shorter."""
        return {**self.model_dump(mode="json"), "pci": dict(sorted(Counter(self.pci).items()))}


class BusGpu(_Evidence):
    """A display controller of NVIDIA's on the PCI bus; `driver` is empty where none is bound.

    `pci_class`: six hexadecimal digits, as sysfs has them.
    """

    bus: Exact
    id: Exact
    driver: Words = ""
    pci_class: Words = ""

    @property
    def is_vga(self) -> bool:
        """Whether it can be a board's screen (PCI class 03.00); what only computes is a 3D controller."""
        return self.pci_class.startswith("0300")


class NvmlGpu(_Evidence):
    """A GPU as NVML shows it. None: it does not know or does not answer, `errors` says why.

    `memory` in bytes; `width` in PCIe lanes; `bus` as the kernel writes it, `0000:17:00.0`.
    """

    index: Count
    bus: Exact = ""
    id: Exact = ""
    uuid: Exact | None = None
    serial: Exact | None = None
    name: Words | None = None
    vbios: Words | None = None
    memory: Count | None = None
    width: Count | None = None
    width_max: Count | None = None
    generation: Count | None = None
    generation_max: Count | None = None
    ecc: bool | None = None
    ecc_pending: bool | None = None
    persistence: bool | None = None
    errors: Annotated[dict[Words, Words], Few] = {}

    @property
    def place(self) -> str:
        """The GPU's place in words, for a technician."""
        return f"GPU {self.bus}" if self.bus else f"GPU number {self.index} of NVML"

    def why(self, what: str) -> str:
        """Why a value is missing, for the end of a sentence."""
        return self.errors.get(what) or "no reason given"


class GpuReport(_Evidence):
    """What ansible/files/gpus.py prints. `module`: the loaded kernel module's version; `library`: NVML's."""

    state: Literal[
        "ok",
        "no module",
        "another module",
        "no library",
        "not loaded",
        "mismatch",
        "silent",
        "killed",
        "error",
    ]
    reason: Words = ""
    driver: Exact | None = None
    library: Words | None = None
    module: Words = ""
    graphics: Annotated[tuple[BusGpu, ...], Few] = ()
    gpus: Annotated[tuple[NvmlGpu, ...], Few] = ()


def read_facts(text: str) -> HostFacts | None:
    """The facts in what the host printed; None where that is something else."""
    return _read(HostFacts, text)


def read_gpus(text: str) -> GpuReport | None:
    """The GPUs in what the host printed; None where that is something else."""
    return _read(GpuReport, text)


def _read(kind: type[_Report], text: str) -> _Report | None:
    """Half characters and numbers without end get through this reader, and are met by the types above."""
    try:
        return kind.model_validate(json.loads(text[:LARGEST]))
    except (ValueError, RecursionError):
        return None
