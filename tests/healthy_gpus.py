"""A host with eight healthy GPUs, as every script shows it, and what its profile says; tests break one thing.

Written after the documentation of NVIDIA and PCI Express, not recorded.
"""

from dataclasses import replace
from itertools import pairwise, permutations
from typing import Any

from provisioner.domain.acceptance import Level
from provisioner.domain.requirements import AcceptedFirmware, Limits, Requirements
from provisioner.verify.evidence import (
    BusGpu,
    Container,
    FirmwarePart,
    FirmwareReport,
    GpuEvidence,
    GpuReport,
    HostFacts,
    KernelLog,
    NvLink,
    NvmlGpu,
    PcieFunction,
    PcieReport,
)
from provisioner.verify.evidence_burnin import (
    BurninGpu,
    BurninReport,
    BurninTest,
    Dcgm,
    DcgmTest,
    LoadWatch,
    Nccl,
    PeerCopy,
)
from provisioner.verify.model import Evidence, Expected, GpuKind

ID = "10de:2330"
PLACES = tuple(f"0000:{bus}:00.0" for bus in ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db"))
UUIDS = tuple(f"GPU-{number}" for number in range(8))
FACTS = HostFacts(
    image_id="vault-os",
    image_version="1",
    root_disks=(),
    memory=0,
    macs=(),
    pci=(ID,) * 8,
    machine_id="3d12",
    kernel="6.1.0",
    cloud_init="done",
)
H100 = GpuKind(
    ID,
    8,
    "H100 SXM",
    80 << 30,
    16,
    ecc=True,
    link_generation=5,
    nvlinks=18,
    power_limit=700,
    mig=False,
    persistence=True,
    vbios=("96.00.89.00.01",),
)
LIMITS = Limits(
    h2d_gbps=45,
    d2h_gbps=45,
    d2d_gbps=2000,
    nccl_gbps=300,
    matmul_tflops={"fp32": 30, "bf16": 500},
    temperature_max=85,
    replays_max=10,
    ecc_corrected_max=100,
)
QUICK = Expected(
    "vault-os",
    "1",
    "",
    0,
    (),
    (),
    "580",
    (H100,),
    firmware=AcceptedFirmware(bios=("2.1",), nvme=("E2010600",)),
    acceptance=Requirements(limits=LIMITS),
)
FULL = replace(QUICK, acceptance=Requirements(level=Level.FULL, limits=LIMITS))


def gpu(number: int, **changes: Any) -> NvmlGpu:
    """A healthy GPU, but for what is changed."""
    healthy = NvmlGpu(
        index=number,
        bus=PLACES[number],
        id=ID,
        uuid=UUIDS[number],
        serial=f"165232301040{number}",
        name="NVIDIA H100 80GB HBM3",
        vbios="96.00.89.00.01",
        memory=85520809984,
        width=16,
        width_max=16,
        generation=1,
        generation_max=5,
        ecc=True,
        ecc_pending=True,
        persistence=True,
        mig=False,
        ecc_volatile_corrected=0,
        ecc_volatile_uncorrected=0,
        ecc_aggregate_corrected=0,
        ecc_aggregate_uncorrected=0,
        remapped_corrected=0,
        remapped_uncorrected=0,
        remap_pending=False,
        remap_failed=False,
        power_limit=700,
        power_limit_default=700,
        power=69.5,
        temperature=32,
        temperature_slowdown=89,
        throttle=1,
        replays=0,
        nvlinks=tuple(NvLink(number=link, active=True, version=4) for link in range(18)),
        errors=dict.fromkeys(("retired_pages", "retired_pending"), "Not Supported"),
    )
    return healthy.model_copy(update=changes)


def way(number: int) -> tuple[PcieFunction, ...]:
    """A GPU behind a switch of its own: GPU, the switch's lower and upper port, the root port."""
    bus = PLACES[number][5:7]
    places = (PLACES[number], f"0000:{bus}:1f.0", f"0000:{bus}:1e.0", f"0000:{bus}:01.1", "")
    return tuple(
        PcieFunction(
            bus=place,
            parent=above,
            width=16,
            width_max=16,
            speed=2.5,
            speed_max=32,
            slot=str(number + 1) if place == PLACES[number] else "",
            aer_fatal=0,
            aer_nonfatal=0,
            aer_correctable=0,
        )
        for place, above in pairwise(places)
    )


def nvml(*gpus: NvmlGpu, **changes: Any) -> GpuReport:
    """What gpus.py shows; without GPUs of its own all eight."""
    graphics = tuple(BusGpu(bus=place, id=ID, driver="nvidia", pci_class="030200") for place in PLACES)
    report = GpuReport(
        state="ok",
        driver="580.95.05",
        library="13.580.95.05",
        module="580.95.05",
        graphics=graphics,
        gpus=gpus or tuple(map(gpu, range(8))),
    )
    return report.model_copy(update=changes)


def burnt(number: int, *, watch: LoadWatch | None = None, **values: Any) -> BurninGpu:
    """The burn-in of one GPU; a value of None leaves the test out, a BurninTest replaces it."""
    usual: dict[str, Any] = {
        "matmul-fp32": (51.0, "TFLOPS"),
        "matmul-fp16": (690.0, "TFLOPS"),
        "matmul-bf16": (700.0, "TFLOPS"),
        "memory-pattern": (None, ""),
        "h2d": (55.0, "GB/s"),
        "d2h": (55.5, "GB/s"),
        "d2d": (2600.0, "GB/s"),
        "load": (600.0, "s"),
    }
    changed = {name.replace("_", "-"): value for name, value in values.items()}
    tests = []
    for name, (value, unit) in usual.items():
        test = BurninTest(name=name, state="ok", iterations=100, value=value, unit=unit, max_abs_error=1e-3)
        if name in changed:
            test = changed[name] if isinstance(changed[name], BurninTest | None) else None
            if isinstance(changed[name], int | float):
                test = BurninTest(name=name, state="ok", iterations=100, value=changed[name], unit=unit)
        tests += [test] if test else []
    return BurninGpu(uuid=UUIDS[number], bus=PLACES[number], tests=tuple(tests), watch=watch or loaded())


def loaded(**changes: Any) -> LoadWatch:
    """A GPU under load, at its power limit, which is as it should be."""
    watch = LoadWatch(
        temperature_max=68,
        power_max=698,
        throttle=0x4,
        ecc_uncorrected=0,
        replays=0,
        pcie_generation_min_under_load=5,
        pcie_width_min=16,
    )
    return watch.model_copy(update=changes)


def copied(source: int, target: int, **changes: Any) -> PeerCopy:
    """Copies from one GPU to another that went well."""
    ends = {"from": UUIDS[source], "to": UUIDS[target]}
    copy = PeerCopy.model_validate({**ends, "state": "ok", "iterations": 20, "value": 360.0})
    return copy.model_copy(update=changes)


def peers(*changed: PeerCopy) -> tuple[PeerCopy, ...]:
    """Copies from each GPU to each other; the given ones replace those of their ends."""
    replaced = {(copy.source, copy.target): copy for copy in changed}
    every = (copied(*pair) for pair in permutations(range(8), 2))
    return tuple(replaced.get((copy.source, copy.target), copy) for copy in every)


def burnin(*gpus: BurninGpu, **changes: Any) -> BurninReport:
    """A burn-in that went well; the given GPUs replace those of their places."""
    replaced = {one.bus: one for one in gpus}
    report = BurninReport(
        state="ok",
        level="full",
        device="cuda",
        seconds=1500,
        gpus=tuple(replaced.get(place) or burnt(number) for number, place in enumerate(PLACES)),
        peers=peers(),
        nccl=Nccl(state="ok", gpus=8, bus_gbps=450),
        dcgm=Dcgm(state="ok", version="4.2.3", tests=(DcgmTest(name="memory", status="Pass"),)),
    )
    return report.model_copy(update=changes)


def evidence(report: GpuReport | None = None, **changes: Any) -> Evidence:
    """All that a healthy host shows; changes are of GpuEvidence, or of Evidence itself."""
    shown = GpuEvidence(
        nvml=report or nvml(),
        pcie=PcieReport(gpus=PLACES, functions=tuple(hop for number in range(8) for hop in way(number))),
        kernel_log=KernelLog(state="ok", boot="b-1"),
        firmware=FirmwareReport(
            parts=(
                FirmwarePart(part="bios", version="2.1"),
                FirmwarePart(part="nvme", place="S5XX", version="E2010600"),
            )
        ),
        container=Container(state="ok", before=UUIDS, after=UUIDS),
    )
    own = {name: value for name, value in changes.items() if name in GpuEvidence.model_fields}
    others = {name: value for name, value in changes.items() if name not in own}
    whole = Evidence(FACTS, shown.model_copy(update=own), burnin=burnin())
    return replace(whole, **others)
