"""Who sent the current request, as the audit names him."""

import pwd
import socket
import struct

from flask import request

from provisioner.deployment.logins import Caller
from provisioner.web.request import client_address

PEER = struct.Struct("3i")  # struct ucred, unix(7): process, user, group


def caller() -> Caller:
    """By the Unix socket the user of the process at its other end, as the kernel says; else by the token."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return Caller(by="operator", door="token", address=client_address())
    _, number, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return Caller(by=_user(number), door="socket")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
