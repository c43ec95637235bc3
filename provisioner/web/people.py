"""What people and their programs ask: the API, the pages, the metrics, and how their faults are told."""

import re

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from provisioner.errors import InputError, NotFoundError, ProvisionError
from provisioner.web import audience, session
from provisioner.web.login_limit import LoginLimit
from provisioner.web.operators import metrics
from provisioner.web.operators import routes as operators
from provisioner.web.operators.authorization import authorize
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import rendering
from provisioner.web.pages import routes as pages
from provisioner.web.request import answer_error, file_fault_of, unexpected


def serve_people(app: Flask) -> None:
    """Their routes, who may ask each, and how a fault is told."""
    app.config["LOGIN_LIMIT"] = LoginLimit()
    app.before_request(authorize)
    app.after_request(_keep_private)
    app.register_blueprint(metrics.routes)
    audience.declare(app, metrics.AUDIENCES)
    for blueprint in operators.blueprints():
        app.register_blueprint(blueprint)
    audience.declare(app, operators.audiences())
    rendering.prepare(app)
    app.register_blueprint(pages.blueprint())
    audience.declare(app, pages.audiences())
    app.register_error_handler(ProvisionError, _answer_fault_of_people)
    app.register_error_handler(OSError, _answer_file_fault)
    app.register_error_handler(HTTPException, _answer_people)


def _keep_private(response: Response) -> Response:
    """No cache keeps what one person was told, and no browser takes it for something else."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _answer_fault_of_people(fault: ProvisionError) -> Response:
    """As JSON for programs, as a page for browsers; what was refused is written down."""
    note_fault_of_people(fault)
    return _told(fault)


def _answer_file_fault(fault: OSError) -> Response:
    return _told(file_fault_of(fault))


def _told(fault: ProvisionError) -> Response:
    return pages.answer_fault(fault) if session.is_for_browsers(request) else answer_error(fault)


def _methods_here() -> list[str]:
    """Those of the route that says most of the path: a host could be called `vc-1/lock`."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # noqa: S101  there is a request
    rules = {
        method: adapter.match(method=method, return_rule=True)[0].rule for method in adapter.allowed_methods()
    }
    closest = max(rules.values(), key=lambda rule: len(re.sub(r"<[^>]*>", "", rule)))
    return sorted(method for method, rule in rules.items() if rule == closest)


def _answer_people(fault: HTTPException) -> Response:
    """Who gets here has a role, so that he may know which paths there are, and by which methods."""
    if fault.code is None or fault.code >= 500:
        return _told(unexpected())
    if isinstance(fault, MethodNotAllowed):
        allowed = ", ".join(_methods_here())
        told = InputError(f"this path cannot be asked by {request.method[:20]!r}", hint=f"by {allowed}")
        reply = _told(told)
        reply.status_code, reply.headers["Allow"] = 405, allowed
        return reply
    if isinstance(fault, RequestEntityTooLarge):
        reply = _told(
            InputError(f"a body may have {current_app.config['MAX_CONTENT_LENGTH'] >> 20} MiB at most")
        )
        reply.status_code = 413
        return reply
    hint = (
        "the first page has links to all" if session.is_for_browsers(request) else "GET /api/v1/openapi.json"
    )
    return _told(NotFoundError("there is nothing at this path", hint=hint))
