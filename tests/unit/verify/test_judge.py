"""Every check of the table: what it says of a healthy host, and each fault that it must find."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provisioner.domain.acceptance import (
    AcceptanceReport,
    CheckResult,
    CheckStage,
    GpuSubject,
    HostReport,
    ImageSubject,
    Level,
    Severity,
    Status,
    Subject,
    reach_verdict,
)
from provisioner.domain.requirements import ON_DEMAND, AcceptedFirmware, Limits, Requirements, SiteCheck
from provisioner.verify import xids
from provisioner.verify.evidence import Container, FirmwarePart, FirmwareReport, KernelLog, NvLink, XidLine
from provisioner.verify.evidence_burnin import (
    BurninGpu,
    BurninTest,
    Dcgm,
    DcgmTest,
    Nccl,
    PeerCopy,
    SiteCheckReport,
    read_burnin,
    read_site_check,
)
from provisioner.verify.judge import CHECKS, judge, tasks
from provisioner.verify.judge import health as gpu_health
from provisioner.verify.model import Evidence, Expected, PciDevice
from tests.healthy_gpus import (
    FULL,
    H100,
    LIMITS,
    PLACES,
    QUICK,
    UUIDS,
    burnin,
    burnt,
    copied,
    evidence,
    gpu,
    loaded,
    nvml,
    peers,
    way,
)

FIRST, SECOND = PLACES[0], PLACES[1]
GPU = f"GPU {FIRST} in slot 1"
OTHER = f"GPU {SECOND} in slot 2"
UNLIMITED = replace(FULL, acceptance=Requirements(level=Level.FULL))
HASH = "a" * 64
NO_PAGES = dict.fromkeys(("retired_pages", "retired_pending"), "Not Supported")


def of(check: str, results: tuple[CheckResult, ...]) -> list[CheckResult]:
    return [result for result in results if result.id == check]


def only(**changes: Any) -> Any:
    """NVML with one thing changed in the first GPU."""
    return nvml(gpu(0, **changes), *map(gpu, range(1, 8)))


def untold(field: str, reason: str = "GPU is lost") -> Any:
    return only(**{field: None, "errors": {**NO_PAGES, field: reason}})


def logged(*lines: tuple[int, str], state: Any = "ok", text: str = "") -> KernelLog:
    xid_lines = tuple(
        XidLine(number=number, bus=bus, at=9, text=text or "NVRM: Xid") for number, bus in lines
    )
    return KernelLog(state=state, xids=xid_lines)


def narrow(place: int, **changes: Any) -> Any:
    """The PCIe functions, one on the first GPU's way changed; the GPU itself is at place 0."""
    own = [hop.model_copy(update=changes if number == place else {}) for number, hop in enumerate(way(0))]
    functions = (*own, *(hop for number in range(1, 8) for hop in way(number)))
    report = evidence().gpu.pcie
    assert report
    return report.model_copy(update={"functions": functions})


def demanding(*required: str, level: Level = Level.FULL) -> Expected:
    return replace(FULL, acceptance=Requirements(level=level, limits=LIMITS, required=required))


def with_site(*reports: SiteCheckReport) -> dict[str, Any]:
    return {"site_checks": reports}


SITE = replace(
    QUICK,
    acceptance=Requirements(checks=(SiteCheck(name="nfs", program="nfs.py", sha256=HASH),)),
)
SAID = SiteCheckReport(name="nfs", sha256=HASH, status="pass", reason="mounted")
ERROR, FAIL, SKIPPED, WARN = Status.ERROR, Status.FAIL, Status.SKIPPED, Status.WARN


@dataclass(frozen=True)
class Fault:
    """A host in which one thing is wrong: by which check it is found, and what is said."""

    check: str
    sentence: str
    seen: Callable[[], Evidence]
    status: Status = FAIL
    scope: str = FIRST
    expected: Expected = FULL


def fault(
    check: str,
    sentence: str,
    status: Status = FAIL,
    scope: str = FIRST,
    expected: Expected = FULL,
    **seen: Any,
) -> Fault:
    report = seen.pop("nvml", None)
    return Fault(check, sentence, lambda: evidence(report, **seen), status, scope, expected)


def host_fault(check: str, sentence: str, expected: Expected, scope: str = "host", **facts: Any) -> Fault:
    def seen() -> Evidence:
        whole = evidence()
        return replace(whole, facts=whole.facts.model_copy(update=facts))

    return Fault(check, sentence, seen, FAIL, scope, expected)


def load_fault(check: str, sentence: str, *, status: Status = FAIL, **watch: Any) -> Fault:
    return fault(check, sentence, status, burnin=burnin(burnt(0, watch=loaded(**watch))))


def unwatched(check: str, words: str, field: str) -> Fault:
    sentence = f"{GPU}: {words} was not watched under load"
    return fault(check, sentence, ERROR, "host", burnin=burnin(burnt(0, watch=loaded(**{field: None}))))


def broken(name: str, **changes: Any) -> BurninTest:
    return BurninTest(name=name, state="ok", iterations=100).model_copy(update=changes)


HOST = replace(
    FULL,
    root_disk_serial="S5XX",
    memory_min=512 << 30,
    macs=("ac:1f:6b:0a:42:10",),
    pci=(PciDevice("15b3:1021", 1),),
)


def before(number: int, **changes: Any) -> AcceptanceReport:
    """A report of the same host in which one GPU is another."""
    gpus = [
        GpuSubject(index=n, uuid=UUIDS[n], serial=f"165232301040{n}", pci_bus_id=PLACES[n]) for n in range(8)
    ]
    gpus[number] = gpus[number].model_copy(update=changes)
    return AcceptanceReport(
        report_id="a-20260101-1",
        started_at=1,
        finished_at=2,
        tool="provision",
        level=Level.QUICK,
        subject=Subject(name="vc-1", macs=(), image=ImageSubject(name="vault-os", version="1")),
        host=HostReport(),
        gpus=tuple(gpus),
        checks=(),
        verdict=reach_verdict(()),
    )


FAULTS = (
    host_fault("os.image", "the OS says image vault-os 0, deployed was vault-os 1", FULL, image_version="0"),
    host_fault("disk.root", "the root file system is on no disk that is known, written was S5XX", HOST),
    host_fault("memory.size", "memory 0 GiB, the profile wants at least 512 GiB", HOST),
    host_fault("net.card", "network card ac:1f:6b:0a:42:10 is missing", HOST),
    host_fault("pci.devices", "1 PCI device 15b3:1021 expected, 0 found", HOST, "15b3:1021"),
    fault(
        "gpu.driver",
        "NVIDIA driver 570.1, the profile wants branch 580",
        scope="host",
        nvml=nvml(driver="570.1"),
    ),
    fault(
        "gpu.driver", "NVML does not start: foreign", scope="host", nvml=nvml(state="error", reason="foreign")
    ),
    Fault(
        "gpu.driver",
        "nobody asked the host for its GPUs",
        lambda: evidence(nvml=None),
        ERROR,
        "host",
    ),
    fault(
        "gpu.driver",
        "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is called "
        "pynvml: /x has no "
        "NVMLError",
        scope="host",
        nvml=nvml(state="another module", reason="/x has no NVMLError", gpus=()),
    ),
    fault(
        "gpu.count",
        "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7; they are in slot 1, slot 2, slot 3, slot 4, "
        "slot 5, slot 6 and slot 7",
        scope="host",
        nvml=nvml(*map(gpu, range(7)), graphics=()),
    ),
    fault(
        "gpu.count",
        f"8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7; GPU {PLACES[2]} in slot 3 is gone since report "
        "a-20260101-1",
        scope="host",
        nvml=nvml(*map(gpu, (0, 1, 3, 4, 5, 6, 7)), graphics=()),
        expected=replace(FULL, last=before(2, slot="3")),
    ),
    fault(
        "gpu.bus",
        f"GPU {PLACES[7]} in slot 8 ({H100.id}, driver nvidia) is on the PCI bus and missing from NVML",
        scope=PLACES[7],
        nvml=nvml(*map(gpu, range(7))),
    ),
    fault("gpu.values", f"{GPU} tells no memory: GPU is lost", nvml=untold("memory")),
    fault("gpu.values", f"{GPU} tells 63 for its PCIe link width, which cannot be", nvml=only(width=63)),
    fault(
        "gpu.values",
        f"{GPU} tells no memory: GPU is lost; 3 for its PCIe link width, which cannot be",
        nvml=only(width=3, memory=None, errors={**NO_PAGES, "memory": "GPU is lost"}),
    ),
    fault(
        "gpu.values",
        f"{GPU} tells 18446744073709551615 for its memory, which cannot be",
        nvml=only(memory=(1 << 64) - 1),
    ),
    fault(
        "gpu.uuid",
        f"{GPU} and GPU {SECOND} in slot 2 have the same UUID GPU-1",
        scope="host",
        nvml=only(uuid="GPU-1"),
    ),
    fault("gpu.memory", f"{GPU} has 40 GiB of memory, the profile wants 80 GiB", nvml=only(memory=40 << 30)),
    fault(
        "gpu.link-width",
        f"{GPU} has a PCIe link of x8, the profile wants x16, it can x16: reseat it",
        nvml=only(width=8),
    ),
    fault(
        "gpu.ecc-mode", f"{GPU}: ECC is off, the profile wants it on", nvml=only(ecc=False, ecc_pending=False)
    ),
    fault(
        "gpu.serial",
        f"{GPU} and GPU {SECOND} in slot 2 have the same serial 1652323010401: are they on one board?",
        WARN,
        "host",
        nvml=only(serial="1652323010401"),
    ),
    fault(
        "gpu.serial",
        f"{GPU} is another than in report a-20260101-1: UUID GPU-0, it was GPU-before",
        WARN,
        expected=replace(FULL, last=before(0, uuid="GPU-before")),
    ),
    fault(
        "gpu.serial",
        f"GPU {SECOND} in slot 2 is another than in report a-20260101-1: serial 1652323010401, it was "
        "another",
        FAIL,
        SECOND,
        replace(demanding("gpu.serial"), last=before(1, serial="another")),
    ),
    fault(
        "gpu.ecc-errors",
        f"{GPU} has 1 error of memory that ECC could not correct since its driver was loaded",
        nvml=only(ecc_volatile_uncorrected=1),
    ),
    fault(
        "gpu.ecc-errors",
        f"{GPU} tells no uncorrected memory errors: Not Supported",
        ERROR,
        nvml=untold("ecc_volatile_uncorrected", "Not Supported"),
    ),
    fault(
        "gpu.ecc-history",
        f"{GPU} had 3 errors of memory in its life that ECC could not correct",
        WARN,
        nvml=only(ecc_aggregate_uncorrected=3),
    ),
    fault(
        "gpu.ecc-history",
        f"{GPU} tells no uncorrected memory errors of its life: GPU is lost",
        ERROR,
        nvml=untold("ecc_aggregate_uncorrected"),
    ),
    fault(
        "gpu.ecc-corrected",
        f"{GPU} has 101 errors of memory that ECC corrected since its driver was loaded, the profile "
        "allows 100",
        nvml=only(ecc_volatile_corrected=101),
    ),
    fault(
        "gpu.row-remap",
        f"{GPU}: a row of its memory waits to be remapped, which the GPU's next reset does",
        nvml=only(remap_pending=True),
    ),
    fault(
        "gpu.row-remap",
        f"{GPU}: a row of its memory could not be remapped, 9 were: it has no spare rows left",
        nvml=only(remap_failed=True, remap_pending=True, remapped_uncorrected=9),
    ),
    fault("gpu.row-remap", f"{GPU} tells no remapped rows: GPU is lost", ERROR, nvml=untold("remap_pending")),
    fault(
        "gpu.retired-pages",
        f"{GPU}: a page of its memory waits to be retired, which the GPU's next reset does",
        nvml=only(retired_pages=2, retired_pending=True, errors={}),
    ),
    fault(
        "gpu.retired-pages",
        f"{GPU} has 60 retired pages, it is replaced from 60 on",
        nvml=only(retired_pages=60, retired_pending=False, errors={}),
    ),
    *(
        fault("gpu.throttle", f"{GPU} is slowed while it idles: {words}", nvml=only(throttle=mask | 5))
        for mask, words in (
            (0x8, "hardware slowdown"),
            (0x20, "software thermal slowdown"),
            (0x40, "hardware thermal slowdown"),
            (0x80, "hardware power brake"),
            (0x48, "hardware slowdown, hardware thermal slowdown"),
        )
    ),
    fault(
        "gpu.throttle",
        f"{GPU} tells no reasons of slowed clocks: GPU is lost",
        ERROR,
        nvml=untold("throttle"),
    ),
    fault(
        "gpu.temperature-idle",
        f"{GPU} has 89 °C while it idles, and slows itself down at 89 °C",
        nvml=only(temperature=89),
    ),
    *(
        fault(
            "gpu.temperature-idle",
            f"{GPU} tells {degrees} for its temperature, which cannot be",
            ERROR,
            nvml=only(temperature=degrees),
        )
        for degrees in (0, -12, 151, 255)
    ),
    fault(
        "gpu.temperature-idle",
        f"{GPU} tells no temperature: Unknown Error",
        ERROR,
        nvml=untold("temperature", "Unknown Error"),
    ),
    fault("gpu.power-limit", f"{GPU} may take 690 W, the profile wants 700 W", nvml=only(power_limit=690)),
    fault(
        "gpu.power-limit", f"{GPU} may take 705.5 W, the profile wants 700 W", nvml=only(power_limit=705.5)
    ),
    fault(
        "gpu.power-limit",
        f"{GPU} tells no power limit: Not Supported",
        ERROR,
        nvml=untold("power_limit", "Not Supported"),
    ),
    fault(
        "gpu.persistence",
        f"{GPU}: persistence mode is off, the profile wants it on",
        nvml=only(persistence=False),
    ),
    fault("gpu.mig", f"{GPU}: MIG is on, the profile wants it off", nvml=only(mig=True)),
    fault(
        "gpu.vbios",
        f"{GPU} has VBIOS 96.00.74, the profile accepts 96.00.89.00.01",
        nvml=only(vbios="96.00.74"),
    ),
    fault(
        "gpu.nvlink",
        f"{GPU} has 16 active NVLinks (not 3 and 9), the profile wants 18",
        nvml=only(nvlinks=tuple(NvLink(number=n, active=n not in (3, 9)) for n in range(18))),
    ),
    fault("gpu.nvlink", f"{GPU} has 0 active NVLinks, the profile wants 18", nvml=only(nvlinks=())),
    fault(
        "gpu.nvlink",
        f"{GPU} does not tell its NVLinks: Insufficient Resources",
        ERROR,
        nvml=untold("nvlinks", "Insufficient Resources"),
    ),
    fault(
        "gpu.nvlink",
        f"{GPU} has no NVLink, the profile wants 18",
        nvml=untold("nvlinks", "it has no NVLink"),
    ),
    fault(
        "pcie.path",
        f"PCI bridge 0000:18:1e.0, on the way to {GPU}, has a link of x8, it could have x16: reseat "
        "what is below it",
        scope="0000:18:1e.0",
        pcie=narrow(2, width=8),
    ),
    fault(
        "pcie.path",
        "PCI bridge 0000:18:1e.0 has a link of x63, which cannot be",
        ERROR,
        "0000:18:1e.0",
        pcie=narrow(2, width=63),
    ),
    fault(
        "pcie.path",
        f"{GPU} has a link of x63, which cannot be",
        ERROR,
        FIRST,
        replace(FULL, gpus=(replace(H100, link_width=0),)),
        pcie=narrow(0, width=63),
    ),
    fault("pcie.path", "the host's PCI functions were not read", SKIPPED, "host", pcie=None),
    fault(
        "pcie.aer-fatal",
        "PCI bridge 0000:18:1f.0 has counted 2 fatal PCIe errors: reseat it and its riser",
        scope="0000:18:1f.0",
        pcie=narrow(1, aer_fatal=2),
    ),
    fault(
        "pcie.aer-nonfatal",
        f"{GPU} has counted 1 uncorrected PCIe errors that are not fatal: reseat it and its riser",
        WARN,
        pcie=narrow(0, aer_nonfatal=1),
    ),
    fault(
        "pcie.replays",
        f"{GPU} has 11 PCIe replays, the profile allows 10: reseat it",
        nvml=only(replays=11),
    ),
    *(
        fault("kernel.log", sentence, ERROR, "host", kernel_log=logged(state=state))
        for state, sentence in (
            ("closed", "the kernel's log is closed to the user who reads it"),
            ("cut", "the kernel's log has lost its beginning: what was first since boot is not known"),
            ("error", "the kernel's log cannot be read"),
        )
    ),
    fault("kernel.log", "the kernel's log was not read", SKIPPED, "host", kernel_log=None),
    fault(
        "kernel.xid",
        f"{GPU} has Xid 79 (the GPU has fallen off the bus; hardware), 2 times",
        kernel_log=logged((79, FIRST), (79, FIRST)),
    ),
    fault(
        "kernel.xid",
        f"GPU 0000:ff:00 has Xid 119 ({xids.MEANINGS[119].what}; driver)",
        scope="0000:ff:00",
        kernel_log=logged((119, "0000:ff:00"), text="pid=7, name=SXid, a process may be called so"),
    ),
    fault(
        "kernel.xid",
        f"a GPU has Xid 999 ({xids.UNKNOWN.what}; unknown)",
        scope="host",
        kernel_log=logged((999, "")),
    ),
    fault(
        "kernel.xid",
        "the kernel's log was not read whole: see kernel.log",
        SKIPPED,
        "host",
        kernel_log=logged(state="cut"),
    ),
    fault(
        "kernel.xid-application",
        f"{GPU} has Xid 31 (page fault of the GPU's memory; application)",
        WARN,
        kernel_log=logged((31, "0000:18:00")),
    ),
    fault(
        "nvswitch.sxid",
        "NVSwitch 0000:c1:00.0 has SXid 12028: SXid of NVSwitch nvidia-nvswitch0: Fatal, Link 32",
        scope="0000:c1:00.0",
        kernel_log=logged((12028, "0000:c1:00.0"), text="SXid of NVSwitch nvidia-nvswitch0: Fatal, Link 32"),
    ),
    fault(
        "nvswitch.sxid-nonfatal",
        "an NVSwitch has SXid 28006: SXid of NVSwitch nvidia-nvswitch3: Non-fatal, Link 46",
        WARN,
        "host",
        kernel_log=logged((28006, ""), text="SXid of NVSwitch nvidia-nvswitch3: Non-fatal, Link 46"),
    ),
    fault(
        "firmware.versions",
        "NVMe disk S5XX has firmware OLD, the profile accepts E2010600",
        WARN,
        "S5XX",
        firmware=FirmwareReport(
            parts=(
                FirmwarePart(part="bios", version="2.1"),
                FirmwarePart(part="nvme", place="S5XX", version="OLD"),
                FirmwarePart(part="nic", place="0000:01:00.0", version="20"),
            )
        ),
    ),
    fault(
        "firmware.versions",
        "no firmware version of a BIOS could be read",
        ERROR,
        "host",
        firmware=FirmwareReport(parts=(FirmwarePart(part="nvme", place="S5XX", version="E2010600"),)),
    ),
    fault("firmware.versions", "the firmware's versions were not read", SKIPPED, "host", firmware=None),
    fault(
        "container.gpus",
        f"a container sees 7 of 8 GPUs, not {GPU}",
        scope="host",
        container=Container(state="ok", before=UUIDS[1:], after=UUIDS[1:]),
    ),
    fault(
        "container.gpus",
        "a container sees 0 of 8 GPUs, not "
        + " and ".join(
            (
                ", ".join(f"GPU {place} in slot {n + 1}" for n, place in enumerate(PLACES[:7])),
                f"GPU {PLACES[7]} in slot 8",
            )
        ),
        scope="host",
        container=Container(state="ok"),
    ),
    fault("container.gpus", "no container was run", SKIPPED, "host", container=None),
    fault(
        "container.gpus",
        "the container could not be run: no runtime",
        ERROR,
        "host",
        container=Container(state="error", reason="no runtime"),
    ),
    fault(
        "container.reload",
        "after systemctl daemon-reload the container has lost 8 of 8 GPUs",
        scope="host",
        container=Container(state="ok", before=UUIDS),
    ),
    fault(
        "container.reload",
        "the host has no Docker",
        SKIPPED,
        "host",
        demanding("container.reload"),
        container=Container(state="no docker"),
    ),
    fault(
        "site.check",
        "the site's check nfs: no server",
        scope="nfs",
        expected=SITE,
        **with_site(SAID.model_copy(update={"status": "fail", "reason": "no server"})),
    ),
    fault("site.check", "the site's check nfs was not made", SKIPPED, "nfs", SITE),
    fault(
        "site.check",
        "the site's check nfs: its program is not the one that the profile approves",
        ERROR,
        "nfs",
        SITE,
        **with_site(SAID.model_copy(update={"sha256": "b" * 64})),
    ),
    fault(
        "site.check",
        "the site's check nfs: it did not end within 60 s",
        ERROR,
        "nfs",
        SITE,
        **with_site(SiteCheckReport(name="nfs", status="error", reason="it did not end within 60 s")),
    ),
    fault(
        "site.warning",
        "the site's check nfs warns: slow",
        WARN,
        "nfs",
        SITE,
        **with_site(SAID.model_copy(update={"status": "warn", "reason": "slow"})),
    ),
    fault(
        "burnin.run",
        "the burn-in was not made, or printed nothing that can be read",
        SKIPPED,
        "host",
        burnin=None,
    ),
    *(
        fault("burnin.run", sentence, ERROR, "host", burnin=burnin(**changes))
        for changes, sentence in (
            ({"state": "no torch"}, "the image has no torch, so the burn-in could not be made"),
            ({"state": "no gpu"}, "torch finds no GPU, so the burn-in could not be made"),
            ({"state": "cancelled"}, "the burn-in was ended before its time"),
            ({"state": "error", "reason": "out of memory"}, "the burn-in failed: out of memory"),
            ({"device": "cpu"}, "the burn-in ran on cpu, not on a GPU"),
            ({"device": ""}, "the burn-in ran on nobody knows what, not on a GPU"),
            ({"gpus": ()}, "the burn-in says that it went well, and names no GPU"),
        )
    ),
    fault(
        "burnin.run",
        "the burn-in has results of GPU-X, which NVML does not show",
        ERROR,
        "0000:99:00.0",
        burnin=burnin(gpus=(*burnin().gpus, BurninGpu(uuid="GPU-X", bus="0000:99:00.0"))),
    ),
    fault("burnin.run", f"{GPU} had no burn-in", SKIPPED, burnin=burnin(gpus=burnin().gpus[1:])),
    fault(
        "burnin.run",
        f"{GPU}: the test load was not made",
        SKIPPED,
        burnin=burnin(burnt(0, load=None)),
    ),
    fault(
        "burnin.run",
        f"{GPU}: the test h2d was left out (no time)",
        SKIPPED,
        burnin=burnin(burnt(0, h2d=broken("h2d", state="skipped", reason="no time"))),
    ),
    fault(
        "burnin.run",
        f"{GPU}: the test memory-pattern did nothing",
        SKIPPED,
        burnin=burnin(burnt(0, memory_pattern=broken("memory-pattern", iterations=0))),
    ),
    *(
        fault("burnin.run", f"copies from {GPU}: {words}", SKIPPED, burnin=burnin(peers=copies))
        for copies, words in (
            (peers()[1:], f"to {OTHER} none were made"),
            (
                peers(copied(0, 1, state="skipped", reason="no time")),
                f"to {OTHER} they were left out (no time)",
            ),
            (peers(copied(0, 1, iterations=0)), f"to {OTHER} nothing was measured"),
            (peers(copied(0, 1, value=None)), f"to {OTHER} nothing was measured"),
            (peers(copied(0, 1, value=0.0)), f"to {OTHER} 0 GB/s were measured, which cannot be"),
            (peers(copied(0, 1, value=1e9)), f"to {OTHER} 1e+09 GB/s were measured, which cannot be"),
            (
                peers()[4:],
                f"to {OTHER} none were made; to GPU {PLACES[2]} in slot 3 none were made; "
                f"to GPU {PLACES[3]} in slot 4 none were made; to GPU {PLACES[4]} in slot 5 none were made",
            ),
            (
                peers()[6:],
                f"to {OTHER} none were made; to GPU {PLACES[2]} in slot 3 none were made; "
                f"to GPU {PLACES[3]} in slot 4 none were made; to GPU {PLACES[4]} in slot 5 none were made; "
                "2 more",
            ),
        )
    ),
    fault(
        "burnin.run",
        "the burn-in has 2 results of copies from GPU-0 to GPU-1",
        ERROR,
        "host",
        burnin=burnin(peers=(*peers(), copied(0, 1))),
    ),
    *(
        fault(
            "burnin.run",
            f"{GPU}: the test h2d measured {words} GB/s, which cannot be",
            SKIPPED,
            burnin=burnin(burnt(0, h2d=value)),
            expected=UNLIMITED,
        )
        for value, words in ((0.0, "0"), (-3.5, "-3.5"), (1e9, "1e+09"))
    ),
    fault(
        "bandwidth.h2d",
        f"{GPU} copies from the host at 12.5 GB/s, the profile wants 45",
        burnin=burnin(burnt(0, h2d=12.5)),
    ),
    fault(
        "bandwidth.d2h",
        f"{GPU} copies to the host at 44.9 GB/s, the profile wants 45",
        burnin=burnin(burnt(0, d2h=44.9)),
    ),
    fault(
        "bandwidth.d2d",
        f"{GPU} copies within its memory at 1999 GB/s, the profile wants 2000",
        burnin=burnin(burnt(0, d2d=1999)),
    ),
    fault(
        "bandwidth.d2d",
        f"{GPU}: d2d was not measured",
        ERROR,
        "host",
        burnin=burnin(burnt(0, d2d=broken("d2d"))),
    ),
    fault(
        "matmul.rate",
        f"{GPU} multiplies bf16 matrices at 350 TFLOPS, the profile wants 500",
        burnin=burnin(burnt(0, matmul_bf16=350)),
    ),
    fault(
        "burnin.errors",
        f"{GPU}: matmul-fp16 counted 3 errors in 100 rounds",
        burnin=burnin(burnt(0, matmul_fp16=broken("matmul-fp16", errors=3)), exit_errors=0),
    ),
    fault(
        "burnin.errors",
        f"{GPU}: memory-pattern failed (illegal address)",
        burnin=burnin(
            burnt(0, memory_pattern=broken("memory-pattern", state="error", reason="illegal address"))
        ),
    ),
    fault(
        "burnin.errors",
        f"{GPU}: matmul-bf16 gave a result that is no number",
        burnin=burnin(burnt(0, matmul_bf16=broken("matmul-bf16", value=700.0, max_abs_error=float("nan")))),
    ),
    fault(
        "burnin.errors",
        "the burn-in ended with 4 errors, and names no test of them",
        scope="host",
        burnin=burnin(exit_errors=4),
    ),
    fault(
        "burnin.errors",
        "from GPU-0 to GPU-1: 7 words of 134217728 arrived otherwise than they were sent",
        scope="host",
        burnin=burnin(
            peers=peers(
                copied(
                    0,
                    1,
                    state="error",
                    errors=7,
                    reason="7 words of 134217728 arrived otherwise than they were sent",
                )
            ),
            exit_errors=7,
        ),
    ),
    fault(
        "burnin.errors",
        "from a GPU to another: 1 of its words arrived otherwise",
        scope="host",
        burnin=burnin(peers=(*peers(), PeerCopy(state="ok", errors=1))),
    ),
    fault(
        "burnin.errors",
        "the burn-in ended with 4 errors, and names no test of them",
        scope="host",
        burnin=burnin(
            exit_errors=4,
            nccl=Nccl(state="error", gpus=8, errors=2),
            dcgm=Dcgm(state="ok", tests=(DcgmTest(name="pcie", status="fail"),)),
        ),
    ),
    load_fault(
        "pcie.generation",
        f"{GPU} had a PCIe link of generation 4 under load, the profile wants 5: reseat it",
        pcie_generation_min_under_load=4,
    ),
    unwatched("pcie.generation", "PCIe generation", "pcie_generation_min_under_load"),
    load_fault(
        "pcie.width-load",
        f"{GPU} had a PCIe link of x8 under load, the profile wants x16: reseat it",
        pcie_width_min=8,
    ),
    unwatched("pcie.width-load", "PCIe width", "pcie_width_min"),
    load_fault(
        "pcie.width-load",
        f"{GPU}: PCIe width under load was 63, which cannot be",
        status=ERROR,
        pcie_width_min=63,
    ),
    *(
        load_fault(
            "pcie.generation",
            f"{GPU}: PCIe generation under load was {generation}, which cannot be",
            status=ERROR,
            pcie_generation_min_under_load=generation,
        )
        for generation in (0, 9, 15)
    ),
    *(
        fault(
            "gpu.temperature",
            f"{GPU}: temperature under load was {words}, which cannot be",
            ERROR,
            expected=expected,
            burnin=burnin(burnt(0, watch=loaded(temperature_max=degrees))),
        )
        for expected in (FULL, UNLIMITED)
        for degrees, words in ((0.0, "0"), (-40.0, "-40"), (150.5, "150.5"))
    ),
    unwatched("gpu.temperature", "temperature", "temperature_max"),
    load_fault("gpu.throttle-load", f"{GPU} was slowed under load: hardware thermal slowdown", throttle=0x44),
    unwatched("gpu.throttle-load", "why clocks were slowed", "throttle"),
    load_fault(
        "gpu.ecc-load", f"{GPU}: 2 errors of memory under load that ECC could not correct", ecc_uncorrected=2
    ),
    load_fault(
        "gpu.temperature", f"{GPU} reached 86 °C under load, the profile allows 85", temperature_max=86
    ),
    load_fault(
        "pcie.replays-load",
        f"{GPU} had 11 PCIe replays under load, the profile allows 10: reseat it",
        replays=11,
    ),
    fault(
        "nccl.run",
        "NCCL counted 2 wrong results",
        scope="host",
        burnin=burnin(nccl=Nccl(state="ok", gpus=8, errors=2, bus_gbps=450)),
    ),
    *(
        fault("nccl.run", sentence, ERROR, "host", burnin=burnin(nccl=report))
        for report, sentence in (
            (
                Nccl(state="insufficient resources", gpus=8, bus_gbps=450),
                "NCCL ended with 'insufficient resources': no reason given",
            ),
            (Nccl(state="ok", gpus=7, bus_gbps=450), "NCCL ran over 7 of 8 GPUs"),
            (Nccl(state="ok", gpus=8), "NCCL says that it went well, and has measured nothing"),
            (Nccl(state="ok", gpus=8, bus_gbps=2e5), "NCCL has measured 200000 GB/s, which cannot be"),
        )
    ),
    fault(
        "nccl.run",
        "NCCL has measured -1 GB/s, which cannot be",
        ERROR,
        "host",
        UNLIMITED,
        burnin=burnin(nccl=Nccl(state="ok", gpus=8, bus_gbps=-1)),
    ),
    fault("nccl.run", "NCCL was not run", SKIPPED, "host", burnin=burnin(nccl=None)),
    fault(
        "nccl.bandwidth",
        "NCCL moves 299 GB/s between the GPUs, the profile wants 300",
        scope="host",
        burnin=burnin(nccl=Nccl(state="ok", gpus=8, bus_gbps=299)),
    ),
    fault(
        "dcgm.tests",
        "DCGM's test pcie failed: no reason given",
        scope="host",
        burnin=burnin(dcgm=Dcgm(state="ok", tests=(DcgmTest(name="pcie", status="Fail"),))),
    ),
    fault(
        "dcgm.tests",
        "DCGM left out memory and diagnostic",
        SKIPPED,
        "host",
        burnin=burnin(
            dcgm=Dcgm(
                state="ok",
                tests=(
                    DcgmTest(name="software", status="PASS"),
                    DcgmTest(name="memory", status="Skip"),
                    DcgmTest(name="diagnostic", status="Skip", warnings=("not for this GPU",)),
                ),
            )
        ),
    ),
    fault(
        "dcgm.tests",
        "DCGM says that it went well, and names no test",
        ERROR,
        "host",
        burnin=burnin(dcgm=Dcgm(state="ok")),
    ),
    fault(
        "dcgm.tests",
        "DCGM's test memory could not be made: out of memory",
        ERROR,
        "host",
        burnin=burnin(
            dcgm=Dcgm(
                state="ok", tests=(DcgmTest(name="memory", status="error", warnings=("out of memory",)),)
            ),
            exit_errors=1,
        ),
    ),
    fault(
        "dcgm.tests",
        "DCGM's diagnosis failed: no hostengine",
        ERROR,
        "host",
        burnin=burnin(dcgm=Dcgm(state="error", reason="no hostengine")),
    ),
    fault(
        "dcgm.tests",
        "DCGM is not installed",
        SKIPPED,
        "host",
        demanding("dcgm.tests"),
        burnin=burnin(dcgm=Dcgm(state="missing")),
    ),
    fault(
        "dcgm.warnings",
        "DCGM's test software warns: persistence mode; page retirement",
        WARN,
        "host",
        burnin=burnin(
            dcgm=Dcgm(
                state="ok",
                tests=(
                    DcgmTest(
                        name="software", status="Warn", warnings=("persistence mode", "page retirement")
                    ),
                ),
            )
        ),
    ),
)


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: f"{one.check}: {one.sentence[:40]}")
def test_each_fault_is_found_by_its_check_and_told_in_its_sentence(one: Fault) -> None:
    results = judge(one.seen(), one.expected)
    [bad] = [each for each in of(one.check, results) if each.status is not Status.PASS]
    assert (bad.status, bad.reason, bad.scope) == (one.status, one.sentence, one.scope)
    assert bad.action, "who is told a fault is told what to do"
    wanted = {FAIL: "rejected", ERROR: "incomplete", SKIPPED: "incomplete"}
    is_advice = bad.severity is Severity.ADVISORY
    assert reach_verdict(results).status == ("accepted_with_warnings" if is_advice else wanted[one.status])


def test_every_check_of_the_table_is_shown_finding_something() -> None:
    """A miss of each; that the log was read and the burn-in made is no miss, and still never a pass."""
    found = {one.check for one in FAULTS if one.status in (FAIL, WARN)}
    assert {check.id for check in CHECKS} - found == {"kernel.log", "burnin.run"}
    assert {one.check for one in FAULTS} == {check.id for check in CHECKS}
    assert len(CHECKS) > 40 and len({check.id for check in CHECKS}) == len(CHECKS)


def test_what_a_profile_may_require_is_what_is_not_required_anyway() -> None:
    assert set(ON_DEMAND) == {check.id for check in CHECKS if check.is_on_demand}


@pytest.mark.parametrize(("expected", "least"), [(QUICK, 25), (FULL, 40)])
def test_a_healthy_host_is_accepted_and_each_check_says_so(expected: Expected, least: int) -> None:
    results = judge(evidence(), expected)
    verdict = reach_verdict(results)
    assert verdict.status == "accepted" and verdict.counts[Status.PASS] >= least
    assert {each.id for each in results} == {check.id for check in CHECKS}
    assert {each.status for each in results} == {Status.PASS, Status.NOT_APPLICABLE}
    assert all(each.reason and not each.action for each in results)


def test_checks_come_in_the_order_of_their_stages_and_say_where_they_come_from() -> None:
    stages = [each.stage for each in judge(evidence(), FULL)]
    assert stages == sorted(stages, key=list(CheckStage).index)
    for check in CHECKS:
        assert check.title and check.task and check.source and check.action and check.threshold, check.id


def test_the_same_evidence_is_judged_the_same_twice() -> None:
    for one in FAULTS:
        assert judge(one.seen(), one.expected) == judge(one.seen(), one.expected)


SANE = {check.id for check in CHECKS if check.stage is CheckStage.SANITY}


def test_a_failed_sanity_check_leaves_the_later_stages_out_and_says_which_it_was() -> None:
    results = judge(evidence(only(width=8, throttle=0x40)), FULL)
    later = [each for each in results if each.id not in SANE]
    assert {each.status for each in later} == {Status.SKIPPED}
    assert {each.reason for each in later} == {"it was left out, as gpu.link-width failed"}
    told = [task.name for task in tasks(results) if task.result != "ok"]
    assert told == ["gpu link"], "who is rejected is told why, and not what was left out for it"


def test_what_was_found_later_leaves_nothing_out() -> None:
    results = judge(evidence(only(throttle=0x40)), FULL)
    assert [each.id for each in results if each.status is FAIL] == ["gpu.throttle"]
    assert not [each for each in results if each.status is SKIPPED]


@pytest.mark.parametrize("level", list(Level))
def test_a_level_has_its_checks_and_those_of_the_levels_below(level: Level) -> None:
    levels = list(Level)
    results = judge(evidence(), replace(FULL, acceptance=Requirements(level=level, limits=LIMITS)))
    for check in CHECKS:
        [*made] = of(check.id, results)
        is_later = levels.index(check.level) > levels.index(level)
        said = f"it is made from level {check.level} on, this is {level}"
        assert [each.reason == said for each in made] == [is_later] * len(made), check.id
        assert not is_later or {each.status for each in made} == {Status.NOT_APPLICABLE}


def test_what_has_no_limit_is_measured_and_not_judged_and_says_so() -> None:
    bare = replace(FULL, acceptance=Requirements(level=Level.FULL))
    slow = burnin(
        *(burnt(n, h2d=1, d2h=1, d2d=1, watch=loaded(temperature_max=120, replays=99)) for n in range(8))
    )
    results = judge(evidence(only(replays=99, ecc_volatile_corrected=9999), burnin=slow), bare)
    assert reach_verdict(results).status == "accepted"
    for check, value in {
        "bandwidth.h2d": 1,
        "bandwidth.d2d": 1,
        "gpu.temperature": 120,
        "pcie.replays-load": 99,
        "pcie.replays": 99,
        "gpu.ecc-corrected": 9999,
    }.items():
        [each] = of(check, results)
        assert each.status is Status.NOT_APPLICABLE and "not judged" in each.reason
        assert isinstance(each.observed, dict) and each.observed[FIRST] == value
    [rates] = of("matmul.rate", results)
    assert isinstance(rates.observed, dict) and rates.observed[FIRST] == {
        "matmul-fp32": 51.0,
        "matmul-fp16": 690.0,
        "matmul-bf16": 700.0,
    }
    [nccl] = of("nccl.bandwidth", results)
    assert nccl.observed == 450


def test_a_profile_that_says_nothing_of_a_gpu_has_nothing_judged_of_it() -> None:
    plain = replace(QUICK, gpus=(replace(H100, **NOTHING),), firmware=AcceptedFirmware())
    odd = only(
        memory=1,
        width=8,
        power_limit=1,
        mig=True,
        persistence=False,
        vbios="x",
        nvlinks=None,
        ecc=True,
    )
    results = judge(evidence(odd, pcie=narrow(0, width=8, width_max=8)), plain)
    assert reach_verdict(results).status == "accepted"
    said = {each.id: each.reason for each in results if each.status is Status.NOT_APPLICABLE}
    for check in (
        "gpu.memory",
        "gpu.link-width",
        "gpu.power-limit",
        "gpu.mig",
        "gpu.persistence",
        "gpu.vbios",
    ):
        assert said[check].startswith("the profile "), check
    assert said["gpu.nvlink"] == "the profile names no NVLinks"
    assert said["firmware.versions"] == "the profile names no firmware"


NOTHING: dict[str, Any] = {
    "memory_min": 0,
    "link_width": 0,
    "link_generation": 0,
    "ecc": None,
    "nvlinks": 0,
    "power_limit": 0,
    "mig": None,
    "persistence": None,
    "vbios": (),
}


def test_gpus_that_have_no_such_thing_are_not_asked_for_it() -> None:
    """A GeForce: no ECC, no rows to remap, no NVLink."""
    lacks = ("ecc", "ecc_volatile_uncorrected", "ecc_aggregate_uncorrected", "remap_pending", "remap_failed")
    changes = {**dict.fromkeys(lacks), "errors": NO_PAGES | dict.fromkeys(lacks, "Not Supported")}
    report = nvml(*(gpu(number, **changes) for number in range(8)))
    plain = replace(QUICK, gpus=(replace(H100, **NOTHING),), acceptance=Requirements())
    results = judge(evidence(report), plain)
    assert reach_verdict(results).status == "accepted"
    for check in ("gpu.ecc-mode", "gpu.ecc-errors", "gpu.ecc-history", "gpu.row-remap", "gpu.retired-pages"):
        assert [each.status for each in of(check, results)] == [Status.NOT_APPLICABLE], check


def test_without_a_gpu_driver_only_the_host_is_judged() -> None:
    results = judge(Evidence(evidence().facts), replace(QUICK, gpu_driver="", gpus=()))
    assert {each.id for each in results} == {check.id for check in CHECKS if not check.is_of_gpus}


def test_what_is_advice_elsewhere_fails_a_host_whose_profile_requires_it() -> None:
    old = evidence(only(ecc_aggregate_uncorrected=3))
    assert reach_verdict(judge(old, FULL)).status == "accepted_with_warnings"
    results = judge(old, demanding("gpu.ecc-history"))
    assert reach_verdict(results).status == "rejected"
    assert [each.severity for each in of("gpu.ecc-history", results)] == [Severity.REQUIRED]


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ("container.gpus", evidence(container=Container(state="no docker"))),
        ("container.reload", evidence(container=Container(state="no image", reason="none is there"))),
        ("dcgm.tests", evidence(burnin=burnin(dcgm=Dcgm(state="unsupported")))),
        ("dcgm.warnings", evidence(burnin=burnin(dcgm=None))),
    ],
)
def test_what_a_host_does_not_have_is_missed_only_where_its_profile_requires_it(
    check: str, seen: Evidence
) -> None:
    results = judge(seen, FULL)
    assert reach_verdict(results).status == "accepted"
    assert [each.status for each in of(check, results)] == [Status.NOT_APPLICABLE]
    results = judge(seen, demanding(check))
    assert (reach_verdict(results).status, reach_verdict(results).blocking) == ("incomplete", (check,))


@pytest.mark.parametrize("mask", [0, 0x1, 0x2, 0x4, 0x10, 0x100, 0x117, 0x10000])
def test_a_gpu_that_idles_or_keeps_its_power_limit_is_not_slowed(mask: int) -> None:
    seen = evidence(only(throttle=mask), burnin=burnin(burnt(0, watch=loaded(throttle=mask))))
    assert reach_verdict(judge(seen, FULL)).status == "accepted"


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0, "none"),
        (0x1, "GPU idle"),
        (0x84, "software power cap, hardware power brake"),
        (0x10001, "GPU idle, 0x10000"),
    ],
)
def test_a_mask_of_nvml_is_told_in_words(mask: int, words: str) -> None:
    assert gpu_health.reasons_of(mask) == words


def test_heat_and_power_have_each_their_cure() -> None:
    assert "too hot" in gpu_health.cure(0x40) and "too hot" in gpu_health.cure(0x28)
    assert "power supplies" in gpu_health.cure(0x80)


@pytest.mark.parametrize("reading", [0.5, 88.5])
def test_whatever_a_sensor_can_tell_is_taken_for_a_temperature(reading: float) -> None:
    for slowdown in (89, None, 0):
        seen = evidence(only(temperature=reading, temperature_slowdown=slowdown))
        assert reach_verdict(judge(seen, QUICK)).status == "accepted"
    for most in (0.5, 150.0):
        warm = evidence(burnin=burnin(burnt(0, watch=loaded(temperature_max=most))))
        assert reach_verdict(judge(warm, UNLIMITED)).status == "accepted"


def test_a_slowdown_that_cannot_be_judges_no_temperature() -> None:
    for slowdown in (None, 0, 255):
        seen = evidence(only(temperature=149, temperature_slowdown=slowdown))
        assert reach_verdict(judge(seen, QUICK)).status == "accepted"


def test_the_largest_and_the_newest_that_can_be_are_taken() -> None:
    most = burnin(
        burnt(0, h2d=1e5, matmul_fp32=1e6, watch=loaded(pcie_width_min=32, pcie_generation_min_under_load=8)),
        peers=peers(copied(0, 1, value=1e5)),
        nccl=Nccl(state="ok", gpus=8, bus_gbps=1e5),
    )
    seen = evidence(only(width=32, width_max=32, memory=1 << 44), burnin=most)
    assert reach_verdict(judge(seen, FULL)).status == "accepted"


@pytest.mark.parametrize("ring", [True, False])
def test_at_level_standard_copies_go_round_in_a_ring(ring: bool) -> None:
    """In the order of the burn-in, the last one to the first."""
    order = [3, 1, 0, 2, 4, 5, 6, 7]
    copies = tuple(copied(one, other) for one, other in zip(order, [*order[1:], order[0]], strict=True))
    gpus = tuple(burnt(number) for number in order)
    lacking = burnin(gpus=gpus, peers=copies if ring else copies[:-1])
    plain = replace(FULL, acceptance=Requirements(level=Level.STANDARD, limits=LIMITS))
    results = judge(evidence(burnin=lacking), plain)
    assert reach_verdict(results).status == ("accepted" if ring else "incomplete")
    [result] = of("burnin.run", results)
    fourth = f"GPU {PLACES[3]} in slot 4"
    words = f"copies from GPU {PLACES[7]} in slot 8: to {fourth} none were made"
    assert ring or (result.reason, result.scope) == (words, PLACES[7])


def test_no_copy_between_gpus_is_no_pass_at_any_level_that_makes_them() -> None:
    for level, each in ((Level.STANDARD, 1), (Level.FULL, 4), (Level.SOAK, 4)):
        none = burnin(level=level.value, seconds=20_000, peers=())
        wanted = replace(FULL, acceptance=Requirements(level=level, limits=LIMITS))
        results = judge(evidence(burnin=none), wanted)
        said = of("burnin.run", results)
        assert [one.scope for one in said] == list(PLACES)
        assert {one.reason.count("none were made") for one in said} == {each}
        assert reach_verdict(results).status == "incomplete"


def test_a_copy_that_failed_is_told_once() -> None:
    broken_copy = copied(0, 1, state="error", iterations=0, value=None, reason="peer access")
    results = judge(evidence(burnin=burnin(peers=peers(broken_copy), exit_errors=1)), FULL)
    assert [(each.id, each.reason) for each in results if each.status is not Status.PASS] == [
        *((each.id, each.reason) for each in results if each.status is Status.NOT_APPLICABLE),
        ("burnin.errors", "from GPU-0 to GPU-1: peer access"),
    ]
    assert reach_verdict(results).status == "rejected"


@pytest.mark.parametrize(("limit", "is_good"), [(695, True), (705, True), (694.9, False), (705.1, False)])
def test_the_power_limit_has_its_tolerance(limit: float, is_good: bool) -> None:
    [result] = of("gpu.power-limit", judge(evidence(only(power_limit=limit)), QUICK))
    assert (result.status is Status.PASS) is is_good


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({"burnin": burnin(burnt(0, h2d=45.0, d2d=2000.0))}, True),
        ({"burnin": burnin(burnt(0, watch=loaded(temperature_max=85, replays=10)))}, True),
        ({"burnin": burnin(nccl=Nccl(state="ok", gpus=8, bus_gbps=300))}, True),
        ({"report": only(replays=10, ecc_volatile_corrected=100)}, True),
        ({"burnin": burnin(burnt(0, watch=loaded(temperature_max=85.5)))}, False),
    ],
)
def test_a_limit_that_is_reached_to_the_digit_is_kept(changes: dict[str, Any], is_good: bool) -> None:
    assert (reach_verdict(judge(evidence(**changes), FULL)).status == "accepted") is is_good


def test_a_bridge_before_several_gpus_is_told_once_with_all_of_them() -> None:
    shared = [
        hop.model_copy(update={"parent": "0000:18:1e.0"} if place == 1 else {})
        for place, hop in enumerate(way(1))
    ]
    functions = (
        *(hop.model_copy(update={"width": 4} if place == 2 else {}) for place, hop in enumerate(way(0))),
        *shared[:2],
        *(hop for number in range(2, 8) for hop in way(number)),
    )
    report = evidence().gpu.pcie
    assert report
    [result] = of(
        "pcie.path", judge(evidence(pcie=report.model_copy(update={"functions": functions})), QUICK)
    )
    assert result.reason == (
        f"PCI bridge 0000:18:1e.0, on the way to {GPU} and GPU {SECOND} in slot 2, has a link of x4, "
        "it could have x16: reseat what is below it"
    )


@pytest.mark.parametrize(
    ("place", "changes", "is_good"),
    [
        (2, {"width": 8, "width_max": 8}, True),  # nobody can do more
        (2, {"width": None}, True),  # it does not tell
        (2, {"width": 0}, True),  # no link
        (1, {"width": 8}, True),  # the upper end: the GPU's own link is told by NVML
        (3, {"width": 8}, True),  # the upper end of the next link
        (0, {"width": 8}, True),
        (2, {"width": 12}, False),
        (2, {"width": 15}, False),  # no link has so many
        (2, {"parent": "0000:18:1e.0", "width": 8}, False),  # it leads to itself
    ],
)
def test_each_link_of_the_way_is_judged_once(place: int, changes: dict[str, Any], is_good: bool) -> None:
    [result] = of("pcie.path", judge(evidence(pcie=narrow(place, **changes)), QUICK))
    assert (result.status is Status.PASS) is is_good, result.reason


def test_a_gpus_own_link_is_judged_by_sysfs_where_the_profile_names_no_lanes() -> None:
    plain = replace(QUICK, gpus=(replace(H100, link_width=0),))
    [result] = of("pcie.path", judge(evidence(pcie=narrow(0, width=8)), plain))
    assert result.reason == f"{GPU} has a link of x8, it could have x16: reseat what is below it"


def test_a_way_that_was_not_read_is_said() -> None:
    report = evidence().gpu.pcie
    assert report
    without = report.model_copy(update={"functions": report.functions[4:]})
    [result] = of("pcie.path", judge(evidence(pcie=without), QUICK))
    assert (result.status, result.reason) == (SKIPPED, f"the way to GPU {FIRST} was not read")


@pytest.mark.parametrize(
    ("slot", "words"),
    [("3", " in slot 3"), ("PCIe Slot 3", " in PCIe Slot 3"), ("GPU5", " in slot GPU5"), ("", "")],
)
def test_a_gpu_is_named_by_the_slot_of_its_way(slot: str, words: str) -> None:
    for place in (0, 1):  # the slot driver names the port above
        pcie = narrow(place, slot=slot)
        pcie = pcie.model_copy(
            update={
                "functions": tuple(
                    hop.model_copy(update={"slot": ""}) if place and hop.bus == FIRST else hop
                    for hop in pcie.functions
                )
            }
        )
        [result] = of("gpu.memory", judge(evidence(only(memory=0), pcie=pcie), QUICK))
        assert result.reason.startswith(f"GPU {FIRST}{words} has 0 GiB")


def test_one_gpu_needs_no_nccl() -> None:
    one = replace(FULL, gpus=(replace(H100, count=1),))
    alone = burnin(gpus=(burnt(0),), peers=(), nccl=None)
    container = Container(state="ok", before=UUIDS[:1], after=UUIDS[:1])
    results = judge(evidence(nvml(gpu(0), graphics=()), burnin=alone, container=container), one)
    assert [each.reason for each in of("nccl.run", results)] == ["the host has one GPU"]
    assert of("nccl.run", results)[0].status is Status.NOT_APPLICABLE
    [made] = of("burnin.run", results)
    assert made.status is Status.PASS, "nor anybody to copy to"


def test_the_tests_of_the_burn_in_are_those_of_its_level_and_of_its_limits() -> None:
    short = burnin(*(burnt(n, load=None, memory_pattern=None, d2d=None, matmul_bf16=None) for n in range(8)))
    plain = replace(FULL, acceptance=Requirements(level=Level.STANDARD))
    assert reach_verdict(judge(evidence(burnin=short), plain)).status == "accepted"
    limited = Requirements(level=Level.STANDARD, limits=Limits(matmul_tflops={"bf16": 1}, d2d_gbps=1))
    [first, *_] = of("burnin.run", judge(evidence(burnin=short), replace(FULL, acceptance=limited)))
    assert first.reason == f"{GPU}: the test matmul-bf16 was not made; the test d2d was not made"
    soaked = short.model_copy(update={"level": "soak", "seconds": 20_000})
    full = judge(evidence(burnin=soaked), replace(FULL, acceptance=Requirements(level=Level.SOAK)))
    assert len(of("burnin.run", full)) == 8


TOO_LITTLE = {
    "a lower level": (
        {"level": "standard", "seconds": 90_000},
        "the burn-in ran at level standard, and soak was asked for",
    ),
    "no level": ({"level": ""}, "the burn-in ran at level unknown, and soak was asked for"),
    "another word": ({"level": "soaked"}, "the burn-in ran at level soaked, and soak was asked for"),
    "a short soak": (
        {"level": "soak", "seconds": 43_100},
        "the burn-in took 11 h 58 m, and a soak of 24 h 00 m was asked for",
    ),
    "a soak before its beginning": (
        {"level": "soak", "seconds": -90_000},
        "the burn-in took -90000 s, and a soak of 24 h 00 m was asked for",
    ),
}


@pytest.mark.parametrize(("changes", "words"), TOO_LITTLE.values(), ids=list(TOO_LITTLE))
def test_a_burn_in_that_was_less_than_was_asked_for_proves_nothing(
    changes: dict[str, Any], words: str
) -> None:
    day = replace(FULL, acceptance=Requirements(level=Level.SOAK, soak_seconds=86_400, limits=LIMITS))
    results = judge(evidence(burnin=burnin(**changes)), day)
    assert [each.reason for each in of("burnin.run", results)] == [words]
    assert reach_verdict(results).status == "incomplete"
    enough = burnin(level="soak", seconds=86_500)
    assert reach_verdict(judge(evidence(burnin=enough), day)).status == "accepted"


def test_of_two_results_that_differ_none_is_taken_for_the_right_one() -> None:
    """The errors of the one would be hidden by the other, where the program's own count is wrong, too."""
    wrong = burnt(0, h2d=BurninTest(name="h2d", state="error", errors=5, iterations=9))
    whole = burnin()
    twice = whole.model_copy(update={"gpus": (wrong, *whole.gpus)})
    [result] = of("burnin.run", judge(evidence(burnin=twice), FULL))
    assert (result.status, result.reason) == (ERROR, f"the burn-in has 2 results of GPU {UUIDS[0]}")
    good = whole.gpus[0]
    again = good.model_copy(update={"tests": (*good.tests, *good.tests[:1])})
    [result] = of("burnin.run", judge(evidence(burnin=burnin(again)), FULL))
    words = f"the burn-in has 2 results of the test {good.tests[0].name} of GPU {good.bus}"
    assert (result.status, result.reason) == (ERROR, words)


def test_a_gpu_that_is_counted_twice_stands_for_no_other() -> None:
    """Each tells a UUID of its own, and the count is right."""
    twice = nvml(*map(gpu, range(7)), gpu(7, bus=FIRST))
    shown = twice.model_copy(update={"graphics": twice.graphics[:7]})
    results = judge(evidence(shown), QUICK)
    [result] = of("gpu.bus", results)
    assert (result.status, result.reason) == (FAIL, f"NVML shows 2 GPUs at the place {FIRST} in slot 1")
    assert reach_verdict(results).status == "rejected"


def test_a_gpu_that_is_nowhere_on_the_bus_proves_nothing() -> None:
    """NVML tells of eight, and the kernel has no function of the last."""
    shown = nvml().model_copy(update={"graphics": ()})
    whole = evidence().gpu.pcie
    assert whole
    known = tuple(one for one in whole.functions if one.bus != PLACES[7])
    results = judge(evidence(shown, pcie=whole.model_copy(update={"functions": known})), QUICK)
    assert reach_verdict(results).status == "incomplete"
    assert "pcie.path" in {each.id for each in results if each.is_blocking}


def test_a_machine_without_a_gpu_that_claims_results_proves_nothing() -> None:
    claimed = evidence(nvml(state="no module", gpus=(), graphics=()))
    results = judge(claimed, FULL)
    assert reach_verdict(results).status == "rejected"
    assert not [
        each for each in results if each.id.startswith(("burnin", "bandwidth")) and each.status is Status.PASS
    ]
    elsewhere = burnin(
        gpus=tuple(burnt(n).model_copy(update={"uuid": f"GPU-of-another-{n}"}) for n in range(8))
    )
    results = judge(evidence(burnin=elsewhere), FULL)
    assert reach_verdict(results).status == "incomplete"
    assert not [
        each for each in results if each.id.startswith(("burnin", "bandwidth")) and each.status is Status.PASS
    ]


@pytest.mark.parametrize("state", ["no torch", "no gpu", "cancelled", "error"])
def test_a_burn_in_that_did_not_end_well_proves_nothing_whatever_it_says(state: str) -> None:
    results = judge(evidence(burnin=burnin(state=state)), FULL)
    of_load = [each for each in results if each.id in LOAD]
    assert {each.id for each in of_load} == LOAD and reach_verdict(results).status == "incomplete"
    assert {each.status for each in of_load} == {SKIPPED}
    assert {each.reason for each in of_load} == {"the burn-in was not made: see burnin.run"}


LOAD = {
    *("burnin.errors", "bandwidth.h2d", "bandwidth.d2h", "bandwidth.d2d"),
    *("pcie.generation", "pcie.width-load", "pcie.replays-load"),
    *("gpu.throttle-load", "gpu.ecc-load", "gpu.temperature"),
}


def test_a_result_without_a_uuid_is_nobodys() -> None:
    blank = burnin(burnt(0).model_copy(update={"uuid": ""}))
    reasons = [each.reason for each in of("burnin.run", judge(evidence(burnin=blank), FULL))]
    assert reasons == [
        f"the burn-in has results of {FIRST}, which NVML does not show",
        f"{GPU} had no burn-in",
    ]


def test_no_result_of_a_check_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioner.verify.judge import judgement

    silent = replace(CHECKS[0], findings=lambda seen: ())
    monkeypatch.setattr(judgement, "CHECKS", (silent,))
    [result] = judge(evidence(), FULL)
    assert (result.status, result.reason) == (ERROR, "the check came to no result")


def test_each_result_has_its_word_in_the_story() -> None:
    seen = evidence(only(ecc_aggregate_uncorrected=3), kernel_log=logged(state="closed"))
    told = {task.name: (task.result, bool(task.action)) for task in tasks(judge(seen, QUICK))}
    assert told["gpu uuid"] == ("ok", False)
    assert told["gpu ecc history"] == ("warning", True)
    assert told["kernel log"] == told["xid"] == ("unproved", True)
    assert told["sxid that is not fatal"] == ("warning", True)
    assert "pci" not in told and "burn-in" not in told, "what does not apply is not told"
    seen = evidence(only(throttle=0x40))
    assert [task.result for task in tasks(judge(seen, QUICK)) if task.name == "gpu throttle"] == ["deviation"]


def test_what_names_a_thing_of_several_is_told_with_its_name() -> None:
    expected = replace(SITE, pci=(PciDevice("15b3:1021", 0),))
    told = {task.name: task.result for task in tasks(judge(evidence(site_checks=(SAID,)), expected))}
    assert told["pci 15b3:1021"] == told["site check nfs"] == "ok"


@pytest.mark.parametrize("number", [*xids.MEANINGS, 999])
def test_each_xid_has_a_meaning_a_class_and_an_action(number: int) -> None:
    meaning = xids.meaning(number)
    assert meaning.what and meaning.action and meaning.category in ("application", "hardware", "driver")
    check = "kernel.xid-application" if meaning.category == "application" else "kernel.xid"
    [result] = of(check, judge(evidence(kernel_log=logged((number, "0000:18:00"))), QUICK))
    assert (result.observed, result.action) == (number, meaning.action)
    assert f"Xid {number} ({meaning.what}; " in result.reason


@pytest.mark.parametrize(
    ("number", "category"),
    [
        *((number, "application") for number in (13, 31, 43, 45)),
        *((number, "hardware") for number in (48, 63, 64, 74, 79, 94, 95, 140, 143)),
        *((number, "driver") for number in (109, 119, 120, 154)),
    ],
)
def test_the_usual_xids_are_of_the_class_of_nvidias_document(number: int, category: str) -> None:
    assert xids.meaning(number).category == category


def test_a_report_has_each_xid_of_each_gpu_once() -> None:
    lines = [
        (79, "0000:18:00", 5.0),
        (79, "0000:18:00", 6.0),
        (79, "0000:2a:00", 7.0),
        (13, "", 8.0),
        (999, "", 9.0),
    ]
    switch = XidLine(number=28006, text="SXid of NVSwitch nvidia-nvswitch3: Non-fatal")
    xid_lines = [XidLine(number=number, bus=bus, at=at, text="NVRM: Xid") for number, bus, at in lines]
    log = KernelLog(state="ok", xids=(*xid_lines, switch))
    told = [(one.number, one.pci_bus_id, one.count, one.at, one.category) for one in xids.summarise(log)]
    assert told == [
        (79, "0000:18:00", 2, 5.0, "hardware"),
        (79, "0000:2a:00", 1, 7.0, "hardware"),
        (13, "", 1, 8.0, "application"),
        (999, "", 1, 9.0, "unknown"),
    ]


def test_the_burn_ins_report_is_its_last_line() -> None:
    report = burnin()
    text = f"h2d 55 GB/s\n1 of 8\n{report.model_dump_json()}\n"
    assert read_burnin(text) == report
    faulty = report.model_dump_json().replace('"max_abs_error":0.001', '"max_abs_error":NaN')
    read = read_burnin(faulty)
    assert read and reach_verdict(judge(evidence(burnin=read), FULL)).status == "rejected"


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "done", "[]", '{"state": "fine"}', '{"state": "ok", "gpus": 3}'),
        *('{"state": "ok"}\nTraceback', '{"state": "ok", "seconds": Infinity}', "[" * 100_000),
    ],
)
def test_anything_but_a_report_of_the_burn_in_is_not_read(text: str) -> None:
    assert read_burnin(text) is None


def test_a_site_checks_answer_is_read_and_bounded() -> None:
    assert read_site_check("nfs", SAID.model_dump_json()) == SAID
    assert read_site_check("nfs", '{"status": "fine"}') is None
    assert read_site_check("nfs", "[]") is None
    hostile = read_site_check(
        "nfs", '{"status": "fail", "name": "x", "reason": "\\u001b[2J", "observed": {"a": [1]}}'
    )
    assert hostile and "\x1b" not in hostile.reason
    assert (hostile.name, hostile.observed) == ("nfs", '{"a": [1]}')


def test_errors_that_nccl_and_dcgm_tell_of_are_told_once() -> None:
    tests = (DcgmTest(name="pcie", status="Fail"), DcgmTest(name="x", status="error"))
    several = burnin(
        nccl=Nccl(state="ok", gpus=8, errors=2, bus_gbps=450),
        dcgm=Dcgm(state="ok", tests=tests),
        exit_errors=4,
    )
    results = judge(evidence(burnin=several), FULL)
    assert {each.id for each in results if each.status in (FAIL, ERROR)} == {"nccl.run", "dcgm.tests"}
