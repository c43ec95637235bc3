"""One order for many hosts: who is meant, who goes next, and when the rest is better left alone."""

from collections import Counter

from provisioner.deployment import plan
from provisioner.deployment.order import AS_USUAL, arm
from provisioner.domain import selection
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.plan import LeftOut, Plan
from provisioner.domain.refusal import Refusal
from provisioner.domain.run import Run
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import ACTIVE, UNSUCCESSFUL, Stage
from provisioner.errors import InputError, ProvisionError, RefusedError
from provisioner.site.site import Site


def select_hosts(site: Site, text: str, *, everything: bool) -> list[Host]:
    """The hosts that are meant. Raises InputError (PV-103, PV-104: nobody fits)."""
    if everything == bool(text):
        raise InputError("say which hosts: either --select EXPR or --all", hint=selection.HINT, code=103)
    candidates = [
        Candidate(host, site.database.deployments.last_readable(host.name))
        for host in site.database.hosts.all()
    ]
    terms = () if everything else selection.parse(text)
    chosen = [candidate.host for candidate in selection.choose(terms, candidates)]
    if not chosen:
        raise InputError(f"no host fits {text or '--all'}", hint="provision host list", code=104)
    return chosen


def preview_run(
    site: Site, hosts: list[Host], image: str, terms: Terms = AS_USUAL
) -> tuple[list[Plan], list[LeftOut]]:
    """The plans of the hosts that can be deployed, and of the others every reason why not."""
    plans, left_out = [], []
    for host in hosts:
        try:
            proposal = plan.make(site, host, plan.choose_image(site, host, image), terms)
        except ProvisionError as fault:  # an image that is not there, or does not fit
            refusal = Refusal(code=fault.code, sentence=str(fault), hint=fault.hint)
            left_out.append(LeftOut(host=host.name, refusals=(refusal,)))
            continue
        if proposal.refusals:
            left_out.append(LeftOut(host=host.name, refusals=proposal.refusals))
        else:
            plans.append(proposal)
    return plans, left_out


def arm_run(site: Site, run: Run, chosen: list[tuple[Host, Image]]) -> list[Deployment]:
    """Keep the run and arm a deployment for each host; one that refuses by now is left out."""
    site.database.runs.put(run)
    rows = []
    for host, image in chosen:
        try:
            iso = plan.choose_iso(site, host, image)
            rows.append(
                arm(site, host, image, by=run.by, stop_after=run.until, run=run.id, iso=iso, terms=run.terms)
            )
        except (RefusedError, InputError):
            continue
    return rows


def next_in_line(rows: list[Deployment], runs: dict[str, Run], at_once: int) -> Deployment | None:
    """Who begins next: of the runs that may have one more under way, the one with the fewest; then age.

    `rows` are all deployments that are not at rest, oldest first; a single deployment is a run of its own.
    """
    active = Counter(row.run or row.id for row in rows if row.stage in ACTIVE)
    if active.total() >= at_once:
        return None
    waiting = [row for row in rows if row.stage == Stage.QUEUED and _has_room(row, runs, active)]
    return min(waiting, key=lambda row: active[row.run or row.id], default=None)


def _has_room(row: Deployment, runs: dict[str, Run], active: Counter[str]) -> bool:
    run = runs.get(row.run)
    return run is None or not run.max_parallel or active[run.id] < run.max_parallel


def reason_to_stop(run: Run, rows: list[Deployment]) -> str:
    """In words, where so many hosts of the run failed alike that the rest is better not begun."""
    codes = Counter(row.code for row in rows if row.stage in UNSUCCESSFUL)
    for code, count in codes.most_common(1):
        if run.stop_after and count >= run.stop_after:
            hosts = "host" if count == 1 else "hosts"
            return f"{count} {hosts} of the run failed alike (PV-{code}), so the rest was not begun"
    return ""
