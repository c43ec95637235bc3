"""What verification takes and gives: target, expectations, task results, verdicts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner.verify.evidence import GpuReport, HostFacts


@dataclass(frozen=True)
class SshTarget:
    """A host as SSH reaches it. `key`: the private key's file; `host_keys`: lines `ssh-ed25519 AAAA…`."""

    name: str
    address: str
    user: str
    key: Path
    host_keys: tuple[str, ...]
    port: int = 22


@dataclass(frozen=True)
class PciDevice:
    """`id` is `vendor:device`, four hexadecimal digits each; `name` is for people."""

    id: str
    count: int
    name: str = ""


@dataclass(frozen=True)
class GpuKind:
    """What NVML must show: `count` GPUs of `id`, each with this memory (bytes), PCIe lanes and ECC mode."""

    id: str
    count: int
    name: str = ""
    memory_min: int = 0
    link_width: int = 0
    ecc: bool | None = None


@dataclass(frozen=True)
class Expected:
    """What the order and the profile want. `memory_min` in bytes; empty or 0 means: not checked.

    Without `gpu_driver` (NVIDIA's branch, such as `580`) NVML is not asked and `gpus` is not looked at.
    """

    image_id: str
    image_version: str
    root_disk_serial: str
    memory_min: int
    macs: tuple[str, ...]
    pci: tuple[PciDevice, ...]
    gpu_driver: str = ""
    gpus: tuple[GpuKind, ...] = ()
    root_disk_wwn: str = ""  # where several disks may have the serial


@dataclass(frozen=True)
class TaskResult:
    """One check or one task; `seconds` is how long it took."""

    name: str
    result: Literal["ok", "deviation", "unreachable"]
    sentence: str
    seconds: float = 0


@dataclass(frozen=True)
class Verdict:
    """How it ended. Only `rejected` is about what the host is; `failed` is about the run itself.

    `sentences` say why it has not passed; `facts` and `gpus` are the evidence, as far as it was read.
    """

    result: Literal["passed", "rejected", "unreachable", "failed"]
    sentences: tuple[str, ...] = ()
    facts: HostFacts | None = None
    gpus: GpuReport | None = None

    def as_data(self) -> dict[str, object]:
        """As an event carries it: `{result, sentences, facts}`; the GPUs are `nvml` of the facts."""
        facts = self.facts.as_data() if self.facts else {}
        if self.gpus:
            facts["nvml"] = self.gpus.model_dump(mode="json")
        return {"result": self.result, "sentences": list(self.sentences), "facts": facts}
