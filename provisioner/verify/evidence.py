"""What a host's own scripts print of it, read and bounded: a stranger could have written it."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from provisioner.domain.values import Count, Readable, Words

Exact = Annotated[Readable, Field(max_length=300)]  # it is compared with what was ordered
Few = Field(max_length=64)
Measure = Annotated[float, Field(ge=-1e6, le=1e12, allow_inf_nan=False)]  # infinity is no JSON
LARGEST = 4 << 20  # characters of what a script prints
MOST_XIDS = 200  # of a host in an event; all that were read are kept beside the run's log
_Report = TypeVar("_Report", bound=BaseModel)


class _Evidence(BaseModel):
    """Frozen; keys that a newer script prints are ignored."""

    model_config = ConfigDict(frozen=True, defer_build=True)


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


class NvLink(_Evidence):
    """One NVLink of a GPU; `errors` is the sum of its counters, None where they cannot be read."""

    number: Count
    active: bool
    version: Count | None = None
    remote: Exact = ""  # bus id of the other end, a GPU or an NVSwitch
    errors: Count | None = None


class PcieFunction(_Evidence):
    """A PCI function between a GPU and its root port, the GPU included, as sysfs shows it.

    `speed` in GT/s. `slot` is the name that SMBIOS or the slot driver has for the place, empty for none.
    """

    bus: Exact
    parent: Exact = ""
    width: Count | None = None
    width_max: Count | None = None
    speed: Measure | None = None
    speed_max: Measure | None = None
    slot: Words = ""
    aer_fatal: Count | None = None
    aer_nonfatal: Count | None = None
    aer_correctable: Count | None = None


class XidLine(_Evidence):
    """A line of the kernel's log, `NVRM: Xid (PCI:0000:18:00): 79, …`; `at` in seconds since boot."""

    number: Count
    bus: Exact = ""
    at: Measure = 0
    text: Words = ""


class KernelLog(_Evidence):
    """What ansible/files/kernel_log.py prints. `state`: `ok`, or why the log could not be read (whole)."""

    state: Literal["ok", "closed", "cut", "error"]
    reason: Words = ""
    boot: Exact = ""  # boot id
    xids: Annotated[tuple[XidLine, ...], Field(max_length=2000)] = ()


class PcieReport(_Evidence):
    """What ansible/files/pcie.py prints: each GPU and all that lies between it and its root port.

    `gpus` are the GPUs' places; `reason` says why slots have no names.
    """

    gpus: Annotated[tuple[Exact, ...], Few] = ()
    functions: Annotated[tuple[PcieFunction, ...], Field(max_length=512)] = ()
    reason: Words = ""


class FirmwarePart(_Evidence):
    """One firmware's version; `place` says of which part: a card's PCI place, a disk's serial.

    `about`: the BIOS's date, a card's driver, a disk's model.
    """

    part: Literal["bios", "bmc", "nic", "nvme"]
    place: Exact = ""
    version: Exact
    about: Words = ""


class FirmwareReport(_Evidence):
    """What ansible/files/firmware.py prints: which machine it is, its parts' firmware, its programs.

    `product` to `uuid` as SMBIOS has them, empty where they cannot be read. `stack` is program → version:
    docker, container-toolkit, dcgm, torch.
    """

    product: Exact = ""
    serial: Exact = ""
    board: Exact = ""
    board_serial: Exact = ""
    uuid: Exact = ""
    cpu: Words = ""
    parts: Annotated[tuple[FirmwarePart, ...], Field(max_length=256)] = ()
    stack: Annotated[dict[Words, Words], Few] = {}


class Container(_Evidence):
    """What was seen of GPUs in a container, and in the same one after `systemctl daemon-reload`.

    `state`: `ok`, `no docker`, `no image`, or `error`. `before` and `after` are UUIDs.
    """

    state: Literal["ok", "no docker", "no image", "error"]
    reason: Words = ""
    before: Annotated[tuple[Exact, ...], Few] = ()
    after: Annotated[tuple[Exact, ...], Few] = ()


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
    mig: bool | None = None
    ecc_volatile_corrected: Count | None = None  # since the driver was loaded
    ecc_volatile_uncorrected: Count | None = None
    ecc_aggregate_corrected: Count | None = None  # in its life
    ecc_aggregate_uncorrected: Count | None = None
    remapped_corrected: Count | None = None  # rows
    remapped_uncorrected: Count | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    retired_pages: Count | None = None  # by GPUs before Ampere
    retired_pending: bool | None = None
    power_limit: Measure | None = None  # W, as it is enforced
    power_limit_default: Measure | None = None
    power: Measure | None = None
    temperature: Measure | None = None  # °C
    temperature_slowdown: Measure | None = None
    throttle: Count | None = None  # nvmlClocksEventReasons, a bit mask
    replays: Count | None = None  # PCIe, since the driver was loaded
    nvlinks: Annotated[tuple[NvLink, ...], Few] | None = None
    errors: Annotated[dict[Words, Words], Few] = {}

    @property
    def place(self) -> str:
        """The GPU's place in words, for a technician."""
        return f"GPU {self.bus}" if self.bus else f"GPU number {self.index} of NVML"

    def why(self, what: str) -> str:
        """Why a value is missing, for the end of a sentence."""
        return self.errors.get(what) or "no reason given"


class GpuReport(_Evidence):
    """What ansible/files/gpus.py prints. `module`: the loaded kernel module's version; `library`: NVML's.

    `cuda`: the newest CUDA that the driver can do, such as `13.0`.
    """

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
    cuda: Words | None = None
    module: Words = ""
    graphics: Annotated[tuple[BusGpu, ...], Few] = ()
    gpus: Annotated[tuple[NvmlGpu, ...], Few] = ()


class GpuEvidence(_Evidence):
    """All that a host with GPUs has shown; None is what it was not asked for."""

    nvml: GpuReport | None = None
    pcie: PcieReport | None = None
    kernel_log: KernelLog | None = None
    firmware: FirmwareReport | None = None
    container: Container | None = None

    def as_data(self) -> dict[str, object]:
        """The fields that are known, as JSON has them; of the kernel's log the first MOST_XIDS lines."""
        data = self.model_dump(mode="json")
        known: dict[str, object] = {name: value for name, value in data.items() if value is not None}
        if self.kernel_log and len(self.kernel_log.xids) > MOST_XIDS:
            left_out = len(self.kernel_log.xids) - MOST_XIDS
            log = data["kernel_log"]
            known["kernel_log"] = {**log, "xids": log["xids"][:MOST_XIDS], "left_out": left_out}
        return known


KINDS: Mapping[str, type[_Evidence]] = {
    "facts": HostFacts,
    "nvml": GpuReport,
    "pcie": PcieReport,
    "kernel_log": KernelLog,
    "firmware": FirmwareReport,
    "container": Container,
}


def unreadable(printed: Mapping[str, str]) -> list[str]:
    """What of a host's output cannot be read, by the names of KINDS."""
    return [name for name, text in printed.items() if _read(KINDS[name], text) is None]


def read_evidence(printed: Mapping[str, str]) -> GpuEvidence:
    """What was printed of GPUs, by the names of GpuEvidence; what is missing or cannot be read is None."""
    fields = GpuEvidence.model_fields
    return GpuEvidence(**{name: _read(KINDS[name], printed[name]) for name in fields if name in printed})


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
