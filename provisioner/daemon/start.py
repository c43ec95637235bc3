"""What is looked at and made ready before any port is opened."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.settings import Settings
from provisioner.state import integrity, notify
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
    integrity.bring_up(database, print_line)
    for fault in database.unreadable():
        print_line(f"{fault} (PV-{fault.code}); it is left out of lists\n  → {fault.hint}")
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
def locked(settings: Settings) -> Iterator[None]:
    """One service per state folder. Raises ServiceError (PV-606, PV-613), DiskFullError (PV-609)."""
    claim_folder(settings.state, print_line)
    with exclusive(settings.state, "service", "serve.lock"):
        yield
