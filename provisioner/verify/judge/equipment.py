"""Checks of what each GPU has: memory, PCIe lanes, ECC."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage
from provisioner.verify.judge.finding import Check, Finding, miss, needless
from provisioner.verify.judge.host import gib
from provisioner.verify.judge.inventory import answered, is_asked, switch, whole
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import Seen

# ECC takes up to 6.3 % of GDDR6; drivers before R510 count what they keep for themselves as missing, too: of
# a healthy T4 by 450 and 460 it is 7.8 %, of an A10 by 470 7.5 %
MEMORY_TOLERANCE = 0.08


@answered
def memory(seen: Seen) -> Iterator[Finding]:
    """The maker's gigabytes, less what the driver keeps and ECC takes."""
    faults = False
    for gpu, kind in seen.cards.pairs():
        if gpu.memory is not None and gpu.memory < kind.memory_min * (1 - MEMORY_TOLERANCE):
            faults = True
            words = f"{seen.place(gpu)} has {gib(gpu.memory)} of memory, the profile wants"
            yield miss(f"{words} {gib(kind.memory_min)}", gpu.bus, gpu.memory, kind.memory_min, ">=")
    if not faults:
        yield whole(seen, "memory", "every GPU has the profile's memory")


@answered
def link_width(seen: Seen) -> Iterator[Finding]:
    """Width only: the generation falls when the GPU idles."""
    faults = False
    for gpu, kind in seen.cards.pairs():
        if gpu.width is not None and is_possible("width", gpu.width) and gpu.width < kind.link_width:
            faults = True
            able = f", it can x{gpu.width_max}: reseat it" if (gpu.width_max or 0) > gpu.width else ""
            words = f"{seen.place(gpu)} has a PCIe link of x{gpu.width}, the profile wants"
            yield miss(f"{words} x{kind.link_width}{able}", gpu.bus, gpu.width, kind.link_width, ">=")
    if not faults:
        yield whole(seen, "width", "every GPU has the profile's PCIe lanes")


@answered
def ecc_mode(seen: Seen) -> Iterator[Finding]:
    """ECC as the profile says; without a word of it, the same on all."""
    faults = [*_wrong_ecc(seen), *_mixed_ecc(seen)]
    yield from faults
    if not faults and not is_asked(seen, "ecc") and all(gpu.ecc is None for gpu, _ in seen.cards.pairs()):
        yield needless("no GPU tells its ECC mode, and the profile says nothing of it")
    elif not faults:
        yield whole(seen, "ecc", "ECC of every GPU is as it must be")


def _wrong_ecc(seen: Seen) -> Iterator[Finding]:
    for gpu, kind in seen.cards.pairs():
        if kind.ecc is not None and gpu.ecc is not None and gpu.ecc is not kind.ecc:
            soon = ", the next restart changes it" if gpu.ecc_pending is kind.ecc else ""
            words = f"{seen.place(gpu)}: ECC is {switch(gpu.ecc)}, the profile wants it {switch(kind.ecc)}"
            yield miss(words + soon, gpu.bus, gpu.ecc, kind.ecc, "==")


def _mixed_ecc(seen: Seen) -> Iterator[Finding]:
    free = [gpu for gpu, kind in seen.cards.pairs() if kind.ecc is None and gpu.ecc is not None]
    if len({gpu.ecc for gpu in free}) > 1:
        off = ", ".join(seen.place(gpu) for gpu in free if not gpu.ecc)
        yield miss(f"ECC is off on {off} and on on the others", "host", {gpu.bus: gpu.ecc for gpu in free})


CHECKS = (
    Check(
        "gpu.memory",
        "Every GPU has the profile's memory",
        "gpu memory",
        CheckStage.SANITY,
        "NVML",
        "is it the GPU that the profile means? Replace it otherwise",
        memory,
        "`memory_min` of the GPU, less 8 %",
        unit="bytes",
    ),
    Check(
        "gpu.link-width",
        "Every GPU has the profile's PCIe lanes",
        "gpu link",
        CheckStage.SANITY,
        "NVML",
        "reseat the GPU and its riser",
        link_width,
        "`link_width`",
        unit="lanes",
    ),
    Check(
        "gpu.ecc-mode",
        "ECC is as the profile says, or the same on all",
        "gpu ecc",
        CheckStage.SANITY,
        "NVML",
        "set ECC with nvidia-smi -e, and restart the host",
        ecc_mode,
        "`ecc`",
    ),
)
