"""One service in this process, until it is ended or its parent's pipe closes."""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from provisioner.daemon.start import KEY_HOLDER, open_secrets, prepare, print_line
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
from provisioner.system.sealed_box import Opener

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
    *,
    secrets_fd: int = -1,
    credentials: str = "",
) -> int:
    """Run one service in this process until it is ended or its parent's pipe closes; the exit code.

    By `pulse_fd` it says to its parent how it does; without a parent it is systemd's `notifier` that is told.
    The key of the site's secrets comes by `secrets_fd`, without a parent from `credentials` or the settings.
    """
    os.umask(UMASK)
    opener = _given(secrets_fd) if secrets_fd >= 0 else None
    _log_to_stderr(name)
    if pulse_fd >= 0:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        database = Database(settings.state)
    else:
        database = prepare(settings)
    pulse = Pulse(pulse_fd, None if pulse_fd >= 0 else notifier)
    clock = downtime.steady_clock(settings, database)
    if pulse_fd < 0 and name == KEY_HOLDER:
        opener = open_secrets(settings, database, clock(), credentials)
    site = Site(settings, database, clock=clock, load=load, opener=opener)
    signal.signal(signal.SIGHUP, lambda number, frame: site.reload())
    try:
        _service(name)(site, pulse)
    except ProvisionError as fault:
        sentence = f"{fault} (PV-{fault.code})"
        print_line(f"{sentence}\n  → {fault.hint}" if fault.hint else sentence)
        return int(fault.exit)
    return 0


def _given(descriptor: int) -> Opener:
    """The keys that the parent hands over: read once, and gone from the pipe."""
    with os.fdopen(descriptor) as pipe:
        return Opener.from_text(pipe.read())


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
