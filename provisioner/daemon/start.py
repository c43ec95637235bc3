"""What is looked at and made ready before any port is opened."""

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial

from provisioner.errors import ServiceError
from provisioner.settings import Settings
from provisioner.site.interface import check_interface
from provisioner.state import backup, integrity, notify
from provisioner.state.database import Database
from provisioner.state.folder import claim_folder, prepare_folder
from provisioner.state.lock import exclusive

LONGEST_SOCKET = f"{notify.FOLDER}/worker.4194304"  # with the largest process id, proc(5)


def print_line(sentence: str) -> None:
    """One line for whoever started us."""
    print(sentence, file=sys.stderr, flush=True)


def prepare(settings: Settings) -> Database:
    """Check the interface, make the state folder, and see that its database is whole and of this version.

    Rows that cannot be read are named, and hinder nothing else. Raises ServiceError; DamagedDatabaseError
    (PV-607, PV-608) where there is no database to serve from.
    """
    check_interface(settings)
    check_path(settings)
    prepare_folder(settings.state, print_line)
    notify.remove_former_folder(settings.state)
    database = Database(settings.state)
    keep = partial(backup.keep_before, settings.state, say=print_line)
    integrity.bring_up(database, print_line, keep)
    for fault in database.unreadable():
        print_line(f"{fault} (PV-{fault.code}); it is left out of lists\n  → {fault.hint}")
    return database


def check_path(settings: Settings) -> None:
    """Raises ServiceError (PV-613) where the sockets in the state folder would have too long a name."""
    if len(os.fsencode(settings.state.absolute() / LONGEST_SOCKET)) > 107:  # sockaddr_un, unix(7)
        raise ServiceError(
            f"the path {settings.state} is too long for Unix sockets", hint="give a shorter --state", code=613
        )


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """One service per state folder. Raises ServiceError (PV-606, PV-613), DiskFullError (PV-609)."""
    claim_folder(settings.state, print_line)
    with exclusive(settings.state, "service", "serve.lock"):
        yield
