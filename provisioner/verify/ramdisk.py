"""Judges a host by what the ramdisk's agent saw of it: the bus, the firmware, memory, cards and disks.

NVIDIA's driver is not there, so NVML, ECC, burn-in and all that the driver tells are not judged, and the
report says so of each check: where one of them is required, the verdict is incomplete.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from provisioner.agent import protocol
from provisioner.verify.evidence import (
    BusGpu,
    GpuReport,
    NvmlGpu,
    RootDisk,
    read_evidence,
    read_facts,
)
from provisioner.verify.judge.judgement import NOT_IN_RAMDISK
from provisioner.verify.model import Evidence, Expected, TaskResult, Verdict
from provisioner.verify.verification import conclude

HARDWARE = "hardware"  # beside the names of protocol.COLLECTORS: the agent's own words, as JSON
DISPLAY, NVIDIA = "03", "10de:"  # PCI class and vendor


def printed(message: protocol.Examination) -> dict[str, str]:
    """What is kept of a report, by names; `evidence` reads it again."""
    known = {name: message.collected[name] for name in protocol.COLLECTORS if name in message.collected}
    return {**known, HARDWARE: json.dumps(protocol.dump(message.hardware))}


def evidence(told: Mapping[str, str]) -> Evidence | None:
    """What was kept, read and bounded; None where the machine's facts are missing or cannot be read."""
    facts = read_facts(told.get("facts", ""))
    try:
        hardware = protocol.load(protocol.Inventory, json.loads(told.get(HARDWARE, "")))
    except (ValueError, RecursionError):
        return None
    if facts is None:
        return None
    gpu = read_evidence({name: told[name] for name in ("pcie", "firmware") if name in told})
    gpu = gpu.model_copy(update={"nvml": _bus(hardware.devices)})
    # the system that was asked is the ramdisk: its image, root disk and cloud-init are nobody's
    facts = facts.model_copy(
        update={"image_id": "", "image_version": "", "root_disks": (), "cloud_init": "", "machine_id": ""}
    )
    disks = tuple(RootDisk(name=disk.name, serial=disk.serial, wwn=disk.wwn) for disk in hardware.disks)
    return Evidence(facts, gpu, ramdisk=hardware.version or "unknown", disks=disks)


def _bus(devices: Iterable[protocol.Device]) -> GpuReport:
    """The GPUs by their places: all of them are known by the bus, and none has answered."""
    cards = [one for one in devices if one.kind.startswith(DISPLAY) and one.id.startswith(NVIDIA)][:64]
    return GpuReport(
        state="not loaded",
        reason="the ramdisk has no driver of NVIDIA's",
        graphics=tuple(BusGpu(bus=one.place, id=one.id, pci_class=one.kind) for one in cards),
        gpus=tuple(NvmlGpu(index=index, bus=one.place, id=one.id) for index, one in enumerate(cards)),
    )


def judge_ramdisk(seen: Evidence, expected: Expected, on_task: Callable[[TaskResult], None]) -> Verdict:
    """The verdict; what the ramdisk cannot check is told once, and stands in the report check by check."""
    tasks: list[TaskResult] = []
    verdict = conclude(seen, expected, tasks.append)
    for task in _once(tasks):
        on_task(task)
    return replace(verdict, sentences=tuple(dict.fromkeys(verdict.sentences)))


def _once(tasks: Iterable[TaskResult]) -> Iterator[TaskResult]:
    left_out = 0
    for task in tasks:
        if task.sentence != NOT_IN_RAMDISK:
            yield task
        left_out += task.sentence == NOT_IN_RAMDISK
    if left_out:
        noun = "check" if left_out == 1 else "checks"
        yield TaskResult("driver", "unproved", f"{left_out} {noun}: {NOT_IN_RAMDISK}")
