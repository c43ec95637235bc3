"""Coming in and going out by a browser."""

from urllib.parse import urlencode

from flask import Response, g, request
from pydantic import ValidationError

from provisioner.api.people import Login
from provisioner.domain.person import Role
from provisioner.errors import RefusedError
from provisioner.web import session
from provisioner.web.audience import ANYBODY
from provisioner.web.operators import people
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import BY_CODE, the_site

WRONG = frozenset({702, 703})


def ask() -> Shown:
    """Name and password."""
    return Shown("login.html", {"next": _next(), "user": "", "fault": None})


def log_in() -> Response | Shown:
    """Let the browser keep the token of a login, and go on to the page that was asked for."""
    user = request.form.get("user", "")
    try:
        given = people.log_in(Login(user=user, password=request.form.get("password", "")))
    except (RefusedError, ValidationError) as fault:
        if isinstance(fault, ValidationError):
            fault = RefusedError("user or password is wrong", hint="neither may be empty", code=702)
        if fault.code not in WRONG:
            raise
        return Shown("login.html", {"next": _next(), "user": user[:64], "fault": fault}, BY_CODE[fault.code])
    response = go(_next())
    session.keep(response, given.token, max(0, given.expires - the_site().clock()))
    return response


def log_out() -> Response:
    """Let the token be worth nothing."""
    people.log_out()
    response = go("/login")
    session.forget(response)
    return response


def come_in() -> Response:
    """To where one logs in, and from there back to the page that was asked for."""
    path = request.full_path.rstrip("?")
    query = "" if path == "/" else "?" + urlencode({"next": path})
    response = go(f"/login{query}")
    if session.token_of(request):
        session.forget(response)
    g.pop("caller", None)
    return response


def _next() -> str:
    """A path of ours; anything else is the first page."""
    path = request.values.get("next", "")
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"


PAGES = (
    Page("GET", "/login", ask, ANYBODY),
    Page("POST", "/login", log_in, ANYBODY),
    Page("POST", "/logout", log_out, Role.VIEWER),
)
