"""One order for many hosts: who is meant, who goes next, and when the rest is better left alone."""

from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

from provisioner.deployment import admission, plan, preflight
from provisioner.deployment.order import AS_USUAL, write_order
from provisioner.domain import identity, plan_digest, selection
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity
from provisioner.domain.image import Image
from provisioner.domain.plan import LeftOut, Plan
from provisioner.domain.refusal import Refusal
from provisioner.domain.run import Run, RunProgress, nobody_to_deploy
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import ACTIVE, RESTING, Stage
from provisioner.errors import InputError, ProvisionError, RefusedError, UnreadableError
from provisioner.site.site import Site
from provisioner.system.units import named

NOBODY_FITS, NOT_AS_SHOWN = 104, 146  # PV-104, PV-146
NOTHING_SHOWN: Mapping[str, str] = MappingProxyType({})


def select_hosts(site: Site, text: str, *, everything: bool, names: Collection[str] = ()) -> list[Host]:
    """The hosts that are meant, by name.

    Raises InputError (PV-103, PV-104: nobody fits); NotFoundError (PV-121), UnreadableError (PV-612) for one
    of the `names`.
    """
    if (everything, bool(text), bool(names)).count(True) != 1:
        raise InputError("say which hosts: either --select EXPR or --all", hint=selection.HINT, code=103)
    if names:
        return [site.database.hosts.get(name) for name in sorted(set(names))]
    lasts = site.database.deployments.last_of_each(brief=True)
    candidates = [Candidate(host, lasts.get(host.name)) for host in site.database.hosts.all()]
    terms = () if everything else selection.parse(text)
    chosen = [candidate.host for candidate in selection.choose(terms, candidates)]
    if not chosen:
        raise InputError(f"no host fits {text or '--all'}", hint="provision host list", code=104)
    return chosen


def preview_run(
    site: Site, hosts: list[Host], image: str, terms: Terms = AS_USUAL
) -> tuple[list[Plan], list[LeftOut]]:
    """The plans of the hosts that can be deployed, and of the others every reason why not."""
    return _sorted_out([_preview(site, host, image, terms) for host in hosts])


def preview_retry(site: Site, ident: str, terms: Terms = AS_USUAL) -> tuple[list[Plan], list[LeftOut]]:
    """Likewise of what failed or was cancelled in a run, each with the image that it was to get.

    Raises NotFoundError (PV-128), InputError (PV-104: all of it ended well, or has not ended).
    """
    site.database.runs.get(ident)
    rows = site.database.deployments.of_run(ident)
    ended = [row for row in rows if row.is_unreadable or (row.stage in RESTING and not row.ended_as_ordered)]
    if not ended:
        raise InputError(
            f"no host of {ident} failed or was cancelled",
            hint=f"provision status {ident}",
            code=104,
        )
    return _sorted_out([_preview_again(site, row, terms) for row in ended])


def _preview_again(site: Site, row: Deployment, terms: Terms) -> Plan | LeftOut:
    if row.is_unreadable:
        return _left_out(row.host, UnreadableError(row.reason, hint=row.hint))
    try:
        host = site.database.hosts.get(row.host)
    except ProvisionError as fault:  # it is not in the inventory any more
        return _left_out(row.host, fault)
    if refusal := _other_machine(site, row, host):
        return LeftOut(host=row.host, refusals=(refusal,))
    since = [each for each in site.database.deployments.later_than(row) if _may_have_ended_well(each)]
    if since:
        last = since[-1]
        sentence = f"{row.host} was deployed since ({last.id}: {last.image}, {last.stage})"
        hint = f"if it is meant all the same: provision deploy {row.host}"
        return LeftOut(host=row.host, refusals=(Refusal(code=143, sentence=sentence, hint=hint),))
    return _preview(site, host, row.image, terms)


def _other_machine(site: Site, row: Deployment, host: Host) -> Refusal | None:
    """PV-142 where the host of this name is not the machine for which `row` was ordered."""
    hardware = site.database.hosts.hardware(host.name) or HardwareFacts()
    meant = MachineIdentity(
        serial=identity.serial(host.serial) or hardware.serial,
        uuid=identity.uuid(host.uuid) or hardware.uuid,
        macs=host.macs,
    )
    told = meant.differences(row.machine)
    if not told:
        return None
    return Refusal(
        code=142,
        sentence=f"{host.name} is another machine than {row.id} was ordered for: {'; '.join(told)}",
        hint=f"if it is meant all the same: provision deploy {host.name}",
    )


def _may_have_ended_well(row: Deployment) -> bool:
    return row.ended_as_ordered or row.is_unreadable


def _preview(site: Site, host: Host, image: str, terms: Terms) -> Plan | LeftOut:
    try:
        proposal = plan.make(site, host, plan.choose_image(site, host, image), terms)
    except ProvisionError as fault:  # an image that is not there, or does not fit
        others = (*admission.refusals(site, host, None, terms), *preflight.missing_logins(site, host))
        return _left_out(host.name, fault, others)
    if not proposal.refusals:
        return proposal
    return LeftOut(host=host.name, refusals=(*proposal.refusals, *proposal.warnings))


def _left_out(host: str, fault: ProvisionError, others: tuple[Refusal, ...] = ()) -> LeftOut:
    first = Refusal(code=fault.code, sentence=str(fault), hint=fault.hint)
    return LeftOut(host=host, refusals=(first, *others))


def _sorted_out(previews: list[Plan | LeftOut]) -> tuple[list[Plan], list[LeftOut]]:
    plans = [each for each in previews if isinstance(each, Plan)]
    return plans, [each for each in previews if isinstance(each, LeftOut)]


def require_shown(plans: list[Plan], shown: str) -> None:
    """Raises RefusedError (PV-146) where the plans that were shown had another digest; empty: none were."""
    if shown in ("", plan_digest.of_run(plans)):
        return
    if not plans:
        raise RefusedError(
            "since they were shown, the hosts are otherwise: none can be deployed now; nothing was ordered",
            hint="look again: the same command with --dry-run",
            code=146,
        )
    names = [each.host.name for each in plans]
    raise RefusedError(
        f"since they were shown, the hosts, or what would be done to them, are otherwise; now these"
        f" {len(names)} would be erased: {named(names)}; nothing was ordered",
        hint="look again: the same command with --dry-run, then order again",
        code=146,
    )


def limits(run: Run, hosts: int, at_once: int) -> list[str]:
    """In words, which limits of an order for so many hosts another one cuts, or nobody can reach."""
    said, most = [], run.max_parallel or at_once
    if most > at_once:
        said.append(
            f"at most {at_once} {'is' if at_once == 1 else 'are'} under way at one time, not {most}:"
            " the setting orders.at_once says so"
        )
    if run.stop_after and run.stop_after < min(most, at_once, hosts):
        said.append(
            f"at most {run.stop_after} {'is' if run.stop_after == 1 else 'are'} under way at one time:"
            f" each may fail like the others, and so many stop the run (--stop-after)"
        )
    if run.stop_after > hosts:
        said.append(f"--stop-after {run.stop_after} never stops a run of {hosts}")
    if run.canary >= hosts > 0:
        every = "the only one is a canary" if hosts == 1 else f"all {hosts} are canaries"
        said.append(f"{every}: --canary {run.canary} leaves nobody to wait for them")
    return said


def arm_run(
    site: Site, run: Run, chosen: list[tuple[Host, Image]], shown: Mapping[str, str] = NOTHING_SHOWN
) -> list[Deployment]:
    """Keep the run and arm a deployment for each host, in one transaction: all of it, or nothing.

    `shown` has the digests of the plans, by host.

    Raises RefusedError: PV-134 where there is no host, or one refuses by now; PV-146 where the plan of one is
    otherwise by now.
    """
    if not chosen:
        raise nobody_to_deploy("each reason is in the plan: --dry-run")
    with site.database.writing():
        site.database.runs.put(run)
        return [_arm_one(site, run, host, image, shown.get(host.name, "")) for host, image in chosen]


def _arm_one(site: Site, run: Run, host: Host, image: Image, shown: str) -> Deployment:
    try:
        iso = plan.choose_iso(site, host, image)
        return write_order(
            site,
            host,
            image,
            by=run.by,
            stop_after=run.until,
            run=run.id,
            iso=iso,
            terms=run.terms,
            shown=shown,
        )
    except (RefusedError, InputError) as fault:
        if fault.code == NOT_AS_SHOWN:
            raise
        raise RefusedError(
            f"{host.name} cannot be deployed any more, so nothing was ordered: {fault} (PV-{fault.code})",
            hint="order again: the list is shown as it is now",
            code=134,
        ) from fault


def waiting(site: Site) -> dict[str, RunProgress]:
    """The runs of which a host still waits, by id. One that cannot be read is left out."""
    database = site.database
    queued = {row.run for row in database.deployments.under_way() if row.run and row.stage == Stage.QUEUED}
    return {
        ident: RunProgress(run, tuple(database.deployments.of_run(ident)))
        for ident, run in database.runs.known(queued).items()
    }


def next_in_line(rows: list[Deployment], runs: dict[str, RunProgress], at_once: int) -> Deployment | None:
    """Who begins next: single orders first; of runs with room, the one with the fewest under way; then age.

    `rows` are all deployments that are not at rest, oldest first. How a run that is not among `runs` goes on
    is not known, so none of it begins.
    """
    active = Counter(row.run for row in rows if row.stage in ACTIVE)
    if active.total() >= at_once:
        return None
    ready = [row for row in rows if row.stage == Stage.QUEUED and not row.paused and _has_room(row, runs)]
    return min(ready, key=lambda row: active[row.run] if row.run else -1, default=None)


def _has_room(row: Deployment, runs: dict[str, RunProgress]) -> bool:
    return not row.run or (row.run in runs and runs[row.run].has_room(row))
