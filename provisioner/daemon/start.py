"""What is looked at and made ready before any port is opened."""

import contextlib
import getpass
import os
import sys
import time
from collections.abc import Iterator
from functools import partial

from provisioner.errors import ServiceError
from provisioner.settings import Settings
from provisioner.site.interface import check_interface
from provisioner.state import backup, former_token, integrity, notify, site_certificate, vault
from provisioner.state.database import Database
from provisioner.state.folder import claim_folder, prepare_folder
from provisioner.state.lock import exclusive
from provisioner.system import json_lines
from provisioner.system.sealed_box import Opener

KEY_HOLDER = "worker"  # the one service that reads secrets
LONGEST_SOCKET = f"{notify.FOLDER}/worker.4194304"  # with the largest process id, proc(5)


def print_line(sentence: str) -> None:
    """One line for whoever started us."""
    json_lines.say(sentence)


def prepare(settings: Settings) -> Database:
    """Check the interface, make the state folder, and see that its database is whole and of this version.

    Rows that cannot be read are named, and hinder nothing else. Raises ServiceError; DamagedDatabaseError
    (PV-607, PV-608) where there is no database to serve from.
    """
    check_interface(settings)
    check_path(settings)
    return _make_ready(settings)


def initialize(settings: Settings) -> str:
    """Make folder, keys, certificate and database without serving anything; the certificate's SHA-256.

    Raises what `prepare` does, but asks nothing of the interface; ServiceError (PV-606) beside a service.
    """
    check_path(settings)
    with locked(settings):
        _make_ready(settings)
    return site_certificate.fingerprint(settings.state)


def _make_ready(settings: Settings) -> Database:
    prepare_folder(settings.state, print_line)
    notify.remove_former_folder(settings.state)
    if site_certificate.ensure_certificate(settings.state, settings.api_names):
        found = site_certificate.fingerprint(settings.state)
        print_line(f"a certificate for people's programs was made; its SHA-256 is {found}")
    database = Database(settings.state)
    keep = partial(backup.keep_before, settings.state, say=print_line)
    integrity.bring_up(database, print_line, keep)
    former_token.take_over(database, time.time(), print_line)
    for fault in database.unreadable():
        print_line(f"{fault} (PV-{fault.code}); it is left out of lists\n  → {fault.hint}")
    return database


def open_secrets(settings: Settings, database: Database, now: float, credentials: str) -> Opener:
    """The key of the site's secrets, once all are encrypted. Raises SecretKeyError (PV-695 to 697)."""
    environment = {"CREDENTIALS_DIRECTORY": credentials}
    ask = _ask if sys.stdin.isatty() else None
    return vault.prepare(settings, database, now, environment=environment, say=print_line, ask=ask)


def _ask() -> str:
    return getpass.getpass("Passphrase of the site's secrets: ")


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
