"""Checks of how GPUs are set: power limit, persistence, MIG, VBIOS, and their NVLinks."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.judge.finding import Check, Finding, good, miss, needless, unproved
from provisioner.verify.judge.inventory import answered, switch
from provisioner.verify.judge.seen import Seen, listed
from provisioner.verify.judge.told import Question, ask
from provisioner.verify.model import GpuKind

NO_LINK = "it has no NVLink"  # ansible/files/gpus.py


@answered
def power_limit(seen: Seen) -> Iterator[Finding]:
    """The limit that is enforced is the profile's, within its tolerance."""
    if not any(kind.power_limit for kind in seen.expected.gpus):
        told = {gpu.bus: gpu.power_limit for gpu, _ in seen.cards.pairs()}
        yield needless("the profile names no power limit", told)
        return
    question = Question(
        "power limit",
        ("power_limit",),
        "every GPU has the profile's power limit",
        is_asked=lambda kind: bool(kind.power_limit),
    )
    yield from ask(question, _power)(seen)


def _power(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    limit = gpu.power_limit or 0
    if not kind.power_limit or abs(limit - kind.power_limit) <= kind.power_tolerance:
        return None
    words = f"{seen.place(gpu)} may take {limit:g} W, the profile wants {kind.power_limit:g} W"
    return miss(words, gpu.bus, limit, kind.power_limit, "==")


def _mode(seen: Seen, name: str, words: str) -> Iterator[Finding]:
    """A mode that is on or off, where the profile says which."""
    if all(getattr(kind, name) is None for kind in seen.expected.gpus):
        told = {gpu.bus: getattr(gpu, name) for gpu, _ in seen.cards.pairs()}
        yield needless(f"the profile says nothing of {words}", told)
        return

    def fault(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
        has, wants = getattr(gpu, name), getattr(kind, name)
        if wants is None or has is wants:
            return None
        sentence = f"{seen.place(gpu)}: {words} is {switch(has)}, the profile wants it {switch(wants)}"
        return miss(sentence, gpu.bus, has, wants, "==")

    said = f"{words} of every GPU is as the profile wants it"
    asked = Question(words, (name,), said, is_asked=lambda kind: bool(getattr(kind, name)))
    yield from ask(asked, fault)(seen)


@answered
def persistence(seen: Seen) -> Iterator[Finding]:
    """The persistence mode is the profile's."""
    yield from _mode(seen, "persistence", "persistence mode")


@answered
def mig(seen: Seen) -> Iterator[Finding]:
    """MIG is on or off, as the profile says."""
    yield from _mode(seen, "mig", "MIG")


@answered
def vbios(seen: Seen) -> Iterator[Finding]:
    """The VBIOS is one of those that the profile accepts."""
    if not any(kind.vbios for kind in seen.expected.gpus):
        told = {gpu.bus: gpu.vbios for gpu, _ in seen.cards.pairs()}
        yield needless("the profile names no VBIOS", told)
        return
    question = Question(
        "VBIOS version",
        ("vbios",),
        "every GPU has a VBIOS that the profile accepts",
        is_asked=lambda kind: bool(kind.vbios),
    )
    yield from ask(question, _vbios)(seen)


def _vbios(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    if not kind.vbios or gpu.vbios in kind.vbios:
        return None
    words = f"{seen.place(gpu)} has VBIOS {gpu.vbios}, the profile accepts {' or '.join(kind.vbios)}"
    return miss(words, gpu.bus, gpu.vbios, kind.vbios, "in")


@answered
def nvlinks(seen: Seen) -> Iterator[Finding]:
    """As many NVLinks are active as the profile names; what NVML could not tell is no link."""
    if not any(kind.nvlinks for kind in seen.expected.gpus):
        told = {gpu.bus: _active(gpu) for gpu, _ in seen.cards.pairs()}
        yield needless("the profile names no NVLinks", told)
        return
    pairs = [(gpu, kind) for gpu, kind in seen.cards.pairs() if kind.nvlinks]
    faults = [finding for gpu, kind in pairs if (finding := _nvlinks(seen, gpu, kind))]
    yield from faults
    if not faults and pairs:
        yield good("every GPU has the profile's NVLinks", {gpu.bus: _active(gpu) for gpu, _ in pairs})
    elif not faults:
        yield unproved("no GPU with NVLinks of the profile answers")


def _active(gpu: NvmlGpu) -> int | None:
    return None if gpu.nvlinks is None else sum(link.active for link in gpu.nvlinks)


def _nvlinks(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    place, active = seen.place(gpu), _active(gpu)
    if active is None and gpu.why("nvlinks") == NO_LINK:
        return miss(
            f"{place} has no NVLink, the profile wants {kind.nvlinks}", gpu.bus, 0, kind.nvlinks, ">="
        )
    if active is None:  # "Insufficient Resources" is no link, and no success
        return unproved(f"{place} does not tell its NVLinks: {gpu.why('nvlinks')}", gpu.bus)
    if active >= kind.nvlinks:
        return None
    down = [str(link.number) for link in gpu.nvlinks or () if not link.active]
    which = f" (not {listed(down)})" if down else ""
    words = f"{place} has {active} active NVLinks{which}, the profile wants {kind.nvlinks}"
    return miss(words, gpu.bus, active, kind.nvlinks, ">=")


CHECKS = (
    Check(
        "gpu.power-limit",
        "The power limit is the profile's",
        "gpu power limit",
        CheckStage.VALIDATION,
        "NVML",
        "nvidia-smi -pl sets it; the image should do so at boot",
        power_limit,
        "`power_limit`, give or take `power_tolerance`",
        unit="W",
    ),
    Check(
        "gpu.persistence",
        "The persistence mode is the profile's",
        "gpu persistence",
        CheckStage.VALIDATION,
        "NVML",
        "is nvidia-persistenced running? Take an image that starts it",
        persistence,
        "`persistence`",
    ),
    Check(
        "gpu.mig",
        "MIG is as the profile says",
        "gpu mig",
        CheckStage.VALIDATION,
        "NVML",
        "nvidia-smi -mig sets it, and a reset of the GPU",
        mig,
        "`mig`",
    ),
    Check(
        "gpu.vbios",
        "The VBIOS is one that the profile accepts",
        "gpu vbios",
        CheckStage.VALIDATION,
        "NVML",
        "update the VBIOS by the maker's tool, or accept it in the profile",
        vbios,
        "`vbios`",
    ),
    Check(
        "gpu.nvlink",
        "Every GPU has the profile's NVLinks",
        "gpu nvlink",
        CheckStage.VALIDATION,
        "NVML",
        "reseat the module or the NVLink bridge; does the fabric manager run?",
        nvlinks,
        "`nvlinks` active ones",
        unit="links",
    ),
)
