"""The check of NVIDIA's driver: whether NVML answers, and which branch it is of."""

from collections import Counter
from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage
from provisioner.verify.evidence import GpuReport
from provisioner.verify.judge.finding import Check, Finding, good, miss, unproved
from provisioner.verify.judge.seen import Seen


def driver(seen: Seen) -> Iterator[Finding]:
    """NVML answers, and the driver is of the branch that the profile names."""
    if seen.evidence.gpu.nvml is None:
        yield unproved("nobody asked the host for its GPUs")
        return
    if fault := _silence(seen):
        yield miss(fault, "host", seen.report.state, "ok", "==")
        return
    version, branch = seen.report.driver or "of unknown version", seen.expected.gpu_driver
    sentence = f"NVIDIA driver {version}, the profile wants branch {branch}"
    is_good = version.split(".")[0] == branch
    yield good(sentence, version, branch) if is_good else miss(sentence, "host", version, branch, "==")


def is_bare(report: GpuReport) -> bool:
    """Whether the driver has nothing to drive, and so is not loaded."""
    return report.state == "not loaded" and not report.module and not report.graphics


def _silence(seen: Seen) -> str:
    """Why NVML answers nothing; empty where it does."""
    report = seen.report
    sentences = {
        "ok": f"NVML does not count its GPUs: {report.reason}" if report.reason else "",
        "no module": "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked",
        "another module": "the image has no nvidia-ml-py, so NVML cannot be asked; another Python module is "
        f"called pynvml: {report.reason}",
        "no library": f"NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA {_module(report)} "
        + ("is loaded" if report.module else "is not loaded either"),
        "not loaded": _not_reached(seen),
        "mismatch": _mismatch(report),
        "silent": f"NVML hangs ({report.reason}), as it does when a GPU has fallen off its bus",
        "killed": "the process that asked NVML died: its library or the driver is broken",
        "error": f"NVML does not start: {report.reason}",
    }
    return sentences[report.state]


def _module(report: GpuReport) -> str:
    return f"kernel module {report.module}" if report.module else "kernel module"


def _library(report: GpuReport) -> str:
    return f"NVML's library {report.library}" if report.library else "NVML's library"


def _not_reached(seen: Seen) -> str:
    """NVML says so as well where the module is there and /dev/nvidiactl is not."""
    report = seen.report
    if report.module:
        return (
            f"{_library(report)} does not reach the NVIDIA {_module(report)}, which is there: /dev/nvidiactl "
            "is missing, or closed to the user who asks"
        )
    if is_bare(report):
        wanted = seen.cards.named()
        return f"no GPU of NVIDIA's is on the PCI bus, {wanted} expected; its kernel module is not loaded"
    gpus = [card for card in report.graphics if card.bus not in seen.cards.screens]
    others = Counter(card.driver for card in gpus if card.driver not in ("", "nvidia"))
    instead = "".join(f", {_share(n, len(gpus))} the driver {name}" for name, n in sorted(others.items()))
    return f"the NVIDIA kernel module is not loaded{instead}, NVML's library is {report.library or 'there'}"


def _share(number: int, whole: int) -> str:
    if number == whole:
        return "its GPU has" if whole == 1 else "its GPUs have"
    return f"{number} of {whole} GPUs {'has' if number == 1 else 'have'}"


def _mismatch(report: GpuReport) -> str:
    if report.module and report.library and report.library.endswith(report.module):
        return (
            f"NVML says that module and library do not fit ({report.reason}), both are {report.module} now: "
            "restart the host"
        )
    return f"the NVIDIA {_module(report)} does not fit {_library(report)}"


CHECKS = (
    Check(
        "gpu.driver",
        "NVML answers, by the driver of the profile",
        "gpu driver",
        CheckStage.SANITY,
        "NVML",
        "take an image with the driver that the profile names, or correct the profile",
        driver,
        "`gpu_driver`",
    ),
)
