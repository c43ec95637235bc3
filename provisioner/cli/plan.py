"""How plans are shown, of one host and of many, with whatever stands against them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from provisioner.cli.output import (
    Column,
    console,
    info,
    line,
    local_time,
    make_table,
    print_lines,
    print_table,
    say,
)
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.runs import RunPlan
    from provisioner.domain.plan import CatalogueImage, ErasedDisk, LeftOut, Plan
    from provisioner.domain.refusal import Refusal

LAST_SEEN = {"deployment": "its last deployment", "inventory": "its inventory"}


def show(plan: "Plan", *, stderr: bool) -> None:
    """One host's plan, a line for each fact."""
    lines = [line((f"{title:<10}", "bold"), value) for title, value in _lines(plan)]
    print_lines(console(stderr=stderr), *lines)


def _lines(plan: "Plan") -> list[tuple[str, str]]:
    host, image, disk = plan.host, plan.image, plan.erases
    place = ", ".join(word for word in (host.rack and f"rack {host.rack}", host.profile) if word)
    sizes = f"{size(image.raw_size)} → {size(image.pack_size)} on the wire"
    lines = [
        ("Host", f"{host.name} ({place})  {host.macs[0]}"),
        ("Power", plan.power),
        ("Image", f"{image.name} {image.version}   {_trust(image)}   {sizes}"),
        ("Erases", _disk(disk)),
    ]
    if disk.seen_at:
        lines.append(("", f"seen {local_time(disk.seen_at)} by {LAST_SEEN[disk.seen_by]}"))
    if disk.doubt:
        lines.append(("", f"then {disk.doubt}"))
    if disk.foreign:
        lines.append(("", f"not ours: {disk.foreign}; refused without --erase-foreign"))
    if plan.holds:
        lines.append(("", plan.holds))
    if plan.deviations:
        lines.append(("Hardware", f"{'; '.join(plan.deviations)}: the verification would reject it"))
    if plan.locked:
        lines.append(("Locked", f"nothing is deployed before: provision host unlock {host.name}"))
    return lines


def _trust(image: "CatalogueImage") -> str:
    """Nobody of ours has signed an installer's ISO."""
    if image.signed_by:
        return f"signed by {image.signed_by} ✓"
    return f"installer ISO, SHA-256 {image.raw_sha256[:16]}…"


def _disk(disk: "ErasedDisk") -> str:
    if disk.seen:
        words = (f"/dev/{disk.name}", disk.model, size(disk.size), disk.serial)
        content = f"({disk.content})" if disk.content else ""
        return "  ".join(word for word in (*words, content) if word)
    given = disk.hints.model_dump(exclude_defaults=True)
    hints = ", ".join(f"{name} {value}" for name, value in given.items())
    when = "not among those seen" if disk.doubt else "not seen yet"
    return f"{when}; the one disk that fits: {hints or 'no hint, so it must be the only one'}"


def show_refusals(refusals: "Iterable[Refusal]") -> None:
    """Every reason why the order would be refused, to stderr."""
    for refusal in refusals:
        info(f"✗ refused: {refusal.sentence} (PV-{refusal.code})")
        if refusal.hint:
            info(f"  → {refusal.hint}")


def _erases(plan: "Plan") -> str:
    disk = plan.erases
    if disk.seen and not disk.doubt:
        return f"{disk.name} {disk.model} {size(disk.size)} {disk.serial}"
    return disk.doubt or "not seen yet"


COLUMNS: "tuple[Column[Plan], ...]" = (
    Column("HOST", lambda plan: plan.host.name),
    Column("RACK", lambda plan: plan.host.rack),
    Column("IMAGE", lambda plan: plan.image.id),
    Column("ERASES", _erases),
    Column("HOLDS", lambda plan: plan.holds),
)


def show_run(plan: "RunPlan", *, stderr: bool) -> None:
    """The plans of many hosts as a table, and who is left out."""
    print_table(console(stderr=stderr), make_table(plan.plans, COLUMNS))
    tell = info if stderr else say
    for one in plan.plans:
        if one.deviations:
            tell(f"{one.host.name}: {'; '.join(one.deviations)}: the verification would reject it")
    for host in plan.left_out:
        tell(f"left out: {_reasons(host)}")


def _reasons(host: "LeftOut") -> str:
    return host.why if host.host in host.why else f"{host.host}: {host.why}"
