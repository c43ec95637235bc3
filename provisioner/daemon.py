"""Starts the services as processes under one parent: the first to stop stops all, and says which and why."""

import contextlib
import fcntl
import importlib
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Interface

from provisioner import run
from provisioner.deployment import downtime
from provisioner.errors import ProvisionError, ServiceError
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state import notify
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.system.log_lines import LogLines

LONGEST_SOCKET = f"{notify.FOLDER}/worker.4194304"  # with the largest process id, proc(5)
READY_LIMIT = 30.0  # seconds that a service may take to open its ports


Load = Callable[[], Settings]
Serve = Callable[[Site, Callable[[str], None]], None]


def serve(settings: Settings, child_argv: Sequence[str], load: Load) -> int:
    """Run every service of `settings` until one stops or we are told to; the exit code.

    `child_argv` starts one service when `--only NAME` is added. A child ends when the pipe that it has as
    standard input closes, so that a killed parent leaves no port taken. On SIGHUP every child reads the
    settings again, if `load` finds no fault in them.
    """
    with _locked(settings):
        downtime.end(settings, prepare(settings))
        return _Parent(settings, child_argv, load).work()


def prepare(settings: Settings) -> Database:
    """Check the interface, make the state folder and bring it to this version. Raises ServiceError."""
    check_interface(settings)
    check_path(settings)
    prepare_folder(settings.state)
    notify.remove_former_folder(settings.state)
    database = Database(settings.state)
    database.migrate()
    return database


def check_path(settings: Settings) -> None:
    """Raises ServiceError (PV-613) where the sockets in the state folder would have too long a name."""
    if len(os.fsencode(settings.state.absolute() / LONGEST_SOCKET)) > 107:  # sockaddr_un, unix(7)
        raise ServiceError(
            f"the path {settings.state} is too long for Unix sockets", hint="give a shorter --state", code=613
        )


def check_interface(settings: Settings) -> None:
    """Raises ServiceError (PV-605, PV-604) where the interface or its address is missing."""
    _check_interface(settings.interface, settings.address)
    for network in settings.networks:
        if network.address:
            _check_interface(network.interface, network.address)


def _check_interface(name: str, address: IPv4Interface) -> None:
    hint = f"ip link set {name} up; ip address add {address} dev {name}"
    known = [link for _, link in socket.if_nameindex()]
    if name not in known:
        have = ", ".join(sorted(known))
        raise ServiceError(f"there is no interface {name}; this machine has {have}", hint=hint, code=605)
    if str(address.ip) not in _addresses(name):
        raise ServiceError(f"the interface {name} has not the address {address.ip}", hint=hint, code=604)


def _addresses(name: str) -> set[str]:
    """IPv4 addresses of an interface, its aliases included."""
    listed = json.loads(run.text(["ip", "-json", "-4", "address", "show", "dev", name]) or "[]")
    return {entry["local"] for link in listed for entry in link.get("addr_info", [])}


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """One service per state folder. Raises ServiceError (PV-606, PV-613)."""
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (settings.state / "serve.lock").open("w")
    except OSError as fault:
        raise ServiceError(
            f"the state folder {settings.state} cannot be used: {fault.strerror}", code=613
        ) from fault
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise ServiceError(
                f"another service works on {settings.state} already",
                hint="stop it, or give another --state",
                code=606,
            ) from fault
        os.set_inheritable(lock.fileno(), False)
        yield


class _Parent:
    def __init__(self, settings: Settings, child_argv: Sequence[str], load: Load) -> None:
        self._settings = settings
        self._argv = child_argv
        self._load = load
        self._children: dict[int, tuple[str, run.Process]] = {}  # pidfd → service
        self._signal = 0

    def work(self) -> int:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._remember)
        signal.signal(signal.SIGHUP, lambda number, frame: None)  # the pipe wakes us
        try:
            self._start()
            return self._wait(wake_read)
        finally:
            signal.set_wakeup_fd(-1)
            for _, child in self._children.values():
                if child.stdin:
                    child.stdin.close()
            for _, child in self._children.values():
                run.stop(child)

    def _remember(self, number: int, _: object) -> None:
        self._signal = number

    def _start(self) -> None:
        for name in self._settings.services:
            read, write = os.pipe()
            argv = [*self._argv, "--only", name, "--ready-fd", str(write)]
            child = run.start(argv, stdin=run.PIPE, pass_fds=(write,))
            os.close(write)
            self._children[os.pidfd_open(child.pid)] = (name, child)
            self._await_ready(name, child, read)
        print_line("all services are ready")

    def _await_ready(self, name: str, child: run.Process, read: int) -> None:
        with os.fdopen(read) as pipe:
            if not select.select([pipe], [], [], READY_LIMIT)[0]:
                raise ServiceError(f"{name} is not ready after {READY_LIMIT:g} s, so nothing is served")
            sentence = pipe.readline().strip()
        if sentence:
            return print_line(sentence)
        code = child.wait()  # its end has closed the pipe
        raise ServiceError(
            f"{name} did not start (exit code {code}), so nothing is served", hint="the lines above say why"
        )

    def _wait(self, wake: int) -> int:
        while not self._signal:
            ready, _, _ = select.select([*self._children, wake], [], [])
            if wake in ready and signal.SIGHUP in os.read(wake, 4096):
                self._reload()
            ended = [self._children[fd] for fd in ready if fd in self._children]
            if ended and not self._signal:
                name, child = ended[0]
                code = child.wait()
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                print_line(f"{name} {how}, so all services stop; whoever started this starts it again")
                return 1
        print_line(f"told to stop by {signal.Signals(self._signal).name}")
        return 0

    def _reload(self) -> None:
        try:
            self._load()
        except ProvisionError as fault:
            return print_line(f"the settings stay as they are: {fault} (PV-{fault.code})")
        for name, child in self._children.values():
            print_line(f"told {name} to read the settings again")
            run.signal_process(child.pid, signal.SIGHUP)


def print_line(sentence: str) -> None:
    """One line for whoever started us."""
    print(sentence, file=sys.stderr, flush=True)


def serve_one(settings: Settings, name: str, ready_fd: int = -1, load: Load | None = None) -> int:
    """Run one service in this process until it is ended or its parent's pipe closes; the exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(f"%(asctime)s {name}: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if ready_fd >= 0:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        database = Database(settings.state)
    else:
        database = prepare(settings)
    site = Site(settings, database, clock=downtime.steady_clock(settings, database), load=load)
    signal.signal(signal.SIGHUP, lambda number, frame: site.reload())
    try:
        _service(name)(site, lambda sentence: _ready(ready_fd, sentence))
    except ProvisionError as fault:
        sentence = f"{fault} (PV-{fault.code})"
        print_line(f"{sentence}\n  → {fault.hint}" if fault.hint else sentence)
        return int(fault.exit)
    return 0


SERVICES = {
    "dhcp": "provisioner.services.dhcp.service",
    "tftp": "provisioner.services.tftp.service",
    "dns": "provisioner.services.dns.service",
    "web": "provisioner.web.server",
    "worker": "provisioner.worker.loop",
}


def _service(name: str) -> Serve:
    """Imported when it is started: a service's process needs no other's libraries."""
    serve: Serve = importlib.import_module(SERVICES[name]).serve
    return serve


def _ready(descriptor: int, sentence: str) -> None:
    if descriptor < 0:
        return print_line(sentence)
    with contextlib.suppress(OSError), os.fdopen(descriptor, "w") as pipe:
        pipe.write(sentence + "\n")


def _end_with_parent() -> None:
    """The parent never writes: the end of the pipe is its end."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(5)
    os._exit(1)
