"""Requests: who may come in, how they are read, answered, refused and kept waiting."""

import json
import logging
import re
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import BaseModel, ValidationError

from provisioner.deployment.tokens import token_fits
from provisioner.errors import Exit, InputError, NotFoundError, ProvisionError, RefusedError, ServiceError
from provisioner.settings import sentences
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.secrets import operator_token_hash

log = logging.getLogger(__name__)
PREFIX = "/api/v1"
SCHEMA_VERSION = 1
LONGEST_WAIT = 25.0  # seconds that one request may wait for news
STATUS = {Exit.USAGE: 400, Exit.REFUSED: 409, Exit.UNREACHABLE: 502, Exit.FAILED: 409}
_T = TypeVar("_T")


def routes_for_operators(name: str, path: str = "") -> Blueprint:
    """A blueprint below /api/v1 behind this door."""
    routes = Blueprint(name, __name__, url_prefix=PREFIX + path)
    routes.before_request(only_operators)
    routes.register_error_handler(ProvisionError, explain)
    routes.register_error_handler(500, _explain_fault)
    return routes


def the_site() -> Site:
    """The site that this application serves."""
    found: Site = current_app.config["SITE"]
    return found


def only_operators() -> None:
    """The Unix socket is open to whoever may enter the state folder; elsewhere a token is asked."""
    if _is_local():
        return
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    kept = operator_token_hash(the_site().settings.state)
    if not token_fits(token, kept):
        raise RefusedError(
            "the service does not know this token",
            hint="export PROVISION_TOKEN with the text of STATE/secrets/operator.token",
            code=601,
        )


def _is_local() -> bool:
    connection = request.environ.get("gunicorn.socket")
    return connection is not None and connection.family == socket.AF_UNIX


def explain(fault: ProvisionError) -> tuple[Response, int]:
    """Every error of ours as JSON; the status says little, the body all."""
    status = 404 if isinstance(fault, NotFoundError) else STATUS.get(fault.exit, 500)
    return jsonify({"error": fault.as_json()}), 401 if fault.code == 601 else status


def _explain_fault(_: Exception) -> tuple[Response, int]:
    """What nobody expected: Flask has logged it, the caller learns where to look."""
    fault = ServiceError("the service met an error of its own", hint="its log has the details")
    return jsonify({"error": fault.as_json()}), 500


def json_body(*, force: bool = False) -> object:
    """A machine's body as plain data; None for what is no JSON. `force`: whatever its media type says.

    Half characters (lone surrogates), which nothing stores, become `?`.
    """
    try:
        found = request.get_json(silent=True, force=force)
        plain: object = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        return None
    return plain


def read(kind: type[BaseModel]) -> Any:
    """The request's JSON as `kind`. Raises InputError."""
    try:
        return kind.model_validate(request.get_json(silent=True) or {})
    except ValidationError as fault:
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault


def answer(**values: Any) -> Response:
    """Values as JSON, with the schema's version."""
    return jsonify({"schema_version": SCHEMA_VERSION, **values})


def after() -> int:
    """The id of the last event that who asks has seen."""
    said = request.args.get("after", "")
    return int(said) if re.fullmatch(r"\d{1,18}", said) else 0


def await_news(look: Callable[[], _T], is_over: Callable[[_T], bool]) -> _T:
    """What `look()` finds, as soon as it `is_over`, or when the asked `wait` seconds have passed."""
    listener: Listener = current_app.config["LISTENER"]
    clock = the_site().clock
    until = clock() + _seconds()
    while True:
        rung = listener.count
        found = look()
        left = until - clock()
        if left <= 0 or is_over(found):
            return found
        listener.wait(rung, left)


def _seconds() -> float:
    try:
        wanted = float(request.args.get("wait", 0))
    except ValueError:
        return 0
    return min(max(0.0, wanted), LONGEST_WAIT)  # in this order: nobody waits for NaN
