"""Many hosts are ordered at once: the plan of each, who is left out, and the order of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, request

from provisioner.api.runs import RunArmed, RunOrder
from provisioner.domain.person import Role
from provisioner.domain.stage import STOPS
from provisioner.errors import InputError, ProvisionError
from provisioner.web.operators import images, runs
from provisioner.web.pages import hosts, run_view, submitted
from provisioner.web.pages.host_list import HostFilter
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_site

FILTER = "filter-"  # how the keys of a form begin that are those of the table's address
LIMITS = ("canary", "max_parallel", "stop_after")
CARRIED = ("hosts", "image", "write_mode", "until", "erase_foreign", "allow_downgrade", *LIMITS)


@dataclass(frozen=True)
class Choice:
    """Which hosts are meant, by name, and the form that says how; `gone` are those that are none by now."""

    names: tuple[str, ...]
    form: Mapping[str, str]
    gone: tuple[str, ...] = ()


def preflight() -> Shown:
    """What would be done to each of the hosts that were chosen."""
    return _form(_choice(), None)


def order() -> Shown | Response:
    """Order the run as it was shown, or say why not, with what would be done now."""
    choice = _choice()
    given, fault = submitted.attempt(lambda: runs.order(_body(choice, arm=True)))
    if isinstance(given, RunArmed):
        return go(f"/runs/{given.run.id}")
    return _form(choice, fault)


def _choice() -> Choice:
    """Those that were checked, or all that fit the filter of the table, or those of the form before."""
    form = {**request.form.to_dict(), "hosts": ""}
    if form.get("scope") == "fitting":
        wanted = {key.removeprefix(FILTER): value for key, value in form.items() if key.startswith(FILTER)}
        names = list(hosts.listing(HostFilter.of(wanted)).names)
    else:
        names = request.form.getlist("host") or request.form.get("hosts", "").split()
    known = the_site().database.hosts.known(names)
    chosen = tuple(name for name in dict.fromkeys(names) if name in known)
    gone = tuple(name for name in dict.fromkeys(names) if name not in known)
    return Choice(chosen, {**form, "hosts": " ".join(chosen)}, gone)


def _body(choice: Choice, *, arm: bool) -> RunOrder:
    form = choice.form
    if not choice.names:
        raise InputError("no host was chosen", hint="check some in the table", code=104)
    count = submitted.number(form, "expect_count")
    return submitted.model(
        RunOrder,
        hosts=choice.names,
        image=form.get("image", ""),
        until=form.get("until", ""),
        arm=arm,
        expect_count=(count if arm else -1),
        shown=submitted.digest() if arm else "",
        terms=submitted.terms(form),
        **{key: submitted.number(form, key) for key in LIMITS},
    )


def _form(choice: Choice, fault: ProvisionError | None) -> Shown:
    """`fault` is why it was not ordered; where there is no plan, why there is none."""
    found, unplanned = submitted.attempt(lambda: runs.order(_body(choice, arm=False)))
    values = {
        "run": run_view.under_way_by(choice.names) if fault and not getattr(found, "plans", ()) else "",
        "names": choice.names,
        "gone": choice.gone,
        "form": choice.form,
        "carried": CARRIED,
        "plan": found,
        "fault": fault,
        "unplanned": unplanned,
        "images": images.list_all().images,
        "write_modes": submitted.WRITE_MODES,
        "stops": STOPS,
    }
    told = fault or unplanned
    return Shown("preflight.html", values, submitted.status_with(told))


def begin() -> Response:
    """Whoever opens its address has chosen nothing: the table is where one chooses."""
    return go("/hosts")


PAGES = (
    Page("GET", "/hosts/preflight", begin, Role.OPERATOR),
    Page("POST", "/hosts/preflight", preflight, Role.OPERATOR),
    Page("POST", "/hosts/order", order, Role.OPERATOR),
)
