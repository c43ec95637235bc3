"""Who one is here: role, way in, password, own tokens."""

from flask import Response

from provisioner.api.people import TokenQuery
from provisioner.deployment.people import SHORTEST
from provisioner.domain.person import Role
from provisioner.errors import ProvisionError
from provisioner.web.operators import people, tokens
from provisioner.web.pages import access_tokens, notices, submitted
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.pages.users import MAY, new_password
from provisioner.web.request import the_caller, the_site

DONE = "Your password has been changed. Whoever signed in with the old one is signed out, except you here."


def show() -> Shown:
    """Name, role, and until when one is in."""
    return _own()


def _own(fault: ProvisionError | None = None, *, of_token: bool = False) -> Shown:
    caller = the_caller()
    found = tokens.list_all(TokenQuery())
    values = {
        "me": people.whoami(),
        "user": the_site().database.users.find(caller.name),
        "may": MAY[caller.role],
        "shortest": SHORTEST,
        "tokens": sorted(found.tokens, key=lambda token: -token.created),
        "roles": [role for role in Role if caller.role.covers(role)],
        "days": access_tokens.USUAL_DAYS,
        "fault": None if of_token else fault,
        "token_fault": fault if of_token else None,
        "typed": access_tokens.ordered_as_typed() if of_token else {},
        "notice": DONE if not fault and notices.told()[0] == "password" else "",
    }
    return Shown("account.html", values, submitted.status_with(fault))


def set_password() -> Shown | Response:
    """Another password; the current one is asked by the API."""
    _, fault = submitted.attempt(lambda: people.set_password(the_caller().name, new_password()))
    if fault:
        return _own(fault)
    return notices.after("/account", "password")


def create_token() -> Shown:
    """One for a program of one's own."""
    made, fault = submitted.attempt(access_tokens.ordered)
    return access_tokens.shown_once(made, "/account") if made else _own(fault, of_token=True)


def revoke_token(ident: str) -> Response:
    """Let one be worth nothing."""
    tokens.revoke(ident)
    return go("/account")


PAGES = (
    Page("GET", "/account", show, Role.VIEWER),
    Page("POST", "/account/password", set_password, Role.VIEWER),
    Page("POST", "/account/tokens", create_token, Role.VIEWER),
    Page("POST", "/account/tokens/<ident>/revoke", revoke_token, Role.VIEWER),
)
