"""Puts the routes together: machine endpoints and the operators' API in one Flask application."""

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from provisioner.errors import NotNowError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.machines import boot, installer, mirror
from provisioner.web.machines import routes as machines
from provisioner.web.machines.boot_loops import BootLoops
from provisioner.web.machines.download_slots import DownloadSlots
from provisioner.web.machines.refusals import Refusals
from provisioner.web.operators import metrics
from provisioner.web.operators import routes as operators

log = logging.getLogger(__name__)
RETRY_AFTER = 5  # seconds
BOOT_SCRIPT = "machines.boot_script"


def create_app(site: Site, listener: Listener, service: str = "web") -> Flask:
    """The application; `listener` wakes requests that wait for news. `service` is its name in `/metrics`."""
    app = Flask(__name__, static_folder=None)
    slots = DownloadSlots(site.settings.images.streams)
    site.adopt = lambda: slots.limit(site.settings.images.streams)
    app.config.update(SITE=site, LISTENER=listener, DOWNLOAD_SLOTS=slots, MAX_CONTENT_LENGTH=4 << 20)
    app.config.update(REFUSALS=Refusals(site), BOOT_LOOPS=BootLoops())
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # it would tell a stranger which paths there are
    app.url_map.merge_slashes = False  # likewise: a redirect
    # before all others, so that it counts what they refuse
    app.config["REQUEST_METRICS"] = metrics.RequestMetrics(app, service)
    app.register_blueprint(mirror.routes)
    app.register_blueprint(machines.routes)
    app.register_blueprint(installer.routes)
    app.register_blueprint(metrics.routes)
    for blueprint in operators.blueprints():
        app.register_blueprint(blueprint)
    app.register_error_handler(NotNowError, _not_now)
    app.register_error_handler(UnreadableError, _unreadable)
    app.register_error_handler(HTTPException, _refused)
    return app


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
