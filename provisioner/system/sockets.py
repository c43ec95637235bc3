"""Opens the ports of the services; a port that cannot be had is an error in words."""

import errno
import socket

from provisioner.errors import ServiceError


def bind(opened: socket.socket, address: tuple[str, int], service: str) -> None:
    """Bind a socket to `address` (host, port) for `service`, which the error names.

    Raises:
        ServiceError: PV-602 the port is in use, PV-603 no privilege, PV-604 no interface has the address.
    """
    place = f"{address[0] or '0.0.0.0'}:{address[1]}"  # noqa: S104  words for people, nothing is bound here
    kind = "udp" if opened.type == socket.SOCK_DGRAM else "tcp"
    try:
        opened.bind(address)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise ServiceError(
                f"{service}: port {place}/{kind} is in use by another program",
                hint=f"see which one: ss -l{kind[0]}np 'sport = :{address[1]}'",
                code=602,
            ) from fault
        if fault.errno in (errno.EACCES, errno.EPERM):
            raise ServiceError(
                f"{service}: no privilege to open port {place}/{kind}",
                hint="run as root, or give CAP_NET_BIND_SERVICE as the systemd units do",
                code=603,
            ) from fault
        if fault.errno == errno.EADDRNOTAVAIL:
            raise ServiceError(
                f"{service}: no interface has the address {address[0]}",
                hint="the service never configures interfaces: ip address add ADDRESS/PREFIX dev INTERFACE",
                code=604,
            ) from fault
        raise ServiceError(f"{service}: port {place}/{kind} cannot be opened: {fault.strerror}") from fault
