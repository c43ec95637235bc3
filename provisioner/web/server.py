"""gunicorn as an embedded application, twice: for machines on the LAN, and for people by TLS and sockets.

What machines ask can neither hold up nor end the process that people ask.
"""

import gc
import logging
import resource
import signal
import socket
import ssl
import time
from functools import partial
from pathlib import Path

from flask import Flask
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.workers.base import Worker

from provisioner.errors import ServiceError
from provisioner.run import die_with_parent
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state import site_certificate
from provisioner.state.counters import MetricsWriter
from provisioner.state.notify import Listener
from provisioner.system import activation, json_lines
from provisioner.system.line_limit import LineLimit
from provisioner.system.processes import is_held
from provisioner.system.pulse import Pulse
from provisioner.system.sockets import bind
from provisioner.web.application import PEOPLE, create_app
from provisioner.web.patient_worker import MOST, PatientWorker

THREADS = 128  # requests that wait for news each hold one; image streams hold none
PEOPLES_THREADS = 256  # a page that is looked at holds one besides (web/pages/live.py)
SILENCE_LIMIT = 15  # seconds without a sign of life after which gunicorn ends its worker, and makes another
ROUND = 3.0  # seconds that the arbiter's loop may take, usually one; longer, and it was stopped or starved
GRACE = 5.0  # seconds after that until its worker is judged again


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's master: each round of its loop is a beat, and looks whether the worker's loop goes round."""

    def __init__(self, app: BaseApplication, site: Site, pulse: Pulse) -> None:
        self._site, self._pulse = site, pulse
        self._looked = time.monotonic()
        self._judges_at = self._looked
        super().__init__(app)

    def handle_hup(self) -> None:
        """gunicorn would start another worker and end this one, with the image streams that it sends.

        We read the settings, too: whoever is forked after this one has them from us.
        """
        self._site.reload(is_told=False)
        self.kill_workers(signal.SIGHUP)

    def spawn_worker(self) -> int:
        """SIGHUP would end a worker that does not know yet what to do: it waits until it does (`_begin`)."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            pid: int = super().spawn_worker()  # only in the parent does it return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def murder_workers(self) -> None:
        """End a worker that hangs, but none that a debugger holds, or that was stopped together with us."""
        self._pulse.beat()
        now = time.monotonic()
        if now - self._looked > ROUND:
            self._judges_at = now + GRACE
        self._looked = now
        if now >= self._judges_at and not any(is_held(pid) for pid in self.WORKERS):
            super().murder_workers()


class _Lines(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's log, whose lines are like all others of this process where those are JSON."""

    def setup(self, cfg: Config) -> None:
        """After gunicorn has made its own handler."""
        super().setup(cfg)
        if json_lines.is_json():
            self.error_log.handlers.clear()
            self.error_log.propagate = True


class _Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's, without the header that says whose program answers: it tells a stranger what to try."""

    def default_headers(self) -> list[str]:
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(
        self,
        options: dict[str, object],
        site: Site,
        service: str,
        pulse: Pulse,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._options, self._site, self._service, self._pulse, self.tls = options, site, service, pulse, tls
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        return _application(self._site, self._service)

    def run(self) -> None:
        _Arbiter(self, self._site, self._pulse).run()


def serve(site: Site, pulse: Pulse) -> None:
    """Serve the LAN until the process is ended; `pulse` is told when it does. Raises ServiceError."""
    settings = site.settings
    places = [f"{address}:{settings.http_port}" for address in settings.addresses]
    if activation.is_activated():
        activation.check(places)  # gunicorn takes them by itself
    else:
        _check_ports(settings, settings.http_port, "web")
    said = ", ".join(f"http://{place}" for place in places)
    _run(site, pulse, options(pulse, "web", places, f"answering on {said}"), "web")


def serve_people(site: Site, pulse: Pulse) -> None:
    """Serve people and their programs likewise: by Unix sockets, and by TLS over the network."""
    settings = site.settings
    sockets = [settings.socket, *([settings.access.socket] if settings.access.socket else [])]
    for path in sockets:
        _remove_former(path)
    said = ", ".join(map(str, sockets))
    places, tls = [f"unix:{path}" for path in sockets], None
    if settings.https_port:
        _check_ports(settings, settings.https_port, PEOPLE)
        tls = site_certificate.server_context(settings.state)
        places += [f"{address}:{settings.https_port}" for address in settings.addresses]
        said += f", {settings.api_url} (certificate SHA-256 {site_certificate.fingerprint(settings.state)})"
    gunicorn_options = options(pulse, PEOPLE, places, said)
    tell = f"{PEOPLE}: answering on {said}"
    gunicorn_options["threads"] = PEOPLES_THREADS
    gunicorn_options["when_ready"] = lambda server: _say_ready(pulse, tell, settings.access.socket)
    _run(site, pulse, gunicorn_options, PEOPLE, tls)


def _remove_former(path: Path) -> None:
    """The socket of a service that has ended; raises ServiceError (PV-613) for anything else of that name."""
    if not path.parent.is_dir():
        raise ServiceError(f"{path}: there is no such folder", hint="make it; access.socket", code=613)
    if path.exists() and not path.is_socket():
        raise ServiceError(f"{path} is no socket, so it stays", hint="another access.socket", code=613)
    path.unlink(missing_ok=True)


def _say_ready(pulse: Pulse, sentence: str, path: Path | None) -> None:
    """Everybody on this machine may connect: the kernel says who it is, the table of users what he may."""
    if path:
        path.chmod(0o666)
    pulse.ready(sentence)


def _run(
    site: Site,
    pulse: Pulse,
    gunicorn_options: dict[str, object],
    service: str,
    tls: ssl.SSLContext | None = None,
) -> None:
    _raise_descriptor_limit()
    wsgi.Response = _Answer  # there is no setting for it
    util.chown = lambda path, user, group: None  # sockets are ours; systemd's units may not even call it
    logging.getLogger("gunicorn.error").addFilter(LineLimit())  # strangers' requests make lines, too
    gunicorn_options |= {"post_worker_init": partial(_begin, site), "worker_exit": _write_last}
    _Server(gunicorn_options, site, service, pulse, tls).run()


def _begin(site: Site, _: Worker) -> None:
    """In the process that answers, once it has its application; what it was told meanwhile comes now.

    The collector looks no more at what stays for ever: that took it 0.2 s and more amid an answer.
    """
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGHUP, lambda *_: site.reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def _write_last(_: Arbiter, worker: Worker) -> None:
    """What was refused lately, and is gathered still."""
    if worker.wsgi is not None:
        worker.wsgi.config["REFUSALS"].write()


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


def _check_ports(settings: Settings, port: int, service: str) -> None:
    """gunicorn would try for five seconds and then say less."""
    for address in settings.addresses:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bind(probe, (str(address), port), service)


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
        "logger_class": _Lines,
        "control_socket_disable": True,
        # its first sign of life is the fork: gunicorn would wait for ever for one that hangs before it serves
        "pre_fork": lambda server, worker: worker.tmp.notify(),
        "post_fork": lambda server, worker: die_with_parent(),
        "child_exit": lambda server, worker: _say_that_it_ended(pulse, service, server, worker),
        "when_ready": lambda server: pulse.ready(f"{service}: {sentence}"),
    }
