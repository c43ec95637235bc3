"""Puts the routes together: one Flask application for machines, and one for people."""

import logging
import re

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from provisioner.domain import audit_events
from provisioner.errors import InputError, NotFoundError, NotNowError, ProvisionError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web import audience, session
from provisioner.web.login_limit import LoginLimit
from provisioner.web.machines import boot, installer, mirror, not_here
from provisioner.web.machines import routes as machines
from provisioner.web.machines.boot_loops import BootLoops
from provisioner.web.machines.download_slots import DownloadSlots
from provisioner.web.machines.refusals import Refusals
from provisioner.web.operators import metrics
from provisioner.web.operators import routes as operators
from provisioner.web.operators.authorization import authorize
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import rendering
from provisioner.web.pages import routes as pages
from provisioner.web.request import answer_error, file_fault_of, unexpected

log = logging.getLogger(__name__)
LARGEST_BODY = 4 << 20  # bytes
RETRY_AFTER = 5  # seconds
BOOT_SCRIPT = "machines.boot_script"
PEOPLE = "api"  # the service whose application answers them


def create_app(site: Site, listener: Listener, service: str = "web") -> Flask:
    """The application of a service: `web` for machines, `api` for people; its name in `/metrics`.

    `listener` wakes requests that wait for news.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(SITE=site, LISTENER=listener, MAX_CONTENT_LENGTH=LARGEST_BODY)
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY  # a table of hosts is pasted into a form
    app.config["REFUSALS"] = Refusals(site, audit_events.PEOPLE if service == PEOPLE else "guard")
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # it would tell a stranger which paths there are
    app.url_map.merge_slashes = False  # likewise: a redirect
    # before all others, so that it counts what they refuse
    app.config["REQUEST_METRICS"] = metrics.RequestMetrics(app, service)
    if service == PEOPLE:
        _serve_people(app)
    else:
        _serve_machines(app, site)
    return app


def _serve_machines(app: Flask, site: Site) -> None:
    slots = DownloadSlots(site.settings.images.streams)
    site.adopt = lambda: slots.limit(site.settings.images.streams)
    app.config.update(DOWNLOAD_SLOTS=slots, BOOT_LOOPS=BootLoops())
    for part in (mirror, machines, installer, not_here):
        app.register_blueprint(part.routes)
        audience.declare(app, part.AUDIENCES)
    app.before_request(audience.only_machines)
    app.register_error_handler(NotNowError, _not_now)
    app.register_error_handler(UnreadableError, _unreadable)
    app.register_error_handler(HTTPException, _refused)


def _serve_people(app: Flask) -> None:
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
        reply = _told(InputError(f"a body may have {LARGEST_BODY >> 20} MiB at most"))
        reply.status_code = 413
        return reply
    hint = (
        "the first page has links to all" if session.is_for_browsers(request) else "GET /api/v1/openapi.json"
    )
    return _told(NotFoundError("there is nothing at this path", hint=hint))


def _refused(fault: HTTPException) -> Response:
    """One body for all that is not there or not for you: a stranger learns nothing from the difference.

    What nobody expected has been logged. Machines ask again; but a boot script is always an answer.
    """
    if fault.code is not None and fault.code < 500:
        return _not_found(fault)
    return boot.last_resort() if request.endpoint == BOOT_SCRIPT else _again()


def _not_found(_: Exception) -> Response:
    return Response("not found\n", 404, mimetype="text/plain")


def _not_now(fault: NotNowError) -> Response:
    """Machines ask again; what they said is not lost, for they were not told that it was taken."""
    log.warning("a machine is told to come again: %s", fault)
    return _again()


def _again() -> Response:
    return Response("not now\n", 503, {"Retry-After": str(RETRY_AFTER)}, mimetype="text/plain")


def _unreadable(fault: UnreadableError) -> Response:
    """A machine of which nobody can say what was ordered is nobody's."""
    log.warning("a machine is told nothing: %s (PV-%d)", fault, fault.code)
    return _not_found(fault)
