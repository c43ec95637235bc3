"""gunicorn as an embedded application: threads, on the LAN address and on the state folder's socket."""

import os
import signal
import socket
from collections.abc import Callable

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from provisioner.run import die_with_parent
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.system.sockets import bind
from provisioner.web.application import create_app

THREADS = 128  # image streams (up to four a host) and waiting requests each hold one


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    def handle_hup(self) -> None:
        """gunicorn would start another worker and end this one, with the image streams that it sends."""
        self.kill_workers(signal.SIGHUP)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, options: dict[str, object], make: Callable[[], Flask]) -> None:
        self._options, self._make = options, make
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        return self._make()

    def run(self) -> None:
        _Arbiter(self).run()


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Serve until the process is ended; `ready` is told once, with a sentence. Raises ServiceError."""
    settings = site.settings
    _check_ports(settings)
    settings.socket.unlink(missing_ok=True)
    os.umask(0o077)
    gunicorn_options = options(settings, ready)
    gunicorn_options["post_worker_init"] = lambda worker: signal.signal(
        signal.SIGHUP, lambda *_: site.reload()
    )
    _Server(gunicorn_options, lambda: create_app(site, Listener(settings.state, "web"))).run()


def _check_ports(settings: Settings) -> None:
    """gunicorn would try for five seconds and then say less."""
    for address in settings.addresses:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bind(probe, (str(address), settings.http_port), "web")


def options(settings: Settings, ready: Callable[[str], None]) -> dict[str, object]:
    """gunicorn's settings, each with its reason."""
    urls = ", ".join(f"http://{address}:{settings.http_port}" for address in settings.addresses)
    places = [f"{address}:{settings.http_port}" for address in settings.addresses]
    return {
        "bind": [*places, f"unix:{settings.socket}"],
        "worker_class": "gthread",  # the sync worker kills any response longer than its timeout
        "workers": 1,
        "threads": THREADS,
        "timeout": 120,
        "graceful_timeout": 5,
        "keepalive": 20,
        "umask": 0o077,
        "accesslog": None,
        "loglevel": "warning",
        "control_socket_disable": True,
        "post_fork": lambda server, worker: die_with_parent(),
        "when_ready": lambda server: ready(f"web: answering on {urls} and {settings.socket}"),
    }
