"""The evidence of a host, sorted for the checks: which GPUs answer, which are lost, where each sits."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from provisioner.verify.evidence import BusGpu, GpuReport, NvmlGpu, PcieFunction
from provisioner.verify.model import Evidence, Expected, GpuKind

# what is asked of a GPU at once where the profile says something of it, as sentences call it
VALUES = {"uuid": "UUID", "memory": "memory", "width": "PCIe link width", "ecc": "ECC mode"}
NOTHING = GpuReport(state="error", reason="it was not asked")


@dataclass(frozen=True)
class Cards:
    """The GPUs of a report. `answering` have a place; `unplaced` are counted by NVML, and that is all.

    `lost` are on the PCI bus, and NVML tells nothing of them. A VGA controller that the profile does not
    name is a board's own screen: the driver may know it or not, so it is never lost, and no stranger.
    `screens` are the places of all of these.
    """

    kinds: dict[str, GpuKind]
    answering: tuple[NvmlGpu, ...]
    unplaced: tuple[NvmlGpu, ...]
    lost: tuple[BusGpu, ...]
    screens: frozenset[str]

    def pairs(self) -> Iterator[tuple[NvmlGpu, GpuKind]]:
        """The GPUs that the profile names, and what it says of them."""
        return ((gpu, self.kinds[gpu.id]) for gpu in self.answering if gpu.id in self.kinds)

    def count(self, kind: GpuKind) -> int:
        """How many of a kind answer."""
        return sum(gpu.id == kind.id for gpu in self.answering)

    def count_lost(self, kind: GpuKind) -> int:
        """How many of a kind are on the bus alone."""
        return sum(card.id == kind.id for card in self.lost)

    def missing(self, kind: GpuKind) -> int:
        """How many of a kind are nowhere, less than none where there are too many."""
        shown = self.count(kind)
        return 0 if shown == kind.count else kind.count - shown - self.count_lost(kind)

    def silent(self) -> tuple[BusGpu, ...]:
        """Those on the bus that NVML counts and tells nothing of, as far as one can know which they are."""
        bound = tuple(card for card in self.lost if card.driver == "nvidia")
        return (bound or self.lost) if self.unplaced else ()

    def nowhere(self) -> tuple[NvmlGpu, ...]:
        """Those that NVML counts and that cannot be any card on the bus."""
        quiet = self.screens - {gpu.bus for gpu in self.answering}
        return self.unplaced[len(self.lost) + len(quiet) :]

    def is_complete(self) -> bool:
        """Whether as many answer as the profile wants, of each kind."""
        return all(self.count(kind) == kind.count for kind in self.kinds.values())

    def named(self) -> str:
        """What the profile wants: `8 10de:2330 (H100 SXM)`."""
        return " and ".join(f"{kind.count} {label(kind)}" for kind in self.kinds.values())


def label(kind: GpuKind) -> str:
    """The kind for people: `10de:2330 (H100 SXM)`."""
    return f"{kind.id} ({kind.name})" if kind.name else kind.id


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def in_slot(name: str) -> str:
    """` in slot 3`, of a slot's name; empty without one."""
    word = "" if not name or "slot" in name.lower() else "slot "
    return f" in {word}{name}" if name else ""


def _cards(report: GpuReport, expected: Expected) -> Cards:
    kinds = {kind.id: kind for kind in expected.gpus}
    places = {gpu.bus for gpu in report.gpus}
    screens = frozenset(card.bus for card in report.graphics if card.is_vga and card.id not in kinds)
    return Cards(
        kinds,
        tuple(gpu for gpu in report.gpus if gpu.bus),
        tuple(gpu for gpu in report.gpus if not gpu.bus),
        tuple(card for card in report.graphics if card.bus not in places | screens),
        screens,
    )


@dataclass(frozen=True)
class Seen:
    """What a check is given: the evidence, what was expected, and the GPUs sorted."""

    evidence: Evidence
    expected: Expected

    @property
    def report(self) -> GpuReport:
        """What NVML and the PCI bus show; an error where nobody asked."""
        return self.evidence.gpu.nvml or NOTHING

    @cached_property
    def cards(self) -> Cards:
        """The GPUs, sorted."""
        return _cards(self.report, self.expected)

    @property
    def is_answered(self) -> bool:
        """Whether NVML has told its GPUs."""
        return self.report.state == "ok" and not self.report.reason

    @cached_property
    def functions(self) -> dict[str, PcieFunction]:
        """The PCI functions up to the root ports, by place."""
        report = self.evidence.gpu.pcie
        return {function.bus: function for function in (report.functions if report else ())}

    def path(self, bus: str) -> tuple[PcieFunction, ...]:
        """From a GPU's own function up to its root port; each place once, whatever the host tells."""
        found: dict[str, PcieFunction] = {}
        while bus in self.functions and bus not in found:
            found[bus] = self.functions[bus]
            bus = self.functions[bus].parent
        return tuple(found.values())

    def slot(self, bus: str) -> str:
        """` in slot 3`, as a sentence goes on; empty where nobody knows it."""
        return in_slot(self.slot_name(bus))

    def slot_name(self, bus: str) -> str:
        """What the slot is called that a place is in; empty where nobody knows it."""
        return next((function.slot for function in self.path(bus) if function.slot), "")

    def place(self, gpu: NvmlGpu) -> str:
        """The GPU in words for a technician: `GPU 0000:18:00.0 in slot 3`."""
        return gpu.place + self.slot(gpu.bus)
