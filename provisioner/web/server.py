"""gunicorn as an embedded application, twice: at the LAN's addresses, and on the state folder's socket.

What comes from the LAN can neither hold up nor end the process that people on this machine ask.
"""

import logging
import resource
import signal
import socket
import time
from collections.abc import Callable
from functools import partial

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi
from gunicorn.workers.base import Worker

from provisioner.run import die_with_parent
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state.counters import MetricsWriter
from provisioner.state.notify import Listener
from provisioner.system import activation
from provisioner.system.line_limit import LineLimit
from provisioner.system.processes import is_held
from provisioner.system.pulse import Pulse
from provisioner.system.sockets import bind
from provisioner.web.application import create_app
from provisioner.web.patient_worker import MOST, PatientWorker

THREADS = 128  # requests that wait for news each hold one; image streams hold none
SILENCE_LIMIT = 15  # seconds without a sign of life after which gunicorn ends its worker, and makes another
ROUND = 3.0  # seconds that the arbiter's loop may take, usually one; longer, and it was stopped or starved
GRACE = 5.0  # seconds after that until its worker is judged again


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's master: each round of its loop is a beat, and looks whether the worker's loop goes round."""

    def __init__(self, app: BaseApplication, pulse: Pulse) -> None:
        self._pulse = pulse
        self._looked = time.monotonic()
        self._judges_at = self._looked
        super().__init__(app)

    def handle_hup(self) -> None:
        """gunicorn would start another worker and end this one, with the image streams that it sends."""
        self.kill_workers(signal.SIGHUP)

    def murder_workers(self) -> None:
        """End a worker that hangs, but none that a debugger holds, or that was stopped together with us."""
        self._pulse.beat()
        now = time.monotonic()
        if now - self._looked > ROUND:
            self._judges_at = now + GRACE
        self._looked = now
        if now >= self._judges_at and not any(is_held(pid) for pid in self.WORKERS):
            super().murder_workers()


class _Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's, without the header that says whose program answers: it tells a stranger what to try."""

    def default_headers(self) -> list[str]:
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, options: dict[str, object], make: Callable[[], Flask], pulse: Pulse) -> None:
        self._options, self._make, self._pulse = options, make, pulse
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        return self._make()

    def run(self) -> None:
        _Arbiter(self, self._pulse).run()


def serve(site: Site, pulse: Pulse) -> None:
    """Serve the LAN until the process is ended; `pulse` is told when it does. Raises ServiceError."""
    settings = site.settings
    places = [f"{address}:{settings.http_port}" for address in settings.addresses]
    if activation.is_activated():
        activation.check(places)  # gunicorn takes them by itself
    else:
        _check_ports(settings)
    said = ", ".join(f"http://{place}" for place in places)
    _run(site, pulse, options(pulse, "web", places, f"answering on {said}"), "web")


def serve_socket(site: Site, pulse: Pulse) -> None:
    """Serve people on this machine likewise."""
    path = site.settings.socket
    path.unlink(missing_ok=True)
    _run(site, pulse, options(pulse, "api", [f"unix:{path}"], f"answering on {path}"), "api")


def _run(site: Site, pulse: Pulse, gunicorn_options: dict[str, object], service: str) -> None:
    _raise_descriptor_limit()
    wsgi.Response = _Answer  # there is no setting for it
    logging.getLogger("gunicorn.error").addFilter(LineLimit())  # strangers' requests make lines, too
    gunicorn_options["post_worker_init"] = lambda worker: signal.signal(
        signal.SIGHUP, lambda *_: site.reload()
    )
    _Server(gunicorn_options, partial(_application, site, service), pulse).run()


def _application(site: Site, service: str) -> Flask:
    """In the process that answers; its numbers are written for who is asked for all of them."""
    state = site.settings.state
    app = create_app(site, Listener(state, service), service)
    MetricsWriter(app.config["REQUEST_METRICS"].registry, state).start()
    return app


def _raise_descriptor_limit() -> None:
    """Each connection is a descriptor, and each file that is sent; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _check_ports(settings: Settings) -> None:
    """gunicorn would try for five seconds and then say less."""
    for address in settings.addresses:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bind(probe, (str(address), settings.http_port), "web")


def _say_that_it_ended(pulse: Pulse, service: str, arbiter: Arbiter, worker: Worker) -> None:
    """A worker that ends while the service goes on is replaced at once, and nobody else would say so."""
    if arbiter.LISTENERS:  # they are closed first where all is to end
        how = f"did not answer for {SILENCE_LIMIT} s" if worker.aborted else "ended"
        pulse.replaced(f"{service}: the process that answers requests {how}; it is started again")


def options(pulse: Pulse, service: str, places: list[str], sentence: str) -> dict[str, object]:
    """gunicorn's settings, each with its reason; `sentence` is said once it answers at the `places`."""
    return {
        "bind": places,
        "worker_class": PatientWorker,
        "worker_connections": 2 * MOST,  # who is too many makes room himself; gunicorn would stop to accept
        "backlog": 4096,
        "workers": 1,
        "threads": THREADS,
        "timeout": SILENCE_LIMIT,  # of its loop, which goes round once a second; a response may take longer
        "graceful_timeout": 5,
        "keepalive": 20,
        "umask": 0o077,
        "accesslog": None,
        "loglevel": "warning",
        "control_socket_disable": True,
        "post_fork": lambda server, worker: die_with_parent(),
        "child_exit": lambda server, worker: _say_that_it_ended(pulse, service, server, worker),
        "when_ready": lambda server: pulse.ready(f"{service}: {sentence}"),
    }
