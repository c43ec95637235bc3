"""How plans are shown, of one host and of many, with whatever stands against them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from provisioner.cli.layout import columns_of
from provisioner.cli.output import (
    MARK,
    Column,
    console,
    info,
    line,
    local_time,
    page_lines,
    print_lines,
    table_lines,
)
from provisioner.domain.failures import pattern_of, without_name
from provisioner.errors import InputError, RefusedError
from provisioner.system.units import counted, size

if TYPE_CHECKING:
    from provisioner.api.runs import RunOrder, RunPlan
    from provisioner.domain.disk_writing import DiskWriting
    from provisioner.domain.plan import CatalogueImage, ErasedDisk, LeftOut, Plan
    from provisioner.domain.refusal import Refusal

CHANGED = 146  # the PV code of a plan that is not what was shown any more
LAST_SEEN = {
    "deployment": "the ramdisk's hello of deployment {}",
    "installer": "the installer of deployment {}",
    "inventory": "a ramdisk, before it was a host",
}

MODES = {
    "full": "fetches and writes all of it, whatever the disk holds",
    "wipe": "makes the whole disk zeros, then fetches and writes all of it",
}


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
        by = LAST_SEEN[disk.seen_by].format(disk.seen_in or "that was refused or is forgotten")
        lines.append(("", f"seen {local_time(disk.seen_at)} by {by}"))
    if disk.written:
        lines.append(("", _written(disk.written)))
    if disk.doubt:
        lines.append(("", f"then {disk.doubt}"))
    if disk.foreign:
        lines.append(("", f"not ours: {disk.foreign}; refused without --erase-foreign"))
    if plan.deviations:
        lines.append(("Hardware", _rejected(plan)))
    if plan.locked:
        lines.append(("Locked", f"nothing is deployed before: provision host unlock {host.name}"))
    return lines


def _rejected(plan: "Plan") -> str:
    """What is known to be otherwise than the profile says, as the verification would find it."""
    return f"{'; '.join(plan.deviations)}: the verification would reject it"


def _trust(image: "CatalogueImage") -> str:
    """Nobody of ours has signed an installer's ISO."""
    if image.signed_by:
        trust = " ✓" if image.trusted else ", which is trusted no more"
        return f"signed by {image.signed_by}{trust}"
    return f"installer ISO, SHA-256 {image.raw_sha256[:16]}…"


def _disk(disk: "ErasedDisk") -> str:
    if disk.seen:
        words = (f"/dev/{disk.name}", disk.model, size(disk.size), disk.serial)
        content = f"({disk.content})" if disk.content and not disk.written else ""
        return "  ".join(word for word in (*words, content) if word)
    when = "not among those seen" if disk.doubt else "not seen yet"
    return f"{when}; the one disk that fits: {_hints(disk)}"


def _hints(disk: "ErasedDisk") -> str:
    return disk.hints.describe() or "no hint, so it must be the only one"


def _written(writing: "DiskWriting") -> str:
    """What the service wrote there since it was seen, by which deployment and when."""
    until = "on" if writing.whole else "last heard of on"
    return f"since then {writing.describe()} {until} {local_time(writing.ended)}"


def show_refusals(refusals: "Iterable[Refusal]") -> None:
    """Every reason why the order would be refused, to stderr."""
    for refusal in refusals:
        info(f"{MARK} refused: {refusal.sentence} (PV-{refusal.code})")
        if refusal.hint:
            info(f"  → {refusal.hint}")


def raise_changed(
    refused: RefusedError, shown: "Sequence[Plan]", look: "Callable[[], Sequence[Plan]]"
) -> None:
    """Raises it again, below the plan as it is now, in words for what is otherwise than was shown (PV-146).

    Another refusal, and one that cannot be told better, is left to the caller.
    """
    from provisioner.domain import plan_digest

    if refused.code != CHANGED:
        return
    try:
        now = look()
    except InputError:  # nobody fits any more, as the refusal says
        return
    changes = plan_digest.run_differences(shown, now)
    if not changes:
        return
    info("Now it would be:")
    out = console(stderr=True)
    print_lines(out, *table_lines(now, COLUMNS, columns_of(out.file)))
    raise RefusedError(
        f"since it was shown, {'; '.join(changes)}: nothing was ordered",
        hint="look at what it is now; if that is meant, order again",
        code=146,
    ) from refused


def _erases(plan: "Plan") -> str:
    disk = plan.erases
    if disk.seen and not disk.doubt:
        words = (disk.name, disk.model, size(disk.size), disk.serial)
        foreign = f"not ours: {disk.foreign}" if disk.foreign else ""
        return ", ".join(filter(None, (" ".join(filter(None, words)), foreign)))
    return f"{disk.doubt or 'not seen yet'}: {_hints(disk)}"


COLUMNS: "tuple[Column[Plan], ...]" = (
    Column("HOST", lambda plan: plan.host.name),
    Column("RACK", lambda plan: plan.host.rack),
    Column("IMAGE", lambda plan: plan.image.id),
    Column("HOLDS", lambda plan: plan.holds),
    Column("ERASES", lambda plan: f"{plan.serial or plan.host.macs[0]}: {_erases(plan)}"),
)


def show_run(plan: "RunPlan", order: "RunOrder", *, stderr: bool) -> None:
    """The plans of many hosts as a table, and who is left out; paged where it is taller than the terminal.

    Who is left out is told below the pager, too.
    """
    out = console(stderr=stderr)
    lines = table_lines(plan.plans, COLUMNS, columns_of(out.file))
    sentences = [f"{one.host.name}: {_rejected(one)}" for one in plan.plans if one.deviations]
    sentences += [*_ways(order, plan), *(f"note: {sentence}" for sentence in plan.limits)]
    left_out = [*map(line, left_out_sentences(plan.left_out))]
    if page_lines(out, *lines, *map(line, sentences), *left_out):
        print_lines(out, *left_out)  # the pager took them along
        left = f", {len(plan.left_out)} left out" if plan.left_out else ""
        info(f"{counted(len(plan.plans), 'host')} would be erased{left}")


def left_out_sentences(hosts: "Sequence[LeftOut]") -> "Iterator[str]":
    """Who is left out and why: what several have alike once, with all of them."""
    groups: dict[str, list[LeftOut]] = {}
    for host in hosts:
        groups.setdefault(pattern_of(host.host, host.why), []).append(host)
    for alike in sorted(groups.values(), key=len, reverse=True):
        first, count = alike[0], len(alike)
        if count == 1:
            yield f"left out: {_reasons(first)}"
        else:
            yield f"left out: {', '.join(host.host for host in alike)}"
            yield f"    {_reasons(first)} (and {count - 1} alike)"
        hints = dict.fromkeys(refusal.hint for refusal in first.refusals if refusal.hint)
        yield from (f"  → {hint if count == 1 else without_name(first.host, hint)}" for hint in hints)


def _ways(order: "RunOrder", plan: "RunPlan") -> "Iterable[str]":
    """How each of them would be written, and where it would end, as far as it is not as usual."""
    if note := MODES.get(order.terms.write_mode):
        yield f"each {note}"
    foreign = [each for each in plan.plans if each.erases.foreign]
    if order.terms.erase_foreign:
        lost = f" of {', '.join(each.host.name for each in foreign)}" if foreign else ""
        yield f"what is not ours{lost} will be lost (--erase-foreign)"
    if order.terms.allow_downgrade:
        yield "an older version than a host has is allowed (--allow-downgrade)"
    if order.until:
        yield f"each ends after {order.until}, as ordered (--until)"


def _reasons(host: "LeftOut") -> str:
    return host.why if host.host in host.why else f"{host.host}: {host.why}"
