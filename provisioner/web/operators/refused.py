"""What people are refused is written down, each once: in the audit with who it was, and in a host's log.

The door's refusals are `access.refused`, those of an order that the caller might have given `order.refused`;
whoever logs in in vain is noted by `people.log_in`, which knows the user that he claims to be.
"""

from flask import g, request

from provisioner.deployment import plan
from provisioner.deployment.access import AccessEntry, Action
from provisioner.domain.person import Caller
from provisioner.errors import Exit, ProvisionError
from provisioner.site import lan
from provisioner.web.client_sockets import is_local
from provisioner.web.machines.refusals import note_access, note_refused
from provisioner.web.operators.deployments import find
from provisioner.web.request import json_body, the_site

PREFIX = "operators_"  # of blueprints' names
HOSTS = "operators_hosts"  # the noun whose routes name a host; those of deployments name one, or an order
HOST_PAGES = ("/hosts/", "/t/host/")  # how the paths of one host's pages begin
DEPLOYMENTS = ("operators_deployments.", "pages.deployments_", "pages.consoles_")
DOOR = frozenset({601, 700, 701, 704, 707, 708, 711})
PASSWORDS = frozenset({702, 703})  # wrong ones are written down where they are looked at


def note_fault_of_people(fault: ProvisionError) -> None:
    """Write down that something was refused, if that is what the error says."""
    if fault.code in DOOR:
        _note_at_door(str(fault))
    elif fault.exit is Exit.REFUSED and request.method != "GET" and fault.code not in PASSWORDS:
        named = " ".join(map(str, (request.view_args or {}).values()))
        what = (request.endpoint or "").removeprefix(PREFIX)
        note_access(entry("order", f"{what} {named}".rstrip(), f"{fault} (PV-{fault.code})", _host_meant()))


def entry(action: Action, subject: str, sentence: str, host: str = "") -> AccessEntry:
    """That the request which is handled was refused, and to whom as far as that is proved."""
    caller: Caller | None = g.get("caller")
    by_socket = is_local(request.environ.get("gunicorn.socket"))
    return AccessEntry(
        action=action,
        outcome="refused",
        name=caller.name if caller else "",
        role=caller.role if caller else None,
        door=caller.way if caller else "socket" if by_socket else "https",
        address="" if by_socket else request.remote_addr or "",
        host=host,
        subject=subject,
        sentence=sentence,
    )


def _note_at_door(sentence: str) -> None:
    """In the log of the host that asks, or is asked about, too."""
    what, address = f"{request.method} {request.path}", request.remote_addr or ""
    note_access(entry("request", what, sentence))
    try:
        host = lan.host_at(the_site(), address) or _host_asked_about()
    except ProvisionError:  # evidence never changes an answer
        return
    if host:
        note_refused(host, what, sentence)


def _host_meant() -> str:
    """The host that an order names in its path or its body; empty for none, and for one that nobody knows."""
    body, sent = json_body(), request.form.getlist("host")
    named = body.get("host") if isinstance(body, dict) else sent[0] if len(sent) == 1 else None
    try:
        found = _host_asked_about()
        return found or (plan.find_host(the_site(), named).name if isinstance(named, str) else "")
    except ProvisionError:  # evidence never changes an answer
        return ""


def _host_asked_about() -> str:
    """Empty where the route names none. Raises NotFoundError where there is none of that name."""
    named, database = request.view_args or {}, the_site().database
    if (request.blueprint == HOSTS or request.path.startswith(HOST_PAGES)) and "name" in named:
        return database.hosts.get(named["name"]).name
    if (request.endpoint or "").startswith(DEPLOYMENTS) and "ident" in named:
        return find(the_site(), named["ident"]).host
    return ""
