"""Who may use the API: a role for each route; whoever is refused is in a host's log, or in the service's."""

import os

from flask import Response, abort, g, request

from provisioner.deployment import people
from provisioner.deployment.access import AccessEntry, record_access
from provisioner.domain.person import Caller, Role
from provisioner.errors import ProvisionError, RefusedError
from provisioner.site import lan
from provisioner.web import audience
from provisioner.web.client_sockets import is_local, peer_uid
from provisioner.web.machines.refusals import note_refused
from provisioner.web.operators.deployments import find
from provisioner.web.request import answer_error, require, the_site

HOSTS = "operators_hosts"  # the noun whose routes name a host; those of deployments name one, or an order
DEPLOYMENTS = "operators_deployments"
NOTED = frozenset({601, 680, 681, 687, 688})  # wrong passwords are, where they are looked at


def authorize() -> None:
    """Before every request: the caller is known and has the role that the route is declared for.

    Raises RefusedError: PV-687 by another name than ours; PV-601, PV-680, PV-688 nobody known; PV-681 a role
    that may not.
    """
    _require_own_name()
    wanted = audience.of_request()
    if wanted == audience.ANYBODY:
        return
    g.caller = _caller()
    if isinstance(wanted, Role):
        require(wanted, f"{request.method} {request.path}")
    elif wanted is not None:  # of machines: not here
        abort(404)


def answer_fault_of_people(fault: ProvisionError) -> Response:
    """What the door refuses, or a view because of the caller's role, is written down; then as any error."""
    if fault.code in NOTED:
        _note(str(fault))
    return answer_error(fault)


def _caller() -> Caller:
    sock = request.environ.get("gunicorn.socket")
    token = _token()
    if is_local(sock) and not token:  # whoever shows a token wants to be its owner
        return people.by_peer(the_site(), peer_uid(sock), os.geteuid())
    return people.by_token(the_site(), token)


def _token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


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
            code=687,
        )


def _note(sentence: str) -> None:
    """In the log of the host that asks, or is asked about; and where people's ways in are written down."""
    what, address = f"{request.method} {request.path}", request.remote_addr or ""
    caller: Caller | None = g.get("caller")
    entry = AccessEntry(
        action="request",
        outcome="refused",
        name=caller.name if caller else "",
        role=caller.role if caller else None,
        address=address,
        subject=what,
        sentence=sentence,
    )
    record_access(the_site(), entry)
    try:
        host = lan.host_at(the_site(), address) or _host_asked_about()
    except ProvisionError:  # evidence never changes an answer
        return
    if host:
        note_refused(host, what, sentence)


def _host_asked_about() -> str:
    """Empty where the route names none. Raises NotFoundError where there is none of that name."""
    named, database = request.view_args or {}, the_site().database
    if request.blueprint == HOSTS and "name" in named:
        return database.hosts.get(named["name"]).name
    if request.blueprint == DEPLOYMENTS and "ident" in named:
        return find(the_site(), named["ident"]).host
    return ""
