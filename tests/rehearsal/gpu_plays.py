"""What is played on a host with eight GPUs, and what its verification must say: a table for rehearse-gpus."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.domain.profile import Profile
from tests.rehearsal.programs.stand_for_gpus import Wanted
from tests.wire import nvmllab

GPU = "0x2330"  # the device of the GPUs in tests/golden/nvml
LANES = 16
NO_CHANGES: Mapping[str, Any] = {}
PLACE = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclass(frozen=True)
class Play:
    """A case of tests/golden/nvml, further changes of it, and what comes of them.

    `blocking` are checks, `sentences` what is said of them: `{0}` is the first GPU's place, in slot 1.
    `lanes` are sysfs's own words of a GPU's link, `profile` what another profile says, `lines`, `quoted` and
    `kernel_lines` what a program, the kernel in quotes and the kernel say in its log. `by`: what plays it.
    """

    name: str
    verdict: str
    blocking: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    case: str = "healthy"
    change: tuple[tuple[Any, ...], ...] = ()
    lanes: Mapping[int, int] = field(default_factory=dict)
    library: bool = True
    lines: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    kernel_lines: tuple[str, ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    by: str = "NVML"


FORGED = "NVRM: Xid (PCI:{1}): 79, pid=4711, name=forger, GPU has fallen off the bus."
QUOTED = "NVRM: Xid (PCI:{1}): 79"
HEALTHY = Play("healthy", "accepted", lines=(FORGED,), quoted=(QUOTED,), by="NVML, /dev/kmsg")
MISSING = Play(
    "missing",
    "rejected",
    ("gpu.count",),
    ("8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7; GPU {2} in slot 3 is gone since report {report}",),
    case="missing",
    by="PCI bus, NVML",
)
PLAYS = (
    MISSING,
    Play(
        "not-in-nvml",
        "rejected",
        ("gpu.bus",),
        ("GPU {2} in slot 3 (10de:2330, no driver bound) is on the PCI bus and missing from NVML",),
        case="not-in-nvml",
        by="sysfs, NVML",
    ),
    Play(
        "narrow-link",
        "rejected",
        ("gpu.link-width",),
        ("GPU {3} in slot 4 has a PCIe link of x8, the profile wants x16, it can x16: reseat it",),
        change=(("gpus", 3, "nvmlDeviceGetCurrPcieLinkWidth", 8),),
        lanes={3: 8},
        by="sysfs, NVML",
    ),
    Play(
        "uncorrectable-ecc",
        "rejected",
        ("gpu.ecc-errors", "gpu.row-remap"),
        (
            "GPU {4} in slot 5 has 2 errors of memory that ECC could not correct since its driver was loaded",
            "GPU {4} in slot 5: a row of its memory waits to be remapped, which the GPU's next reset does",
        ),
        case="uncorrectable-ecc",
    ),
    Play(
        "remap-pending",
        "rejected",
        ("gpu.row-remap",),
        ("GPU {2} in slot 3: a row of its memory waits to be remapped, which the GPU's next reset does",),
        case="remap-pending",
    ),
    Play(
        "mixed-ecc",
        "rejected",
        ("gpu.ecc-mode",),
        ("GPU {5} in slot 6: ECC is off, the profile wants it on",),
        case="mixed-ecc",
    ),
    Play(
        "thermal-throttle",
        "rejected",
        ("gpu.throttle", "gpu.temperature-idle"),
        (
            "GPU {1} in slot 2 is slowed while it idles: hardware slowdown, software thermal slowdown, "
            "hardware thermal slowdown",
            "GPU {1} in slot 2 has 89 °C while it idles, and slows itself down at 89 °C",
        ),
        case="thermal-throttle",
    ),
    Play(
        "wrong-driver",
        "rejected",
        ("gpu.driver",),
        ("NVIDIA driver 570.195.03, the profile wants branch 580",),
        case="wrong-branch",
    ),
    Play(
        "nvml-absent",
        "rejected",
        ("gpu.driver",),
        ("NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA kernel module is not loaded either",),
        library=False,
        by="no libnvidia-ml.so.1",
    ),
    Play("virtual-functions", "accepted", case="virtual-functions", by="sysfs"),
    Play(
        "mig-on",
        "rejected",
        ("gpu.mig",),
        ("GPU {6} in slot 7: MIG is on, the profile wants it off",),
        case="mig-on",
    ),
    Play(
        "firmware-drift",
        "rejected",
        ("firmware.versions",),
        ("BIOS {bios} has firmware {bios_version}, the profile accepts 9.9",),
        profile={"firmware": {"bios": ["9.9"]}, "acceptance": {"required": ["firmware.versions"]}},
        by="the profile",
    ),
    Play(
        "xid-79",
        "rejected",
        ("kernel.xid",),
        ("GPU {4} in slot 5 has Xid 79 (the GPU has fallen off the bus; hardware)",),
        kernel_lines=(
            "NVRM: Xid (PCI:{4}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        ),
        by="/dev/kmsg",
    ),
)
BY_NAME = {play.name: play for play in (HEALTHY, *PLAYS)}


@dataclass(frozen=True)
class Stage:
    """The host's own functions that stand for GPUs, in the order of their slots, and others beside them."""

    gpus: tuple[str, ...]
    others: tuple[str, ...]

    def at(self, place: str, known: Sequence[str]) -> str:
        """Where what a case has at a place is on the host; `known` are the places of a case's GPUs."""
        index = known.index(f"{place[:-1]}0")
        return self.gpus[index][:-1] + place[-1]


def known_places() -> list[str]:
    """Where the GPUs of the healthy case are."""
    return [one["place"] for one in nvmllab.load("healthy")["bus"] if one["device"] == GPU]


def case_of(play: Play, stage: Stage) -> dict[str, Any]:
    """The play's case with the host's own places."""
    case = nvmllab.changed(nvmllab.load(play.case), play.change)
    known = known_places()
    for gpu in case["gpus"]:
        if pci := gpu.get("nvmlDeviceGetPciInfo"):
            place = stage.at(pci["busIdLegacy"].lower(), known)
            domain, bus, rest = place.split(":")
            gpu["nvmlDeviceGetPciInfo"] = {
                **pci,
                "busIdLegacy": place.upper(),
                "domain": int(domain, 16),
                "bus": int(bus, 16),
                "device": int(rest[:2], 16),
                "busId": f"0000{place.upper()}",
            }
    bus = [one for one in case["bus"] if one["device"] == GPU]
    for one in bus:
        for name in ("place", "physfn"):
            if name in one:
                one[name] = stage.at(one[name], known)
    return {**case, "bus": bus}


def wanted(play: Play, stage: Stage) -> Wanted:
    """What the host's own program is told."""
    case = case_of(play, stage)
    functions = {one["place"]: _files(one, _lanes(play, stage, one["place"])) for one in case["bus"]}
    return {
        "functions": functions,
        "removed": [place for place in stage.gpus if place not in functions],
        "library": play.library,
        "lines": [_of_driver(line, stage) for line in play.lines],
        "quoted": [_of_driver(line, stage) for line in play.quoted],
        "kernel_lines": [_of_driver(line, stage) for line in play.kernel_lines],
    }


def _lanes(play: Play, stage: Stage, place: str) -> int:
    number = stage.gpus.index(place) if place in stage.gpus else -1
    return play.lanes.get(number, LANES)


def _files(one: Mapping[str, str], lanes: int) -> dict[str, str]:
    links = {name: one[name] for name in ("driver", "physfn") if one.get(name)}
    return {
        **{name: one[name] for name in ("vendor", "device", "class")},
        "current_link_width": str(lanes),
        "max_link_width": str(LANES),
        "current_link_speed": "32.0 GT/s PCIe",
        "max_link_speed": "32.0 GT/s PCIe",
        **links,
    }


def _of_driver(line: str, stage: Stage) -> str:
    """The driver names a GPU without its function."""
    return line.format(*(place.removesuffix(".0") for place in stage.gpus))


def sentences(play: Play, stage: Stage, **words: str) -> list[str]:
    """What must be said, with the host's own places."""
    return [sentence.format(*stage.gpus, **words) for sentence in play.sentences]


def profile_of(play: Play, usual: Profile) -> Profile:
    """The profile that holds while it is played."""
    return Profile.model_validate({**usual.model_dump(), **play.profile}) if play.profile else usual


NOTHING: Wanted = {
    "functions": {},
    "removed": [],
    "library": True,
    "lines": [],
    "quoted": [],
    "kernel_lines": [],
}
