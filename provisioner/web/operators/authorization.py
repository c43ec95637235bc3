"""Who may use the operators' API; whoever may not is in a host's log, or in the service's."""

import logging
import socket

from flask import request

from provisioner.deployment.tokens import token_fits
from provisioner.errors import ProvisionError, RefusedError
from provisioner.site import lan
from provisioner.state.secrets import operator_token_hash
from provisioner.web.machines.refusals import note_refused
from provisioner.web.operators.deployments import find
from provisioner.web.request import client_address, the_site

log = logging.getLogger(__name__)
HOSTS = "operators_hosts"  # the noun whose routes name a host; those of deployments name one, or an order
DEPLOYMENTS = "operators_deployments"


def only_operators() -> None:
    """Raises RefusedError (PV-601) unless the request has the operator's token or comes by the Unix socket.

    The socket is open to whoever may enter the state folder. Who is refused is written down.
    """
    if _is_local():
        return
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token_fits(token, operator_token_hash(the_site().settings.state)):
        return
    _note("the operator's token is wrong" if token else "it has no operator's token")
    raise RefusedError(
        "the service does not know this token",
        hint="export PROVISION_TOKEN with the text of STATE/secrets/operator.token",
        code=601,
    )


def _is_local() -> bool:
    connection = request.environ.get("gunicorn.socket")
    return connection is not None and connection.family == socket.AF_UNIX


def _note(sentence: str) -> None:
    """In the log of the host that asks, else of the one that is asked about, else in the service's."""
    what = f"{request.method} {request.path}"
    try:
        host = lan.host_at(the_site(), client_address()) or _host_asked_about()
    except ProvisionError:  # evidence never changes an answer
        host = ""
    if host:
        note_refused(host, what, sentence)
    else:
        log.warning("refused to %s: %s: %s", client_address(), what, sentence)


def _host_asked_about() -> str:
    """Empty where the route names none. Raises NotFoundError where there is none of that name."""
    named, database = request.view_args or {}, the_site().database
    if request.blueprint == HOSTS and "name" in named:
        return database.hosts.get(named["name"]).name
    if request.blueprint == DEPLOYMENTS and "ident" in named:
        return find(the_site(), named["ident"]).host
    return ""
