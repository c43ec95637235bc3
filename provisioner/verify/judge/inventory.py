"""Checks of which GPUs there are: counted, found on the bus, telling what is asked, each its own."""

from collections import Counter
from collections.abc import Callable, Iterator

from provisioner.domain.acceptance import CheckStage, GpuSubject, Severity
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.judge.finding import Check, Finding, good, left_out, miss, needless
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import VALUES, Cards, Seen, in_slot, label, listed
from provisioner.verify.model import GpuKind

SILENT = "NVML does not answer: see gpu.driver"


def answered(check: Callable[[Seen], Iterator[Finding]]) -> Callable[[Seen], Iterator[Finding]]:
    """The check, left out where NVML does not answer: what it would say is said of the driver."""

    def guarded(seen: Seen) -> Iterator[Finding]:
        if seen.is_answered:
            yield from check(seen)
        else:
            yield left_out(SILENT)

    return guarded


def asked_of(kind: GpuKind) -> dict[str, bool]:
    """Of which of VALUES the profile says something; the UUID is asked of each."""
    return {
        "uuid": True,
        "memory": bool(kind.memory_min),
        "width": bool(kind.link_width),
        "ecc": kind.ecc is not None,
    }


def tells(cards: Cards, what: str) -> bool:
    """Whether there are any GPUs, and each says a value for which it is asked."""
    pairs = list(cards.pairs())
    told = [getattr(gpu, what) for gpu, kind in pairs if asked_of(kind)[what]]
    return bool(pairs) and all(value is not None and is_possible(what, value) for value in told)


def is_asked(seen: Seen, what: str) -> bool:
    """Whether the profile asks it of any kind."""
    return any(asked_of(kind)[what] for kind in seen.expected.gpus)


@answered
def count(seen: Seen) -> Iterator[Finding]:
    """As many GPUs of each kind as the profile names. Who is lost is named by `bus`."""
    faults = list(_counts(seen.cards))
    shown = {kind.id: seen.cards.count(kind) for kind in seen.expected.gpus}
    wanted = {kind.id: kind.count for kind in seen.expected.gpus}
    where = _where(seen) if faults else ""
    yield from (miss(fault + where, "host", shown, wanted, "==") for fault in faults)
    if not faults and seen.cards.is_complete():
        yield good(f"NVML shows {seen.cards.named()}", shown, wanted)
    elif not faults:
        yield left_out("which of them does not answer is told by gpu.bus")


def _where(seen: Seen) -> str:
    """Where to look for one that is missing: what the last report has as well; else where the others are."""
    if sum(map(seen.cards.missing, seen.cards.kinds.values())) <= 0:
        return ""
    if gone := _gone(seen):
        verb = "is" if len(gone) == 1 else "are"
        report = seen.expected.last.report_id if seen.expected.last else ""
        return f"; {listed(gone)} {verb} gone since report {report}"
    names = [seen.slot_name(gpu.bus) for gpu in seen.cards.answering]
    return f"; they are in {listed([in_slot(name)[4:] for name in names])}" if names and all(names) else ""


def _gone(seen: Seen) -> list[str]:
    """The GPUs of the last report that are nowhere now.

    They are known by UUID, for places may change with the number of cards; where another one sits in its
    place, it was exchanged.
    """
    last = {gpu.uuid: gpu for gpu in (seen.expected.last.gpus if seen.expected.last else ()) if gpu.uuid}
    there = {card.bus for card in seen.cards.lost}
    there |= {gpu.bus for gpu in seen.cards.answering if gpu.uuid not in last}
    told = {gpu.uuid for gpu in seen.cards.answering}
    gone = [gpu for gpu in last.values() if gpu.uuid not in told and gpu.pci_bus_id not in there]
    return [f"GPU {gpu.pci_bus_id}{in_slot(gpu.slot)}" for gpu in gone]


def _counts(cards: Cards) -> Iterator[str]:
    """A stranger may stand in the place of one that is missing."""
    wrong = [kind for kind in cards.kinds.values() if cards.missing(kind)]
    if sum(map(cards.missing, wrong)) == len(cards.nowhere()) > 0:
        wrong = []
    strangers = [gpu for gpu in cards.answering if gpu.id not in cards.kinds]
    if strangers and len(wrong) == 1 and cards.missing(wrong[0]) > 0:
        others, verb = listed([_card(gpu) for gpu in strangers]), "is" if len(strangers) == 1 else "are"
        yield f"{_expected(cards, wrong[0])}; {others} {verb} not in the profile"
        return
    yield from (_expected(cards, kind) for kind in wrong)
    yield from (f"{_card(gpu)} is not in the profile" for gpu in strangers if gpu.bus not in cards.screens)


def _card(gpu: NvmlGpu) -> str:
    return f"{gpu.place} ({', '.join(filter(None, (gpu.id, gpu.name)))})"


def _expected(cards: Cards, kind: GpuKind) -> str:
    noun = "GPU" if kind.count == 1 else "GPUs"
    lost = cards.count_lost(kind)
    also = f" and the PCI bus {lost} more" if lost else ""
    return f"{kind.count} {noun} {label(kind)} expected, NVML shows {cards.count(kind)}{also}"


@answered
def bus(seen: Seen) -> Iterator[Finding]:
    """Every GPU on the PCI bus answers NVML, each from its own place, for which `pcie.path` looks."""
    faults = [*_lost(seen), *_stacked(seen)]
    yield from faults
    if not faults:
        places = sorted(gpu.bus for gpu in seen.cards.answering)
        yield good("every GPU on the PCI bus answers NVML", places)


def _lost(seen: Seen) -> Iterator[Finding]:
    """NVML may count a GPU and tell nothing of it, not even its place: then the bus has it."""
    cards = seen.cards
    silent = cards.silent()
    for card in cards.lost:
        driver = f"driver {card.driver}" if card.driver else "no driver bound"
        name = f"GPU {card.bus}{seen.slot(card.bus)} ({card.id}, {driver})"
        if card in silent:
            reasons = " or ".join(dict.fromkeys(map(_reason, cards.unplaced)))
            yield miss(f"{name} does not answer NVML: {reasons}", card.bus)
        else:
            yield miss(f"{name} is on the PCI bus and missing from NVML", card.bus)
    for gpu in cards.nowhere():
        name = "another GPU that NVML counts" if silent else gpu.place
        yield miss(f"{name} does not answer, and is nowhere on the PCI bus: {_reason(gpu)}")


def _stacked(seen: Seen) -> Iterator[Finding]:
    """One card that is counted twice stands for another one that is missing."""
    for place, count in Counter(gpu.bus for gpu in seen.cards.answering).items():
        if count > 1:
            yield miss(
                f"NVML shows {count} GPUs at the place {place}{seen.slot(place)}", place, count, 1, "=="
            )


def _reason(gpu: NvmlGpu) -> str:
    return gpu.why("handle" if "handle" in gpu.errors else "pci")


@answered
def values(seen: Seen) -> Iterator[Finding]:
    """Every GPU tells what is asked of it; what one does not in one sentence: a dying one tells nothing."""
    is_whole = True
    for gpu, kind in seen.cards.pairs():
        if untold := _untold(gpu, kind):
            is_whole = False
            yield miss(f"{seen.place(gpu)} tells {'; '.join(untold)}", gpu.bus)
    if is_whole and any(seen.cards.pairs()):
        yield good("every GPU tells what is asked of it")
    elif is_whole:
        yield left_out("no GPU of the profile answers")


def _untold(gpu: NvmlGpu, kind: GpuKind) -> list[str]:
    """What is asked and not told, by the reason; what is told and cannot be is no better."""
    reasons: dict[str, list[str]] = {}
    odd = []
    for what, asked in asked_of(kind).items():
        value = getattr(gpu, what)
        if asked and value is None:
            reasons.setdefault(gpu.why(what), []).append(VALUES[what])
        elif asked and not is_possible(what, value):
            odd.append(f"{value} for its {VALUES[what]}, which cannot be")
    return [*(f"no {listed(names)}: {reason}" for reason, names in reasons.items()), *odd]


@answered
def uuid(seen: Seen) -> Iterator[Finding]:
    """No two GPUs have one UUID."""
    faults = False
    for same, places in _owners(seen, "uuid").items():
        if len(places) > 1:
            faults = True
            yield miss(f"{listed(places)} have the same UUID {same}", "host", same)
    if not faults:
        yield whole(seen, "uuid", "every GPU has a UUID of its own")


def _owners(seen: Seen, what: str) -> dict[str, list[str]]:
    """Who has each value that is told."""
    owners: dict[str, list[str]] = {}
    for gpu in seen.cards.answering:
        if value := getattr(gpu, what):
            owners.setdefault(value, []).append(seen.place(gpu))
    return owners


def whole(seen: Seen, what: str, words: str) -> Finding:
    """That no fault was found of a value, where every GPU told it."""
    if not is_asked(seen, what) and what != "ecc":
        return needless(f"the profile says nothing of {VALUES[what]}")
    if not tells(seen.cards, what):
        return left_out(f"not every GPU tells its {VALUES[what]}: see gpu.values")
    return good(words, {gpu.bus: getattr(gpu, what) for gpu, _ in seen.cards.pairs()})


@answered
def serial(seen: Seen) -> Iterator[Finding]:
    """GPUs have boards of their own, and are those of the host's last report: serial and UUID at each place.

    One board may carry several GPUs (A16, M10), which tell one serial.
    """
    faults = [
        miss(f"{listed(places)} have the same serial {same}: are they on one board?", "host", same)
        for same, places in _owners(seen, "serial").items()
        if len(places) > 1
    ]
    faults += _exchanged(seen)
    yield from faults
    if not faults:
        told = {gpu.bus: gpu.serial for gpu in seen.cards.answering}
        yield good("every GPU has a serial of its own" + (", as before" if seen.expected.last else ""), told)


def _exchanged(seen: Seen) -> Iterator[Finding]:
    before = {gpu.pci_bus_id: gpu for gpu in (seen.expected.last.gpus if seen.expected.last else ())}
    for gpu in seen.cards.answering:
        old = before.get(gpu.bus)
        if old and (change := _change(gpu, old)):
            report = seen.expected.last.report_id if seen.expected.last else ""
            yield miss(f"{seen.place(gpu)} is another than in report {report}: {change}", gpu.bus)


def _change(gpu: NvmlGpu, old: GpuSubject) -> str:
    """What tells it from the one that was there; what either does not tell, tells nothing."""
    for word, was, now in (("serial", old.serial, gpu.serial), ("UUID", old.uuid, gpu.uuid)):
        if was and now and was != now:
            return f"{word} {now}, it was {was}"
    return ""


def switch(on: bool) -> str:
    """A mode as people say it."""
    return "on" if on else "off"


CHECKS = (
    Check(
        "gpu.count",
        "As many GPUs as the profile names",
        "gpu count",
        CheckStage.SANITY,
        "NVML",
        "reseat the GPU and its power cables",
        count,
        "`count` of each id",
    ),
    Check(
        "gpu.bus",
        "Every GPU on the PCI bus answers NVML",
        "gpu bus",
        CheckStage.SANITY,
        "sysfs, NVML",
        "power the host off and on; a GPU that stays away is broken",
        bus,
        "none is lost",
    ),
    Check(
        "gpu.values",
        "Every GPU tells what is asked of it",
        "gpu values",
        CheckStage.SANITY,
        "NVML",
        "power the host off and on; a GPU that stays silent is broken",
        values,
        "what the profile says of it",
    ),
    Check(
        "gpu.uuid",
        "Every GPU has a UUID of its own",
        "gpu uuid",
        CheckStage.SANITY,
        "NVML",
        "report it to the GPUs' maker: two have one UUID",
        uuid,
        "no two alike",
    ),
    Check(
        "gpu.serial",
        "Every GPU has a serial of its own, as in the last report",
        "gpu serial",
        CheckStage.VALIDATION,
        "NVML, last report",
        "was it exchanged? Then it is in order; reports of before are of another GPU",
        serial,
        "no two alike; as before",
        severity=Severity.ADVISORY,
    ),
)
