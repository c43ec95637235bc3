"""Everybody's tokens, for admins: whose they are, what each is for, until when; made and revoked."""

from flask import Response

from provisioner.api.people import TokenCreated, TokenOrder, TokenQuery
from provisioner.domain.person import ROOT, Role
from provisioner.errors import ProvisionError
from provisioner.web.operators import people, tokens
from provisioner.web.pages import submitted
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_caller

USUAL_DAYS = 90


def list_all() -> Shown:
    """Those that hold first, the newest first."""
    return _all()


def _all(fault: ProvisionError | None = None) -> Shown:
    found = tokens.list_all(TokenQuery(all=True))
    ordered = sorted(found.tokens, key=lambda token: -token.created)
    values = {
        "held": [token for token in ordered if token.expires > found.now],
        "expired": [token for token in ordered if token.expires <= found.now],
        "users": [ROOT, *(user.name for user in people.list_all().users)],
        "own_name": the_caller().name,
        "roles": list(Role),
        "days": USUAL_DAYS,
        "fault": fault,
        "typed": ordered_as_typed() if fault else {},
    }
    return Shown("tokens.html", values, submitted.status_with(fault))


def ordered_as_typed() -> dict[str, str]:
    """What was typed into the form of a new token."""
    return {name: submitted.text(name)[:200] for name in ("user", "role", "days", "note")}


def create() -> Shown:
    """One for a person's program; its text is on this answer, and nowhere afterwards."""
    made, fault = submitted.attempt(ordered)
    return shown_once(made, "/admin/tokens") if made else _all(fault)


def ordered() -> TokenCreated:
    """The token that a form asks for. Raises InputError (PV-100), RefusedError (PV-701)."""
    typed = ordered_as_typed()
    values = {**typed, "role": typed["role"] or None, "days": typed["days"] or USUAL_DAYS}
    return tokens.create(submitted.model(TokenOrder, **values))


def shown_once(made: TokenCreated, back: str) -> Shown:
    """The page with the text of a new token."""
    return Shown("token_made.html", {"made": made.token, "text": made.text, "back": back})


def revoke(ident: str) -> Response:
    """Let one be worth nothing. Raises NotFoundError."""
    tokens.revoke(ident)
    return go("/admin/tokens")


PAGES = (
    Page("GET", "/admin/tokens", list_all, Role.ADMIN),
    Page("POST", "/admin/tokens", create, Role.ADMIN),
    Page("POST", "/admin/tokens/<ident>/revoke", revoke, Role.ADMIN),
)
