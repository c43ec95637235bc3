"""One service in this process, until it is ended or its parent's pipe closes."""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from provisioner.daemon import standalone
from provisioner.daemon.spoken import spoken, told
from provisioner.daemon.start import KEY_HOLDER, open_secrets
from provisioner.deployment import downtime
from provisioner.errors import ProvisionError
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.folder import UMASK
from provisioner.system import fork_server
from provisioner.system.json_lines import JsonLines
from provisioner.system.line_limit import LineLimit
from provisioner.system.log_lines import LogLines
from provisioner.system.pulse import Pulse
from provisioner.system.sd_notify import SystemdNotifier
from provisioner.system.sealed_box import Opener

Load = Callable[[], Settings]
Serve = Callable[[Site, Pulse], None]
SERVICES = {
    "dhcp": "provisioner.services.dhcp.service:serve",
    "tftp": "provisioner.services.tftp.service:serve",
    "dns": "provisioner.services.dns.service:serve",
    "web": "provisioner.web.server:serve",
    "api": "provisioner.web.server:serve_people",
    "worker": "provisioner.worker.loop:serve",
}


def serve_forks(descriptor: int) -> bool:
    """Become the services that are asked for by a socket; True in each fork (system/fork_server.py)."""
    return fork_server.serve(descriptor, [place.partition(":")[0] for place in SERVICES.values()])


def serve_one(
    settings: Settings,
    name: str,
    pulse_fd: int = -1,
    load: Load | None = None,
    notifier: SystemdNotifier | None = None,
    *,
    secrets_fd: int = -1,
    credentials: str = "",
) -> int:
    """Run one service in this process until it is ended or its parent's pipe closes; the exit code.

    By `pulse_fd` it says to its parent how it does; without a parent it is systemd's `notifier` that is told,
    and the state folder was made ready by `prepare_alone`. The key of the site's secrets comes by
    `secrets_fd`, without a parent from `credentials` or the settings.
    """
    os.umask(UMASK)
    opener = _given(secrets_fd) if secrets_fd >= 0 else None

    def work() -> int:
        _log_to_stderr(settings, name)
        if pulse_fd >= 0:
            threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
            database = Database(settings.state)
            clock = downtime.steady_clock(settings, database)
            site = Site(settings, database, clock=clock, load=load, opener=opener)
            _serve(name, site, Pulse(pulse_fd))
        else:
            _serve_alone(settings, name, load, notifier, credentials)
        return 0

    try:
        return spoken(settings, name, work)
    except ProvisionError as fault:
        return told(fault)


def _serve(name: str, site: Site, pulse: Pulse) -> None:
    signal.signal(signal.SIGHUP, lambda number, frame: site.reload())
    _service(name)(site, pulse)


def _serve_alone(
    settings: Settings, name: str, load: Load | None, notifier: SystemdNotifier | None, credentials: str
) -> None:
    """By the state folder that `prepare_alone` has made ready."""
    standalone.check_service(settings, name)
    with standalone.alone(settings, name) as mark:
        database = standalone.prepared(settings)
        clock = downtime.steady_clock(settings, database)
        standalone.note_replaced(database, mark, name, clock())
        opener = open_secrets(settings, database, clock(), credentials) if name == KEY_HOLDER else None
        site = Site(settings, database, clock=clock, load=load, opener=opener)
        _serve(name, site, Pulse(notifier=notifier, on_ready=mark.set))


def _given(descriptor: int) -> Opener:
    """The keys that the parent hands over: read once, and gone from the pipe."""
    with os.fdopen(descriptor) as pipe:
        return Opener.from_text(pipe.read())


def _log_to_stderr(settings: Settings, name: str) -> None:
    """Each line with time and service; what somebody can repeat for ever is bounded."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LineLimit())
    text = LogLines(f"%(asctime)s {name}: %(message)s")
    handler.setFormatter(JsonLines(name) if settings.logs.format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _service(name: str) -> Serve:
    """Imported when it is started, unless this is a fork: alone, a service needs no other's libraries."""
    module, _, function = SERVICES[name].partition(":")
    serve: Serve = getattr(importlib.import_module(module), function)
    return serve


def _end_with_parent() -> None:
    """The parent never writes: the end of the pipe is its end."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(5)
    os._exit(1)
