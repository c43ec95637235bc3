"""A deployment's serial console: its last lines as text, and all of it in a terminal that follows it."""

import base64

from flask import Response

from provisioner.api.console import ConsoleOutput, ConsoleQuery
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING
from provisioner.errors import NotFoundError, PowerError, ProvisionError
from provisioner.state.recording import plain
from provisioner.web.operators import consoles, deployments
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import answer, read_query

LINES = 200  # that are read without a script


def show(ident: str) -> Shown:
    """The last lines; why there are none, where that is so."""
    row = deployments.show(ident).deployment
    found, fault = _last_lines(row.id)
    values = {
        "row": row,
        "text": plain(base64.b64decode(found.newest or found.data)) if found else "",
        "fault": fault,
        "is_live": bool(found and found.live),
        "is_over": row.stage in RESTING,
        "marks": [mark for mark in found.marks if mark.mark == "lost"] if found else [],
    }
    return Shown("console.html", values)


def _last_lines(ident: str) -> tuple[ConsoleOutput | None, ProvisionError | None]:
    try:
        return consoles.show(ident, ConsoleQuery(lines=LINES)), None
    except (NotFoundError, PowerError) as fault:
        return None, fault


def output(ident: str) -> Response:
    """The next bytes for the terminal, as the API answers them."""
    return answer(consoles.show(ident, read_query(ConsoleQuery)))


PAGES = (
    Page("GET", "/deployments/<path:ident>/console", show, Role.TECHNICIAN),
    Page("GET", "/deployments/<path:ident>/console/output", output, Role.TECHNICIAN),
)
