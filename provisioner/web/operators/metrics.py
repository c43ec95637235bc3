"""`/metrics` for Prometheus: the numbers of all services, and what this one counts of its own requests.

Audience: viewers, by a token or a Unix socket. The numbers say how many machines are deployed and when;
nobody else on the LAN needs to know.
"""

import time
from collections.abc import Mapping

from flask import Blueprint, Flask, Response, current_app, g, request

from provisioner.domain.person import Role
from provisioner.site import hearing
from provisioner.state import counters
from provisioner.state.counters import MetricsRegistry
from provisioner.web.audience import Audience
from provisioner.web.request import the_site

TEXT = "text/plain; version=0.0.4; charset=utf-8"
REFUSAL_STATUSES = (401, 403, 404, 405, 409, 413, 415, 421, 429)
AUDIENCES: Mapping[str, Audience] = {"metrics.metrics": Role.VIEWER}
routes = Blueprint("metrics", __name__)


class RequestMetrics:
    """Counts every request of a Flask application, by the name of its route (`request.endpoint`)."""

    def __init__(self, app: Flask, service: str) -> None:
        self.registry = MetricsRegistry(service)
        app.before_request(self._begin)
        app.after_request(self._answered)

    def _begin(self) -> None:
        g.request_began = time.monotonic()

    def _answered(self, response: Response) -> Response:
        """Before the body is sent: a stream may last for minutes. Our own question is left out."""
        if request.path == hearing.PATH:
            return response
        kind = request.endpoint or "nowhere"
        self.registry.scalar("provision_requests_total", kind=kind).inc()
        if response.status_code in REFUSAL_STATUSES:
            reason = f"status {response.status_code}"
            self.registry.scalar("provision_refusals_total", reason=reason).inc()
        else:
            status = str(response.status_code)
            self.registry.scalar("provision_answers_total", kind=kind, status=status).inc()
        since = time.monotonic() - g.request_began
        self.registry.histogram("provision_latency_seconds").observe(since)
        return response


@routes.get("/metrics")
def metrics() -> Response:
    """The metrics of all services in Prometheus' text format."""
    site = the_site()
    own: RequestMetrics = current_app.config["REQUEST_METRICS"]
    text = counters.collect(site.settings.state, site.settings.processes, own.registry)
    return Response(text, content_type=TEXT)
