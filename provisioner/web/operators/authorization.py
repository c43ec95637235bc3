"""Who may use the API: a role for each route. What is written down of who is refused: `refused.py`."""

import os

from flask import abort, g, request

from provisioner.deployment import people
from provisioner.domain.person import Caller, Role
from provisioner.errors import RefusedError
from provisioner.web import audience, session
from provisioner.web.client_sockets import is_local, peer_uid
from provisioner.web.request import require, the_site


def authorize() -> None:
    """Before every request: the caller is known and has the role that the route is declared for.

    Raises RefusedError: PV-707 by another name than ours; PV-711 sent by a page of another site; PV-601,
    PV-700, PV-708 nobody known; PV-701 a role that may not.
    """
    _require_own_name()
    wanted = audience.of_request()
    if session.is_for_browsers(request):
        session.require_own_page()
    if wanted == audience.ANYBODY:
        return
    g.caller = _caller()
    if isinstance(wanted, Role):
        require(wanted, f"{request.method} {request.path}")
    elif wanted is not None:  # of machines: not here
        abort(404)


def _caller() -> Caller:
    sock = request.environ.get("gunicorn.socket")
    token = _token()
    if is_local(sock) and not token:  # whoever shows a token wants to be its owner
        return people.by_peer(the_site(), peer_uid(sock), os.geteuid())
    return people.by_token(the_site(), token, "" if is_local(sock) else request.remote_addr or "")


def _token() -> str:
    """What a program shows; of a page, what the browser keeps."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return session.token_of(request) if session.is_for_browsers(request) else ""


def _require_own_name() -> None:
    """A page elsewhere whose name was made to mean our address (DNS rebinding) calls us by that name."""
    if is_local(request.environ.get("gunicorn.socket")):
        return
    host = request.host.lower()
    name = host.rpartition(":")[0] if ":" in host else host
    if name not in the_site().settings.api_names:
        raise RefusedError(
            "the service is not called so",
            hint=f"{the_site().settings.api_url}; or name it in the settings: access.names",
            code=707,
        )
