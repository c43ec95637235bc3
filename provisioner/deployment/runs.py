"""Fleet runs: one order for many hosts, whose turn is next, and when the rest is better left alone."""

from collections import Counter
from typing import Any

from provisioner.deployment import plan
from provisioner.deployment.order import AS_USUAL, arm, check_version
from provisioner.domain import selection
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.run import Run
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import ACTIVE, RESTING, Stage
from provisioner.errors import InputError, ProvisionError, RefusedError
from provisioner.site.site import Site

UNSUCCESSFUL = frozenset({Stage.FAILED, Stage.REJECTED})


def select_hosts(site: Site, text: str, *, everything: bool) -> list[Host]:
    """The hosts that are meant. Raises InputError (PV-103, PV-104: nobody fits)."""
    if everything == bool(text):
        raise InputError("say which hosts: either --select EXPR or --all", hint=selection.HINT, code=103)
    candidates = [
        Candidate(host, site.database.deployments.last_of(host.name)) for host in site.database.hosts.all()
    ]
    terms = () if everything else selection.parse(text)
    chosen = [candidate.host for candidate in selection.choose(terms, candidates)]
    if not chosen:
        raise InputError(f"no host fits {text or '--all'}", hint="provision host list", code=104)
    return chosen


def preview_run(
    site: Site, hosts: list[Host], image: str, terms: Terms = AS_USUAL
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Plans of the hosts that can be deployed, and of the others `host` and `why` not."""
    plans, left_out = [], []
    for host in hosts:
        try:
            _refuse(site, host)
            chosen = plan.choose_image(site, host, image)
            check_version(site, host, chosen, terms)
            made = plan.make(site, host, chosen)
            plan.check_foreign(made, terms)
            plans.append(made)
        except ProvisionError as fault:
            left_out.append({"host": host.name, "why": str(fault)})
    return plans, left_out


def _refuse(site: Site, host: Host) -> None:
    last = site.database.deployments.last_of(host.name)
    if host.locked:
        raise RefusedError(f"{host.name} is locked", code=131)
    if last and last.stage not in RESTING:
        raise RefusedError(f"{host.name} is being deployed already ({last.id})", code=132)


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
        except RefusedError:
            continue
    return rows


def next_in_line(rows: list[Deployment], runs: dict[str, Run], at_once: int) -> Deployment | None:
    """Whose turn it is: of the runs that may have one more under way, the one with the fewest; then age.

    `rows` are all deployments that are not at rest, oldest first; a single deployment is a run of its own.
    """
    active = Counter(row.run or row.id for row in rows if row.stage in ACTIVE)
    if active.total() >= at_once:
        return None
    waiting = [row for row in rows if row.stage == Stage.QUEUED and _has_room(row, runs, active)]
    return min(waiting, key=lambda row: (active[row.run or row.id], row.created), default=None)


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
