"""The GPUs of a report, from what a host has shown: who each is, how it was idle and under load."""

import json

from pydantic import BaseModel, JsonValue

from provisioner.domain.acceptance import GpuMeasurement, GpuSubject
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.evidence_burnin import BurninGpu
from provisioner.verify.judge.burnin import results
from provisioner.verify.judge.seen import Seen
from provisioner.verify.model import Evidence, Expected

WHO = ("index", "bus", "id", "uuid", "serial", "name", "vbios", "memory", "errors")
COUNTED = tuple(
    name for name in NvmlGpu.model_fields if name.startswith(("ecc_v", "ecc_a", "remap", "retired_"))
)


def subjects(evidence: Evidence, expected: Expected) -> tuple[GpuSubject, ...]:
    """A GPU each; `before` are NVML's values while it idled, `after` what was watched under load, and what
    NVML had counted when the burn-in was over.

    Their keys are the fields of NvmlGpu and of LoadWatch.
    """
    seen = Seen(evidence, expected)
    burnt = results(seen)
    return tuple(_subject(seen, gpu, burnt.get(gpu.bus)) for gpu in seen.report.gpus)


def _subject(seen: Seen, gpu: NvmlGpu, burnt: BurninGpu | None) -> GpuSubject:
    measured = [
        GpuMeasurement(name=test.name, value=test.value, unit=test.unit, samples=test.iterations)
        for test in (burnt.tests if burnt else ())
        if test.value is not None
    ]
    return GpuSubject(
        index=gpu.index,
        uuid=gpu.uuid or "",
        serial=gpu.serial or "",
        name=gpu.name or "",
        pci_bus_id=gpu.bus,
        pci_id=gpu.id,
        slot=next((hop.slot for hop in seen.path(gpu.bus) if hop.slot), ""),
        vbios=gpu.vbios or "",
        memory_bytes=gpu.memory,
        before=_values(_idle(seen, gpu), WHO),
        after={**_counted(seen, gpu), **(_values(burnt.watch) if burnt else {})},
        measured=tuple(measured),
        errors=gpu.errors,
    )


def _idle(seen: Seen, gpu: NvmlGpu) -> NvmlGpu:
    """The GPU before the burn-in, where there was one."""
    idle = seen.evidence.idle.gpus if seen.evidence.idle else ()
    return next((one for one in idle if one.uuid == gpu.uuid and one.bus == gpu.bus), gpu)


def _counted(seen: Seen, gpu: NvmlGpu) -> dict[str, JsonValue]:
    """What NVML counts, as it was read again; nothing where it was not."""
    values = _values(gpu) if seen.evidence.idle else {}
    return {name: value for name, value in values.items() if name in COUNTED}


def _values(model: BaseModel, without: tuple[str, ...] = ()) -> dict[str, JsonValue]:
    """Its fields as JSON has them, those that were not told left out."""
    told: dict[str, JsonValue] = json.loads(model.model_dump_json(exclude_none=True))
    return {name: value for name, value in told.items() if name not in without}
