"""What a certificate shows, in order, as PDF and HTML both show it: texts alone, no layout."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import JsonValue

from provisioner.certificate import checks
from provisioner.certificate.checks import NamedCheck
from provisioner.certificate.minisig import Signature
from provisioner.certificate.values import moment, number, sentence_of
from provisioner.domain.acceptance import AcceptanceReport, GpuSubject, Status, VerdictStatus
from provisioner.system.units import counted, duration, size

PRODUCT = "Vault Cube"
TITLE = "GPU acceptance certificate"
VERDICTS: dict[VerdictStatus, str] = {
    "accepted": "ACCEPTED",
    "accepted_with_warnings": "ACCEPTED WITH WARNINGS",
    "rejected": "REJECTED",
    "incomplete": "INCOMPLETE",
}
HOW_TO_VERIFY = (  # what is checked, without a network; and how
    ("The scanned text, without a network:", "provision certificate verify --qr 'TEXT' --key SITE.pub"),
    ("This file and all that it shows:", "provision certificate verify FILE --key SITE.pub"),
)
MOST_COLUMNS = 6  # of measurements in one table
PARTS = {"bios": "BIOS", "bmc": "BMC", "vbios": "VBIOS", "nic": "NIC", "nvme": "NVMe"}
LINK_KEYS = ("width", "width_max", "generation", "generation_max")


class Item(NamedTuple):
    """A title and a value; `is_code` where letters must not be mistaken, as in serials and checksums."""

    title: str
    text: str
    is_code: bool = False


@dataclass(frozen=True)
class Items:
    """Titles with their values."""

    title: str
    items: tuple[Item, ...]


class Heading(NamedTuple):
    """A column: its title, the share of the width that it takes, how its cells are set."""

    title: str
    share: int
    is_code: bool = False


@dataclass(frozen=True)
class Listing:
    """Rows under headings. `strong` are the numbers of the rows that are to be seen first."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class FindingBlock:
    """What is wrong."""

    title: str
    findings: tuple[NamedCheck, ...]


Block = Items | Listing | FindingBlock


@dataclass(frozen=True)
class Document:
    """All that is shown. `is_accepted`: with or without warnings; `qr` is the code's text."""

    title: str
    host: str
    verdict: str
    is_accepted: bool
    sentence: str
    facts: tuple[Item, ...]
    qr: str
    blocks: tuple[Block, ...]
    foot: str
    report_id: str


def of_report(report: AcceptanceReport, data: bytes, signature: Signature) -> Document:
    """The document of a report, its rendering and its signature, which were checked before."""
    digest = hashlib.sha256(data).hexdigest()
    return Document(
        title=TITLE,
        host=report.subject.name,
        verdict=VERDICTS[report.verdict.status],
        is_accepted=report.verdict.status.startswith("accepted"),
        sentence=sentence_of(report),
        facts=tuple(_present(_facts(report, digest, signature.key_id))),
        qr=signature.comment,
        blocks=tuple(_blocks(report)),
        foot=f"{report.report_id} · {report.subject.name} · key {signature.key_id}",
        report_id=report.report_id,
    )


def _facts(report: AcceptanceReport, digest: str, key_id: str) -> Iterator[Item]:
    took = duration(report.finished_at - report.started_at)
    yield Item("Unit", report.subject.name)
    yield Item("System serial", report.subject.serial or "not told", is_code=True)
    yield Item("Begun", moment(report.started_at))
    yield Item("Finished", f"{moment(report.finished_at)}, after {took}")
    yield Item("Level", f"{report.level}, by {report.tool}")
    yield Item("Operator", report.operator)
    yield Item("Report", report.report_id, is_code=True)
    yield Item("SHA-256", digest, is_code=True)
    yield Item("Signing key", key_id, is_code=True)


def _blocks(report: AcceptanceReport) -> Iterator[Block]:
    """Those that have something to show."""
    findings = checks.findings(report)
    if findings.failed:
        yield FindingBlock("What stands in the way", findings.failed)
    if findings.noted:
        yield FindingBlock("What was noted", findings.noted)
    yield Items("Unit", tuple(_present(_unit(report))))
    yield Items("Image", tuple(_present(_image(report))))
    yield Items("System and firmware", tuple(_present(_system(report))))
    if report.gpus:
        yield _gpus(report)
        yield from _measured(report.gpus)
    yield _checks(report)
    if report.xid:
        yield _xids(report)
    if compared := tuple(_present(_compared(report))):
        yield Items("Compared with before and with units of its kind", compared)
    if report.artifacts:
        yield _artifacts(report)


def _present(items: Iterator[Item]) -> Iterator[Item]:
    return (item for item in items if item.text)


def _unit(report: AcceptanceReport) -> Iterator[Item]:
    subject = report.subject
    yield Item("Product", subject.product)
    yield Item("Board serial", subject.board_serial, is_code=True)
    yield Item("System UUID", subject.uuid, is_code=True)
    yield Item("MACs", ", ".join(subject.macs), is_code=True)
    yield Item("Disk serial", subject.disk_serial, is_code=True)
    yield Item("Disk WWN", subject.disk_wwn, is_code=True)
    yield Item("Site", subject.site)
    yield Item("Place", subject.rack)
    yield Item("Profile", subject.profile)
    yield Item("Profile SHA-256", subject.profile_sha256, is_code=True)
    yield Item("Deployment", subject.deployment, is_code=True)


def _image(report: AcceptanceReport) -> Iterator[Item]:
    image = report.subject.image
    yield Item("Image", f"{image.name} {image.version}")
    if image.root_hash:
        yield Item("Root hash read back", image.root_hash, is_code=True)
    if image.sha256 or not image.root_hash:
        yield Item("SHA-256 read back", image.sha256 or "was not read back from the disk", bool(image.sha256))
    yield Item("Manifest SHA-256", image.manifest_sha256, is_code=True)


def _system(report: AcceptanceReport) -> Iterator[Item]:
    host = report.host
    yield Item("Processor", host.cpu)
    yield Item("Memory", f"{host.memory_bytes / 2**30:.0f} GiB" if host.memory_bytes else "")
    yield Item("Kernel", host.kernel)
    for part in host.firmware:
        place = f" ({part.place})" if part.place else ""
        yield Item(f"{PARTS[part.part]} firmware", part.version + place)
    yield Item("NVMe disks", ", ".join(host.nvme), is_code=True)
    for name in sorted(report.stack, key=str.casefold):
        yield Item(name, report.stack[name])


GPU_HEADINGS = (
    *(
        Heading("#", 6),
        Heading("Slot", 10),
        Heading("Model", 24),
        Heading("Serial and UUID", 56, is_code=True),
    ),
    *(Heading("PCI", 19, is_code=True), Heading("VBIOS", 22, is_code=True), Heading("Memory", 17)),
    *(Heading("PCIe", 17), Heading("ECC", 8)),
)


def _gpus(report: AcceptanceReport) -> Listing:
    marked = {check.scope for check in report.checks if check.status in (Status.FAIL, Status.ERROR)}
    rows = tuple(_gpu(gpu) for gpu in report.gpus)
    strong = frozenset(row for row, gpu in enumerate(report.gpus) if gpu.pci_bus_id in marked)
    return Listing(f"GPUs ({len(report.gpus)})", GPU_HEADINGS, rows, strong)


def _gpu(gpu: GpuSubject) -> tuple[str, ...]:
    memory = "" if gpu.memory_bytes is None else f"{gpu.memory_bytes / 2**30:.1f} GiB"
    told = {**gpu.before, **{key: value for key, value in gpu.after.items() if value is not None}}
    serial = " ".join(filter(None, (gpu.serial, gpu.uuid)))
    cells = (serial, gpu.pci_bus_id, gpu.vbios, memory, _link(told), _ecc(told))
    return (str(gpu.index), gpu.slot or "–", gpu.name, *(cell or "?" for cell in cells))


def _link(told: dict[str, JsonValue]) -> str:
    """Lanes and generation, and what the card could where that is more: `x8 of x16, gen 4 of 5`."""
    width, width_max, generation, generation_max = (told.get(key) for key in LINK_KEYS)
    lanes = f"x{width}" if width else ""
    speed = f"gen {generation}" if generation else ""
    if width and width_max and width != width_max:
        lanes += f" of x{width_max}"
    if generation and generation_max and generation != generation_max:
        speed += f" of {generation_max}"
    return " ".join(filter(None, (lanes, speed)))


def _ecc(told: dict[str, JsonValue]) -> str:
    state = told.get("ecc")
    return ("on" if state else "off") if isinstance(state, bool) else ""


def _measured(gpus: tuple[GpuSubject, ...]) -> Iterator[Listing]:
    """A row for each GPU, a column for each measurement, six in a table."""
    names = list(dict.fromkeys((one.name, one.unit) for gpu in gpus for one in gpu.measured))
    columns = {name: _column(gpus, name) for name in names}
    for first in range(0, len(names), MOST_COLUMNS):
        part = names[first : first + MOST_COLUMNS]
        headings = (Heading("GPU", 8), *(Heading(f"{name} ({unit})", 14) for name, unit in part))
        rows = zip((str(gpu.index) for gpu in gpus), *(columns[name] for name in part), strict=True)
        yield Listing("Measured on each GPU", headings, tuple(rows))


def _column(gpus: tuple[GpuSubject, ...], name: tuple[str, str]) -> list[str]:
    """What each GPU measured, all with as many digits behind the point."""
    told = [next((one.value for one in gpu.measured if (one.name, one.unit) == name), None) for gpu in gpus]
    digits = max(len(number(value).partition(".")[2]) for value in told if value is not None)
    return ["–" if value is None else f"{value:.{digits}f}" for value in told]


CHECK_HEADINGS = (
    *(Heading("Result", 11), Heading("Check", 32), Heading("Where", 18)),
    *(Heading("Observed", 21), Heading("Expected", 18)),
)


def _checks(report: AcceptanceReport) -> Listing:
    rows: list[tuple[str, ...]] = []
    strong = set[int]()
    for row in checks.rows(report):
        if row.is_blocking:
            strong.add(len(rows))
        rows.append(row.cells)
    counts = ((status.replace("_", " "), report.verdict.counts.get(status, 0)) for status in checks.WORST)
    told = ", ".join(f"{number} {status}" for status, number in counts if number)
    return Listing(f"Checks ({told or 'none'})", CHECK_HEADINGS, tuple(rows), frozenset(strong))


def _xids(report: AcceptanceReport) -> Listing:
    headings = (
        *(Heading("Xid", 6), Heading("GPU", 14, is_code=True), Heading("Times", 6), Heading("Kind", 14)),
        *(Heading("Message", 34), Heading("Action", 26)),
    )
    rows = tuple(
        (str(xid.number), xid.pci_bus_id or "?", str(xid.count), xid.category, xid.text, xid.action)
        for xid in report.xid
    )
    return Listing("Errors of the driver since boot (Xid)", headings, rows)


def _compared(report: AcceptanceReport) -> Iterator[Item]:
    baseline = report.baseline
    yield Item("Report before this", baseline.report_id, is_code=True)
    if baseline.report_id:
        yield Item("Worse since then", "; ".join(baseline.regressions) or "nothing")
    if baseline.siblings:
        yield Item("Compared with", f"{counted(baseline.siblings, 'unit')} of the same profile")
        yield Item("Outliers", "; ".join(baseline.outliers) or "none")


def _artifacts(report: AcceptanceReport) -> Listing:
    headings = (Heading("File", 32), Heading("Size", 10), Heading("SHA-256", 58, is_code=True))
    rows = tuple((each.path, size(each.size), each.sha256) for each in report.artifacts)
    return Listing("Raw output, kept beside the report", headings, rows)
