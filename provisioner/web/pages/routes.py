"""All pages: each module has its own part of the table."""

from collections.abc import Callable

from flask import Blueprint, Response, current_app, g, request

from provisioner.api import ROOT
from provisioner.domain.person import Role
from provisioner.errors import Exit, NotFoundError, ProvisionError
from provisioner.web import audience
from provisioner.web.audience import ANYBODY, Audience
from provisioner.web.pages import consoles, deployments, live, login, now, rendering, runs, static_files
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import status_of

BLUEPRINT = "pages"
NOT_IN = frozenset({601, 700, 708})  # nobody known: he is asked to log in

PAGES: tuple[Page, ...] = (
    *now.PAGES,
    *login.PAGES,
    *runs.PAGES,
    *deployments.PAGES,
    *consoles.PAGES,
)


def blueprint() -> Blueprint:
    """All of them, and their files."""
    made = Blueprint(BLUEPRINT, __name__, template_folder="templates")
    for page in PAGES:
        made.add_url_rule(page.path, page.name, _view(page), methods=[page.method])
    made.add_url_rule("/static/<digest>/<name>", "static_file", static_files.serve, methods=["GET"])
    return made


def audiences() -> dict[str, Audience]:
    """For whom each of them is, by the route's name."""
    declared = {f"{BLUEPRINT}.{page.name}": page.audience for page in PAGES}
    return {**declared, f"{BLUEPRINT}.static_file": ANYBODY}


def _view(page: Page) -> Callable[..., Response]:
    def view(**variables: str | int) -> Response:
        shown = page.view(**variables)
        if not isinstance(shown, Shown):
            return shown
        if page.method == "GET" and live.wants_stream():
            return live.follow(lambda: _again(page, variables))
        return rendering.answer(shown)

    return view


def _again(page: Page, variables: dict[str, str | int]) -> str:
    shown = page.view(**variables)
    assert isinstance(shown, Shown)  # noqa: S101  it was, a moment ago
    return rendering.block(shown)


def is_asked() -> bool:
    """Whether the request is of somebody before a browser: for no path of the API, and no program's."""
    return not request.path.startswith((f"{ROOT}/", "/metrics", "/static/"))


def answer_fault(fault: ProvisionError) -> Response:
    """A page that says what is wrong and what to do; who is not known yet is asked to log in first."""
    if fault.code in NOT_IN and not live.wants_stream() and request.method == "GET":
        return login.come_in()
    if request.method != "GET" and fault.exit is Exit.REFUSED and g.get("caller") is None:
        g.caller = None
    values: dict[str, object] = {"fault": fault, "is_missing": isinstance(fault, NotFoundError)}
    return rendering.answer(Shown("fault.html", values, status_of(fault)))


def may(name: str) -> bool:
    """Whether the caller may ask for the page of this name; templates show nobody what he may not."""
    wanted = audience.declared(current_app).get(f"{BLUEPRINT}.{name}")
    caller = g.get("caller")
    return caller is not None and isinstance(wanted, Role) and caller.role.covers(wanted)
