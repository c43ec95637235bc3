"""Requests: where they come from, how they are read, kept waiting and answered."""

import logging
import time
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
    702: 401,  # a wrong password
    708: 401,  # an expired token
    700: 403,  # no user of ours
    701: 403,  # a role that may not
    704: 403,  # plain HTTP
    703: 429,  # too many wrong passwords
    707: 421,  # by another name
    710: 429,  # too many streams of events
    711: 403,  # a page of another site
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
    """What the caller asks for needs this role. Raises RefusedError (PV-701), which is written down."""
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
    return Response(one_line(model) + "\n", status, mimetype="application/json")


def one_line(model: BaseModel) -> str:
    """The model as JSON that can be printed, on one line whatever its texts hold."""
    return model.model_dump_json(ensure_ascii=True).replace("\x7f", r"\u007f")  # which pydantic leaves


def answer_error(fault: ProvisionError) -> Response:
    """An error of ours: by its code at people's doors, 404 for an unknown name, else by its exit code."""
    error, *also = (ErrorBody.model_validate(one.as_json()) for one in (fault, *fault.also))
    return answer(ErrorAnswer(error=error, also=tuple(also)), status_of(fault))


def status_of(fault: ProvisionError) -> int:
    """Its HTTP status."""
    status = 404 if isinstance(fault, NotFoundError) else STATUS.get(fault.exit, 500)
    return BY_CODE.get(fault.code, status)


def unexpected() -> ServiceError:
    """What nobody expected: Flask has logged it, the caller learns where to look."""
    return ServiceError("the service met an error of its own", hint="its log has the details")


def file_fault_of(fault: OSError) -> ProvisionError:
    """A file that cannot be read or written: PV-609 where the state folder has no room, else PV-150."""
    is_full = disk_usage.is_full(fault)
    told = disk_usage.disk_full(the_site().settings.state) if is_full else file_fault.explained(fault)
    log.warning("a request of an operator was not done: %s (PV-%d)", told, told.code)
    return told


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
    try:
        return model.model_validate_json(request.get_data() or b"{}")
    except ValidationError as fault:
        if any(error["type"] == "json_invalid" for error in fault.errors(include_url=False)):
            hint = "send JSON in UTF-8"
            raise InputError("the request cannot be used: its body is no JSON", hint=hint) from fault
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault


def read_query(model: type[_Model]) -> _Model:
    """The request's query string. Raises InputError (PV-100) for what its model does not take."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as fault:
        raise InputError(f"the query cannot be used: {sentences(fault)}") from fault


def await_change(look: Callable[[], _T], is_enough: Callable[[_T], bool], wait: float) -> _T:
    """What `look()` gives, as soon as it `is_enough`, or after `wait` seconds whatever it is.

    They are those of the monotonic clock: one that is set back holds no thread.
    """
    listener: Listener = current_app.config["LISTENER"]
    until = time.monotonic() + wait
    while True:
        seen = listener.count
        answer = look()
        left = until - time.monotonic()
        if left <= 0 or is_enough(answer):
            return answer
        listener.wait(seen, left)
