"""The parent of all services: starts them together, hears each one's pulse, replaces one that hangs or ends.

Why one that has ended is replaced, and not all of them: docs/decisions/2026-11-28-replaced-processes.md.
"""

import os
import select
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from provisioner.daemon.child import Child
from provisioner.daemon.spoken import spoken
from provisioner.daemon.start import KEY_HOLDER, locked, open_secrets, prepare, print_line
from provisioner.deployment import downtime
from provisioner.domain.event import Event
from provisioner.domain.events.service import ServiceReplaced
from provisioner.errors import ProvisionError, ServiceError
from provisioner.settings import Settings
from provisioner.state.database import Database
from provisioner.system.forked import ForkServer
from provisioner.system.pulse import READY, REPLACED
from provisioner.system.sd_notify import SystemdNotifier
from provisioner.system.units import duration

# Seconds that a service may take to open its ports. Units have more (TimeoutStartSec): all start at once,
# with two interpreters each, and whoever is ended for being slow begins anew and slows the others.
READY_LIMIT = 60.0
# Seconds without a pulse after which a process counts as hung: longer than a loop may wait for another's
# transaction (BUSY_SECONDS in state/connection.py), and with a new start less than half a minute.
SILENCE_LIMIT = 20.0
TICK = 1.0  # seconds between two looks
MOST_FAILURES, WINDOW = 5, 600.0  # of one service in so many seconds: then it does not help to start it again
PAUSES = (0.0, 1.0, 2.0, 4.0)  # seconds before it is started again, by how often it has failed lately
FORKS = "the fork server"  # as sentences and events call it
Load = Callable[[], Settings]


def serve(
    settings: Settings,
    argv: Sequence[str],
    load: Load,
    notifier: SystemdNotifier | None = None,
    credentials: str = "",
) -> int:
    """Run every service of `settings` until we are told to stop, or one fails again and again; the exit code.

    `argv` starts what becomes the services when `--fork-server DESCRIPTOR` is added. A child ends when the
    pipe that it has as standard input closes, and the fork server ends those that do not, so that a killed
    parent leaves no port taken. On SIGHUP every child reads the settings again, if `load` finds no fault in
    them. `notifier` is told what systemd wants to know.
    `credentials` is the folder of what systemd hands over. The key of the secrets goes to the worker alone.
    """

    def work() -> int:
        with locked(settings):
            database = prepare(settings)
            anchor = downtime.end(settings, database)
            opener = open_secrets(settings, database, anchor.real, credentials)
            parent = _Parent(settings, argv, load, database, notifier or SystemdNotifier())
            parent.secrets = {KEY_HOLDER: opener.to_text()}
            return parent.work()

    return spoken(settings, "parent", work)


class _Parent:
    def __init__(
        self,
        settings: Settings,
        argv: Sequence[str],
        load: Load,
        database: Database,
        notifier: SystemdNotifier,
    ) -> None:
        self._settings = settings
        self._argv = argv
        self._forks: ForkServer | None = None
        self._load = load
        self._database = database
        self._notifier = notifier
        self._clock = downtime.steady_clock(settings, database)
        self._children: dict[str, Child] = {}
        self._waiting: dict[str, float] = {}  # service → when it is started (again)
        self._failures: defaultdict[str, deque[float]] = defaultdict(deque)
        self._serves = False
        self._signal = 0
        self.secrets: dict[str, str] = {}  # service → what it alone is given

    def work(self) -> int:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._remember)
        signal.signal(signal.SIGHUP, lambda number, frame: None)  # the pipe wakes us
        try:
            self._waiting = dict.fromkeys((FORKS, *self._settings.processes), 0.0)
            return self._watch(wake_read)
        finally:
            signal.set_wakeup_fd(-1)
            self._notifier.tell("STOPPING=1")
            for child in self._children.values():
                child.let_go()
            for child in self._children.values():
                child.stop()
            if self._forks:
                self._forks.end()

    def _remember(self, number: int, _: object) -> None:
        self._signal = number

    def _watch(self, wake: int) -> int:
        looked = time.monotonic()
        while not self._signal:
            self._start(time.monotonic())
            sources = [number for child in self._children.values() for number in child.sources]
            if self._forks:
                sources.append(self._forks.fileno())
            ready, _, _ = select.select([*sources, wake], [], [], TICK)
            now = time.monotonic()
            # what has stopped us (another machine's debugger, a suspended one) has stopped the others, too
            passed, looked = min(now - looked, 2 * TICK), now
            if wake in ready and signal.SIGHUP in os.read(wake, 4096):
                self._reload()
            for child in list(self._children.values()):
                self._look(child, passed, has_ended=child.ended in ready)
            if self._forks:
                self._look_at_forks(self._forks)
            self._notifier.tell("WATCHDOG=1")
        print_line(f"told to stop by {signal.Signals(self._signal).name}")
        return 0

    def _look(self, child: Child, passed: float, *, has_ended: bool) -> None:
        for line in child.read():
            self._hear(child, *line.partition(" ")[::2])
        if has_ended and not self._signal:
            self._on_end(child)
        elif child.fate:
            return  # it is about to end
        elif not child.is_ready and time.monotonic() - child.began > READY_LIMIT:
            if not self._serves:
                raise ServiceError(f"{child.name} is not ready after {READY_LIMIT:g} s, so nothing is served")
            child.kill(f"was not ready after {READY_LIMIT:g} s")
        elif child.is_ready and child.count_silence(passed) > SILENCE_LIMIT:
            child.kill(f"gave no sign of life for {duration(SILENCE_LIMIT)}")

    def _hear(self, child: Child, word: str, sentence: str) -> None:
        if word == REPLACED:
            print_line(sentence)
            self._note(child.name, sentence)
        if word != READY or child.is_ready:
            return
        child.is_ready = True
        print_line(sentence)
        if child.wants_reload:
            child.reload()
        if self._serves:
            print_line(f"{child.name} serves again")
        elif not self._waiting and all(other.is_ready for other in self._children.values()):
            self._serves = True
            print_line("all services are ready")
            self._notifier.tell("READY=1", "STATUS=all services are ready")

    def _on_end(self, child: Child) -> None:
        if not self._serves:
            raise ServiceError(
                f"{child.name} did not start (exit code {child.exit_code}), so nothing is served",
                hint="the lines above say why",
            )
        how = child.reap()
        del self._children[child.name]
        self._replace(child.name, how)

    def _look_at_forks(self, forks: ForkServer) -> None:
        forks.hear()
        if not (forks.is_ready or forks.has_ended) and time.monotonic() - forks.began > READY_LIMIT:
            if not self._serves:
                raise ServiceError(f"{FORKS} is not ready after {READY_LIMIT:g} s, so nothing is served")
            forks.kill()
        elif forks.has_ended:
            self._forks = None
            how = forks.end()
            if not self._serves:
                raise ServiceError(f"{FORKS} {how}, so nothing is served", hint="the lines above say why")
            self._replace(FORKS, how)

    def _replace(self, name: str, how: str) -> None:
        """It has ended, and is started again; not for ever. Raises ServiceError (PV-615)."""
        now, failures = time.monotonic(), self._failures[name]
        failures.append(now)
        while failures[0] < now - WINDOW:
            failures.popleft()
        if len(failures) >= MOST_FAILURES:
            raise ServiceError(
                f"{name} {how}, the {len(failures)}th time within {duration(WINDOW)}, so all services stop",
                hint="the lines above say why; whoever started this starts it again",
                code=615,
            )
        sentence = f"{name} {how}; it is started again"
        print_line(sentence)
        self._note(name, sentence)
        self._waiting[name] = now + PAUSES[len(failures) - 1]

    def _start(self, now: float) -> None:
        """Start all whose time has come, the services as soon as there is somebody to fork."""
        if self._waiting.get(FORKS, now + 1) <= now:
            del self._waiting[FORKS]
            self._forks = ForkServer(self._argv)
        for name in [name for name, when in self._waiting.items() if when <= now]:
            if not (self._forks and self._forks.is_ready):
                return
            try:
                self._children[name] = Child(name, self._forks, self.secrets.get(name, ""))
            except OSError:
                return self._forks.kill()  # it does not answer any more
            del self._waiting[name]

    def _note(self, name: str, sentence: str) -> None:
        """Into the log of events, by a thread: the one that hung may have held the database."""
        data = ServiceReplaced(service=name, sentence=sentence)
        event = Event.of_network(data, source="parent", now=self._clock())
        threading.Thread(target=self._write, args=[event], name="note", daemon=True).start()

    def _write(self, event: Event) -> None:
        try:
            self._database.events.note(event)
        except ProvisionError as fault:
            print_line(f"what has happened could not be written down: {fault} (PV-{fault.code})")
        finally:
            self._database.close()

    def _reload(self) -> None:
        try:
            self._load()
        except ProvisionError as fault:
            return print_line(f"the settings stay as they are: {fault} (PV-{fault.code})")
        for child in self._children.values():
            print_line(f"told {child.name} to read the settings again")
            child.reload()
