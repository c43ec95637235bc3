"""Events as they happen: of all, of one deployment, of one run (web/event_stream.py says how)."""

import os
from collections.abc import Callable

from flask import request

from provisioner.api.answer import StreamQuery
from provisioner.deployment import people
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING
from provisioner.web import audience
from provisioner.web.client_sockets import is_local, peer_uid
from provisioner.web.event_stream import EventStream, Followed, last_seen, stream
from provisioner.web.operators.deployments import find
from provisioner.web.request import the_caller, the_site


def all_events(query: StreamQuery) -> EventStream:
    """Every event of the service as it happens, by Server-Sent Events; from now on, unless an id is given."""
    events = the_site().database.events
    after, newest = last_seen(query.after), events.newest()
    return stream(Followed(events.after), newest if after is None else _known(after, newest), _still())


def of_deployment(ident: str, query: StreamQuery) -> EventStream:
    """Events of a deployment from its first on, by Server-Sent Events; it ends with the deployment."""
    site = the_site()
    database, row = site.database, find(site, ident)
    followed = Followed(
        after=lambda after, limit: database.events.of(row.id, after, limit),
        is_over=lambda: database.deployments.get(row.id).stage in RESTING,
    )
    return stream(followed, _known(last_seen(query.after) or 0, database.events.newest()), _still())


def of_run(ident: str, query: StreamQuery) -> EventStream:
    """Events of all deployments of a run, by Server-Sent Events; it ends with the last of them."""
    database = the_site().database
    run = database.runs.get(ident).id
    followed = Followed(
        after=lambda after, limit: database.events.of_run(run, after, limit),
        is_over=lambda: all(row.stage in RESTING for row in database.deployments.of_run(run)),
    )
    return stream(followed, _known(last_seen(query.after) or 0, database.events.newest()), _still())


def _still() -> Callable[[], None]:
    """What raises RefusedError where the caller would not be let in any more."""
    site, who, wanted = the_site(), the_caller(), audience.of_request()
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    sock, what = request.environ.get("gunicorn.socket"), f"{request.method} {request.path}"

    def prove() -> None:
        if who.way == "socket" and is_local(sock):
            now = people.by_peer(site, peer_uid(sock), os.geteuid())
        else:
            now = people.by_token(site, token)
        if isinstance(wanted, Role):
            people.require(site, now, wanted, what)

    return prove


def _known(after: int, newest: int) -> int:
    """From the first on where an id was seen that the log does not have: it came back from a backup."""
    return after if after <= newest else 0
