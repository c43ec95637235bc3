"""A service's process without a parent, as systemd starts it, and what a parent would else see to."""

import contextlib
import os
import signal
from collections.abc import Iterator

from provisioner import run
from provisioner.daemon.spoken import spoken
from provisioner.daemon.start import check_path, locked, prepare, print_line
from provisioner.deployment import downtime
from provisioner.domain.event import Event
from provisioner.domain.events.service import ServiceReplaced
from provisioner.errors import ProvisionError, ServiceError, SettingsError
from provisioner.settings import Settings
from provisioner.site.interface import await_interface, check_interface
from provisioner.state.alive import ServingMark
from provisioner.state.connection import require_known
from provisioner.state.database import Database
from provisioner.state.lock import exclusive, shared
from provisioner.state.schema import SCHEMA_VERSION

PATIENCE = 60.0  # seconds until the interface has its address: at boot others give it
HINT = "systemctl restart provisioner-prepare; by hand: provision serve --prepare --settings FILE"


def prepare_alone(settings: Settings) -> int:
    """Make the state folder ready for processes that have no parent, while none of them runs; 0.

    What a parent does before it starts any: the database is looked through and brought to this release, and
    the time in which no service ran is measured. The interface is waited for: systemd starts none of those
    that need us again where we fail. Raises as `prepare` does; ServiceError (PV-606) where a
    process of a service works on it.
    """

    def work() -> int:
        try:
            await_interface(settings, 0)
        except ServiceError as fault:
            print_line(f"{fault}: waiting for {PATIENCE:g} s")
            await_interface(settings, PATIENCE)
        with locked(settings):
            database = prepare(settings)
            downtime.end(settings, database)
            database.close()
        print_line(f"{settings.state} is ready")
        return 0

    return spoken(settings, "prepare", work)


def prepared(settings: Settings) -> Database:
    """The database that `prepare_alone` has made ready. Raises ServiceError (PV-617), NewerFolderError."""
    database = Database(settings.state)
    if not database.path.exists():
        raise ServiceError(f"{settings.state} was not made ready: it has no database", hint=HINT, code=617)
    version = int(database.db.execute("PRAGMA user_version").fetchone()[0])
    require_known(settings.state, version)
    if version < SCHEMA_VERSION:
        raise ServiceError(
            f"{settings.state} was not made ready: its schema is {version}, ours is {SCHEMA_VERSION}",
            hint=HINT,
            code=617,
        )
    return database


def check_service(settings: Settings, name: str) -> None:
    """Before its ports are opened. Raises SettingsError (PV-610), ServiceError (PV-604, PV-605, PV-613)."""
    if name not in settings.processes:
        raise SettingsError(
            f"{name} is not among the settings' services: {', '.join(settings.services)}",
            hint=f"systemctl disable --now provisioner-{name}, or add it there",
        )
    check_interface(settings)
    check_path(settings)


@contextlib.contextmanager
def alone(settings: Settings, name: str) -> Iterator[ServingMark]:
    """Be the only process of this service, beside those of others and beside no parent.

    Raises ServiceError (PV-606, PV-613).
    """
    state, mark = settings.state, ServingMark(settings.state, name)

    def end(number: int, _: object) -> None:
        """Of a service that has nothing to put in order, so that nobody takes its end for a fault."""
        mark.remove()
        signal.signal(number, signal.SIG_DFL)
        run.signal_process(os.getpid(), number)

    with (
        shared(state, "service", "serve.lock"),
        exclusive(state, f"process of {name}", f"process-{name}.lock"),
    ):
        signal.signal(signal.SIGTERM, end)
        try:
            yield mark
        except (SystemExit, KeyboardInterrupt):
            mark.remove()
            raise
        mark.remove()


def note_replaced(database: Database, mark: ServingMark, name: str, now: float) -> None:
    """Into the log of events, where the process before did not end as it was told."""
    if not (before := mark.process()):
        return
    sentence = f"{name}: process {before} did not end as it was told; another was started in its place"
    print_line(sentence)
    data = ServiceReplaced(service=name, sentence=sentence)
    try:
        database.events.note(Event.of_network(data, source=name, now=now))
    except ProvisionError as fault:
        print_line(f"what has happened could not be written down: {fault} (PV-{fault.code})")
