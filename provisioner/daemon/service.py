"""One service in this process, until it is ended or its parent's pipe closes."""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from provisioner.daemon import standalone
from provisioner.daemon.start import print_line
from provisioner.deployment import downtime
from provisioner.errors import ProvisionError
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.folder import UMASK
from provisioner.system.line_limit import LineLimit
from provisioner.system.log_lines import LogLines
from provisioner.system.pulse import Pulse
from provisioner.system.sd_notify import SystemdNotifier

Load = Callable[[], Settings]
Serve = Callable[[Site, Pulse], None]
SERVICES = {
    "dhcp": "provisioner.services.dhcp.service:serve",
    "tftp": "provisioner.services.tftp.service:serve",
    "dns": "provisioner.services.dns.service:serve",
    "web": "provisioner.web.server:serve",
    "api": "provisioner.web.server:serve_socket",
    "worker": "provisioner.worker.loop:serve",
}


def serve_one(
    settings: Settings,
    name: str,
    pulse_fd: int = -1,
    load: Load | None = None,
    notifier: SystemdNotifier | None = None,
) -> int:
    """Run one service in this process until it is ended or its parent's pipe closes; the exit code.

    By `pulse_fd` it says to its parent how it does; without a parent it is systemd's `notifier` that is told,
    and the state folder was made ready by `prepare_alone`.
    """
    os.umask(UMASK)
    _log_to_stderr(name)
    try:
        if pulse_fd >= 0:
            threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
            _serve(settings, name, Database(settings.state), load, Pulse(pulse_fd))
        else:
            _serve_alone(settings, name, load, notifier)
    except ProvisionError as fault:
        sentence = f"{fault} (PV-{fault.code})"
        print_line(f"{sentence}\n  → {fault.hint}" if fault.hint else sentence)
        return int(fault.exit)
    return 0


def _serve(settings: Settings, name: str, database: Database, load: Load | None, pulse: Pulse) -> None:
    site = Site(settings, database, clock=downtime.steady_clock(settings, database), load=load)
    signal.signal(signal.SIGHUP, lambda number, frame: site.reload())
    _service(name)(site, pulse)


def _serve_alone(settings: Settings, name: str, load: Load | None, notifier: SystemdNotifier | None) -> None:
    """By the state folder that `prepare_alone` has made ready."""
    standalone.check_service(settings, name)
    with standalone.alone(settings, name) as mark:
        database = standalone.prepared(settings)
        clock = downtime.steady_clock(settings, database)
        standalone.note_replaced(database, mark, name, clock())
        _serve(settings, name, database, load, Pulse(notifier=notifier, on_ready=mark.set))


def _log_to_stderr(name: str) -> None:
    """Each line with time and service; what somebody can repeat for ever is bounded."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LineLimit())
    handler.setFormatter(LogLines(f"%(asctime)s {name}: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _service(name: str) -> Serve:
    """Imported when it is started: a service's process needs no other's libraries."""
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
