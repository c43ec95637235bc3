"""A run on paper: a page for each rack, with what became of each host and by which report it was accepted.

Nothing of it is signed. It names each host's report, and that one is.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from provisioner.certificate import pdf_blocks
from provisioner.certificate.checks import NamedCheck
from provisioner.certificate.document import (
    PRODUCT,
    VERDICTS,
    Block,
    FindingBlock,
    Heading,
    Item,
    Items,
    Listing,
)
from provisioner.certificate.rendering import pdf_renderer
from provisioner.certificate.sheet import LEFT, RIGHT, Sheet, printable
from provisioner.certificate.values import moment
from provisioner.domain.run import Run
from provisioner.domain.run_report import HostResult
from provisioner.domain.stage import Stage
from provisioner.system.units import counted, duration

TITLE, TITLE_OF_RACKS = "Acceptance of a run", "Acceptance by rack"
NO_RACK = "Hosts without a rack"
HEADINGS = (
    *(Heading("Host", 20), Heading("System serial", 22, is_code=True), Heading("Result", 14)),
    *(Heading("Verdict", 24), Heading("Image", 22), Heading("Disk serial", 24, is_code=True)),
    *(Heading("Took", 17), Heading("Report", 32, is_code=True)),
)
RACKS = (Heading("Rack", 30), Heading("Hosts", 10), Heading("Ready", 10), Heading("Results", 70))


def render(run: Run, hosts: Sequence[HostResult], made: float) -> bytes:
    """The PDF, the same bytes for the same run at the same time; `made` in seconds since 1970."""
    count = _draw(run, hosts, made, 0).pdf.pages_count
    return pdf_blocks.written(_draw(run, hosts, made, count), pdf_renderer(), _words(hosts))


def render_racks(hosts: Sequence[HostResult], made: float) -> bytes:
    """Likewise of racks as they stand, by whatever runs their hosts were deployed."""
    count = _draw(None, hosts, made, 0).pdf.pages_count
    return pdf_blocks.written(_draw(None, hosts, made, count), pdf_renderer(), _words(hosts))


def _draw(run: Run | None, hosts: Sequence[HostResult], made: float, count: int) -> Sheet:
    """The pages, each of which says that there are so many."""
    racks = _racks(hosts)
    named = run.id if run else _named(racks)
    title = TITLE if run else TITLE_OF_RACKS
    foot = f"{named} · {moment(made)} · provision certificate HOST gives the signed certificate"
    sheet = Sheet(printable(f"{title}: {named}"), made, lambda sheet: pdf_blocks.foot(sheet, foot, count))
    if len(racks) != 1:
        _page(sheet, title, hosts, _overview(run, racks))
    for number, (rack, there) in enumerate(racks.items()):
        if number or len(racks) != 1:
            sheet.new_page()
        _page(sheet, f"Rack {rack}" if rack else NO_RACK, there, _rack(run, there))
    sheet.end_page()
    return sheet


def _named(racks: dict[str, list[HostResult]]) -> str:
    """The one rack that is told of, or that there are several."""
    return next(iter(racks)) or NO_RACK if len(racks) == 1 else "all racks"


def _racks(hosts: Sequence[HostResult]) -> dict[str, list[HostResult]]:
    """The hosts of each rack by name; those without one come last."""
    in_order = sorted(hosts, key=lambda host: (not host.rack, host.rack, host.host))
    return {rack: list(there) for rack, there in groupby(in_order, key=lambda host: host.rack)}


def _page(sheet: Sheet, title: str, hosts: Sequence[HostResult], blocks: Iterator[Block]) -> None:
    is_good = bool(hosts) and all(host.result == Stage.READY for host in hosts)
    pdf_blocks.title(sheet, PRODUCT, title)
    pdf_blocks.verdict(sheet, _words(hosts), _sentence(hosts), RIGHT - LEFT, is_good=is_good)
    pdf_blocks.draw(sheet, blocks)


def _words(hosts: Sequence[HostResult]) -> str:
    ready = sum(host.result == Stage.READY for host in hosts)
    return f"{ready} OF {len(hosts)} READY"


def _sentence(hosts: Sequence[HostResult]) -> str:
    """How many of each result; and of the ready ones, how many have no report, or warnings in it."""
    results = ", ".join(f"{count} {result}" for result, count in Counter(h.result for h in hosts).items())
    ready = [host for host in hosts if host.result == Stage.READY]
    warned = sum(host.verdict == "accepted_with_warnings" for host in ready)
    bare = sum(not host.report for host in ready)
    also = [f"{warned} of the ready ones with warnings"] * bool(warned)
    also += [f"{bare} of them without a signed report"] * bool(bare)
    return "; ".join(["Nobody was deployed" if not results else f"Results: {results}", *also]) + "."


def _overview(run: Run | None, racks: dict[str, list[HostResult]]) -> Iterator[Block]:
    yield _order(run, [host for there in racks.values() for host in there])
    rows = tuple(
        (rack or NO_RACK, str(len(there)), str(sum(h.result == Stage.READY for h in there)), _sentence(there))
        for rack, there in racks.items()
    )
    bad = frozenset(
        number
        for number, there in enumerate(racks.values())
        if any(host.result != Stage.READY for host in there)
    )
    yield Listing(counted(len(rows), "rack"), RACKS, rows, bad)


def _rack(run: Run | None, hosts: Sequence[HostResult]) -> Iterator[Block]:
    if faults := tuple(map(_finding, (host for host in hosts if host.reason))):
        yield FindingBlock("What stands in the way", faults)
    rows, bad = tuple(map(_row, hosts)), frozenset(n for n, h in enumerate(hosts) if h.result != Stage.READY)
    yield Listing(counted(len(rows), "host"), HEADINGS, rows, bad)
    yield _order(run, hosts)


def _finding(host: HostResult) -> NamedCheck:
    code = f" (PV-{host.code})" if host.code else ""
    return NamedCheck(f"{host.host}: {host.result}{code}", host.reason, host.hint)


def _row(host: HostResult) -> tuple[str, ...]:
    verdict = VERDICTS[host.verdict].lower() if host.verdict else "–"
    took = duration(host.seconds) if host.seconds else "–"
    return (
        *(host.host, host.serial or "–", host.result, verdict, host.image, host.disk_serial or "–"),
        *(took, host.report or "–"),
    )


def _order(run: Run | None, hosts: Sequence[HostResult]) -> Items:
    ended = max((host.ended for host in hosts), default=0.0)
    items = (
        Item("Run", run.id if run else "", is_code=True),
        Item("Ordered", f"{moment(run.created)} by {run.by}" if run else ""),
        Item("Selected", run.select if run else ""),
        Item("Last ended", moment(ended) if ended else "" if run else "never"),
    )
    return Items("Order" if run else "Deployments", tuple(item for item in items if item.text))
