"""What a host's own scripts print of it, read and bounded: a stranger could have written it."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from provisioner.domain.values import printable

Text = Annotated[str, Field(max_length=300), AfterValidator(printable)]
Few = Field(max_length=64)


class _Evidence(BaseModel):
    """Frozen; keys that a newer script prints are ignored."""

    model_config = ConfigDict(frozen=True)


class RootDisk(_Evidence):
    """A disk below the root file system."""

    name: Text
    serial: Text


class HostFacts(_Evidence):
    """What ansible/files/facts.py prints; `memory` (MemTotal) in bytes, `pci` an id for each function."""

    image_id: Text
    image_version: Text
    root_disks: Annotated[tuple[RootDisk, ...], Few]
    memory: Annotated[int, Field(ge=0)]
    macs: Annotated[tuple[Text, ...], Field(max_length=512)]
    pci: Annotated[tuple[Text, ...], Field(max_length=4096)]
    machine_id: Text
    kernel: Text
    cloud_init: Text

    def as_data(self) -> dict[str, object]:
        """The fields as JSON has them; PCI ids as `{id: count}`, which is shorter."""
        return {**self.model_dump(mode="json"), "pci": dict(sorted(Counter(self.pci).items()))}


class BusGpu(_Evidence):
    """A display controller of NVIDIA's on the PCI bus; `driver` is empty where none is bound."""

    bus: Text
    id: Text
    driver: Text = ""


class NvmlGpu(_Evidence):
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
        """The GPU's place in words, for a technician."""
        return f"GPU {self.bus}" if self.bus else f"GPU number {self.index} of NVML"

    def why(self, what: str) -> str:
        """Why a value is missing, for the end of a sentence."""
        return self.errors.get(what) or "no reason given"


class GpuReport(_Evidence):
    """What ansible/files/gpus.py prints. `module`: the loaded kernel module's version; `library`: NVML's."""

    state: Literal["ok", "no module", "no library", "not loaded", "mismatch", "silent", "error"]
    reason: Text = ""
    driver: Text | None = None
    library: Text | None = None
    module: Text = ""
    graphics: Annotated[tuple[BusGpu, ...], Few] = ()
    gpus: Annotated[tuple[NvmlGpu, ...], Few] = ()


def read_facts(text: str) -> HostFacts | None:
    """The facts in what the host printed; None where that is something else."""
    try:
        return HostFacts.model_validate_json(text)
    except ValidationError:
        return None


def read_gpus(text: str) -> GpuReport | None:
    """The GPUs in what the host printed; None where that is something else."""
    try:
        return GpuReport.model_validate_json(text)
    except ValidationError:
        return None
