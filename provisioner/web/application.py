"""Puts the routes together: one Flask application for machines, and one for people."""

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from provisioner.domain import audit_events
from provisioner.errors import NotNowError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web import audience
from provisioner.web.machines import boot, installer, mirror, not_here
from provisioner.web.machines import routes as machines
from provisioner.web.machines.boot_loops import BootLoops
from provisioner.web.machines.download_slots import DownloadSlots
from provisioner.web.machines.refusals import Refusals
from provisioner.web.machines.swarm_board import SwarmBoard
from provisioner.web.operators import metrics

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
        from provisioner.web import people  # half of all that is imported, and no machine needs it

        people.serve_people(app)
    else:
        _serve_machines(app, site)
    return app


def _serve_machines(app: Flask, site: Site) -> None:
    slots = DownloadSlots(site.settings.images.streams)
    site.adopt = lambda: slots.limit(site.settings.images.streams)
    app.config.update(DOWNLOAD_SLOTS=slots, BOOT_LOOPS=BootLoops(), SWARM_BOARD=SwarmBoard())
    for part in (mirror, machines, installer, not_here):
        app.register_blueprint(part.routes)
        audience.declare(app, part.AUDIENCES)
    app.before_request(audience.only_machines)
    app.register_error_handler(NotNowError, _not_now)
    app.register_error_handler(UnreadableError, _unreadable)
    app.register_error_handler(HTTPException, _refused)


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
