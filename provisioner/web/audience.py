"""For whom each route is: declared beside it, asked before anything else; what is not declared is closed."""

import logging
from collections.abc import Mapping
from typing import Final, Literal

from flask import Flask, abort, current_app, request

from provisioner.domain.person import Role

ANYBODY: Final = "anybody"  # who has nothing to show yet: the login itself
MACHINES: Final = "machines"  # on the LAN; each view proves by address, nonce or token whose the request is
LAN: Final = "lan"  # whoever is on the LAN; there is no secret in it
Audience = Role | Literal["anybody", "machines", "lan"]
KEY = "AUDIENCES"
log = logging.getLogger(__name__)


def declare(app: Flask, audiences: Mapping[str, Audience]) -> None:
    """For whom routes are, by their names (`request.endpoint`)."""
    app.config.setdefault(KEY, {}).update(audiences)


def declared(app: Flask) -> Mapping[str, Audience]:
    """Of all routes that were declared."""
    found: dict[str, Audience] = app.config.get(KEY, {})
    return found


def of_request() -> Audience | None:
    """Of the route that is asked for; None where the application has no such path.

    A route that nobody declared is answered to nobody (404), and the log says so.
    """
    if request.endpoint is None:
        return None
    found = declared(current_app).get(request.endpoint)
    if found is None:
        log.error("%s has no declared audience, so it is answered to nobody", request.endpoint)
        abort(404)
    return found


def only_machines() -> None:
    """Before every request of what machines ask; each view proves by itself whose it is."""
    if of_request() not in (MACHINES, LAN, None):
        abort(404)
