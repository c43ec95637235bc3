"""Requests: where they come from, how they are read, kept waiting and answered."""

import json
import logging
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from typing import TypeVar

from flask import Response, current_app, g, request
from pydantic import BaseModel, ValidationError

from provisioner.api.answer import ErrorAnswer, ErrorBody
from provisioner.deployment import people
from provisioner.domain.person import Caller, Role
from provisioner.errors import Exit, InputError, NotFoundError, ProvisionError, ServiceError
from provisioner.site.site import Site
from provisioner.state import disk_usage
from provisioner.state.notify import Listener
from provisioner.system import file_fault
from provisioner.validation import sentences

log = logging.getLogger(__name__)
STATUS = {Exit.USAGE: 400, Exit.REFUSED: 409, Exit.UNREACHABLE: 502, Exit.FAILED: 409}
BY_CODE = {  # of people's doors
    601: 401,  # no token, or nobody's
    682: 401,  # a wrong password
    688: 401,  # an expired token
    680: 403,  # no user of ours
    681: 403,  # a role that may not
    684: 403,  # plain HTTP
    683: 429,  # too many wrong passwords
    687: 421,  # by another name
}
_Model = TypeVar("_Model", bound=BaseModel)
_T = TypeVar("_T")


def the_site() -> Site:
    """The site that this application serves."""
    site: Site = current_app.config["SITE"]
    return site


def the_caller() -> Caller:
    """Who makes the request, proved before any view was called."""
    caller: Caller = g.caller
    return caller


def require(role: Role, what: str) -> None:
    """What the caller asks for needs this role. Raises RefusedError (PV-681), which is written down."""
    people.require(the_site(), the_caller(), role, what)


def client_address() -> str:
    """The IPv4 address of who asks.

    Of a request that the configured front hands on (nginx before the images, `images.url`), the address that
    the front says; nobody else is believed to speak for others.
    """
    peer, settings = request.remote_addr or "", the_site().settings
    if not settings.is_front(peer):
        return peer
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(IPv4Address(said))
    except AddressValueError:
        log.warning("%s hands on a request and does not say whose; see systemd/nginx-images.conf", peer)
        return peer


def answer(model: BaseModel, status: int = 200) -> Response:
    """The model as JSON in ASCII: no text of a machine can command the terminal of who asked by curl."""
    text = model.model_dump_json(ensure_ascii=True).replace("\x7f", r"\u007f")  # which pydantic leaves
    return Response(text + "\n", status, mimetype="application/json")


def answer_error(fault: ProvisionError) -> Response:
    """An error of ours: by its code at people's doors, 404 for an unknown name, else by its exit code."""
    status = 404 if isinstance(fault, NotFoundError) else STATUS.get(fault.exit, 500)
    error, *also = (ErrorBody.model_validate(one.as_json()) for one in (fault, *fault.also))
    body = ErrorAnswer(error=error, also=tuple(also))
    return answer(body, BY_CODE.get(fault.code, status))


def answer_fault(_: Exception) -> Response:
    """What nobody expected: Flask has logged it, the caller learns where to look."""
    return answer_error(ServiceError("the service met an error of its own", hint="its log has the details"))


def answer_file_fault(fault: OSError) -> Response:
    """A file that cannot be read or written: PV-609 where the state folder has no room, else PV-150."""
    is_full = disk_usage.is_full(fault)
    told = disk_usage.disk_full(the_site().settings.state) if is_full else file_fault.explained(fault)
    log.warning("a request of an operator was not done: %s (PV-%d)", told, told.code)
    return answer_error(told)


def json_body(*, force: bool = False) -> object:
    """A machine's body as plain data; None for what is no JSON. `force`: whatever its media type says.

    What its texts may hold, half characters (lone surrogates) too, is for whoever reads them to make fit.
    """
    try:
        body: object = request.get_json(silent=True, force=force)
    except RecursionError:
        return None
    return body


def read_body(model: type[_Model]) -> _Model:
    """The request's JSON; an empty object where there is no body. Raises InputError (PV-100)."""
    if not (raw := request.get_data()):
        raw = b"{}"
    try:
        return model.model_validate(json.loads(raw))
    except ValidationError as fault:
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault
    except (ValueError, RecursionError) as fault:  # ValidationError is a ValueError, too
        hint = "send JSON in UTF-8"
        raise InputError("the request cannot be used: its body is no JSON", hint=hint) from fault


def read_query(model: type[_Model]) -> _Model:
    """The request's query string; models of `api` take anything there."""
    return model.model_validate(request.args.to_dict())


def await_change(look: Callable[[], _T], is_enough: Callable[[_T], bool], wait: float) -> _T:
    """What `look()` gives, as soon as it `is_enough`, or after `wait` seconds whatever it is."""
    listener: Listener = current_app.config["LISTENER"]
    clock = the_site().clock
    until = clock() + wait
    while True:
        seen = listener.count
        answer = look()
        left = until - clock()
        if left <= 0 or is_enough(answer):
            return answer
        listener.wait(seen, left)
