"""All pages: each module has its own part of the table."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from provisioner.errors import NotFoundError, ProvisionError
from provisioner.web import session
from provisioner.web.audience import ANYBODY, Audience
from provisioner.web.pages import (
    access_tokens,
    account,
    admin,
    audit_lines,
    bmc_logins,
    bulk_orders,
    consoles,
    deployments,
    explanations,
    host,
    host_bmc,
    host_changes,
    host_edit,
    host_import,
    host_order,
    host_render,
    hosts,
    images,
    live,
    login,
    network,
    now,
    rack,
    rack_deploy,
    rack_label,
    rack_machine,
    rack_steps,
    racks,
    rehearsals,
    rendering,
    reports,
    runs,
    service_settings,
    static_files,
    twins,
    users,
)
from provisioner.web.pages.live import ElsewhereNow, LivePart
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import status_of

BLUEPRINT = "pages"
NOT_IN = frozenset({601, 700, 708})  # nobody known: he is asked to log in

PAGES: tuple[Page, ...] = (
    *access_tokens.PAGES,
    *account.PAGES,
    *admin.PAGES,
    *audit_lines.PAGES,
    *bmc_logins.PAGES,
    *bulk_orders.PAGES,
    *consoles.PAGES,
    *deployments.PAGES,
    *explanations.PAGES,
    *host.PAGES,
    *host_bmc.PAGES,
    *host_changes.PAGES,
    *host_edit.PAGES,
    *host_import.PAGES,
    *host_order.PAGES,
    *host_render.PAGES,
    *hosts.PAGES,
    *images.PAGES,
    *login.PAGES,
    *network.PAGES,
    *now.PAGES,
    *rack.PAGES,
    *rack_deploy.PAGES,
    *rack_label.PAGES,
    *rack_machine.PAGES,
    *rack_steps.PAGES,
    *racks.PAGES,
    *rehearsals.PAGES,
    *reports.PAGES,
    *runs.PAGES,
    *service_settings.PAGES,
    *twins.PAGES,
    *users.PAGES,
)


def blueprint() -> Blueprint:
    """All of them, and their files."""
    made = Blueprint(BLUEPRINT, __name__, template_folder="templates")
    for page in PAGES:
        made.add_url_rule(page.path, page.name, _view(page), methods=[page.method])
    made.after_request(_forget)
    made.after_request(rendering.guard)
    made.add_url_rule("/static/<digest>/<name>", "static_file", static_files.serve, methods=["GET"])
    return made


def audiences() -> dict[str, Audience]:
    """For whom each of them is, by the route's name."""
    declared = {f"{BLUEPRINT}.{page.name}": page.audience for page in PAGES}
    return {**declared, f"{BLUEPRINT}.static_file": ANYBODY}


def _view(page: Page) -> Callable[..., Response]:
    """What answers; a page that has a live part is made once for all who look at it."""
    is_live = False

    def view(**variables: str | int) -> Response:
        nonlocal is_live
        if is_live:
            return _answer_live(page, variables)
        shown = page.view(**variables)
        if not isinstance(shown, Shown):
            return shown
        is_live = page.method == "GET" and rendering.is_live(shown)
        return _answer_live(page, variables) if is_live else rendering.answer(shown)

    return view


def _answer_live(page: Page, variables: dict[str, str | int]) -> Response:
    def render() -> LivePart:
        shown = page.view(**variables)
        if not isinstance(shown, Shown):
            raise ElsewhereNow(shown)
        return rendering.live_part(shown)

    if live.wants_stream():
        return live.follow(render)
    try:
        part = live.get(render)
    except ElsewhereNow as moved:
        return moved.response
    return rendering.answer(part.shown, part.text)


def _forget(response: Response) -> Response:
    if request.method not in session.READING:
        live.the_parts().forget()
    return response


def answer_fault(fault: ProvisionError) -> Response:
    """A page that says what is wrong and what to do; who is not known yet is asked to log in first."""
    if fault.code in NOT_IN and request.method in session.READING and not live.wants_stream():
        return login.come_in()
    values: dict[str, object] = {"fault": fault, "is_missing": isinstance(fault, NotFoundError)}
    return rendering.answer(Shown("fault.html", values, status_of(fault)))
