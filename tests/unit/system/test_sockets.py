"""A port that cannot be had is an error in words, with what to do."""

import errno
import socket
from typing import Any

import pytest

from provisioner.errors import ServiceError
from provisioner.system import sockets


class Refusing:
    """A socket that cannot be bound."""

    def __init__(self, number: int, kind: int) -> None:
        self.number, self.type = number, kind

    def bind(self, address: object) -> None:
        raise OSError(self.number, "as the kernel says it")


@pytest.mark.parametrize(
    ("number", "code", "words", "hint"),
    [
        (errno.EADDRINUSE, 602, "port 10.77.0.1:69/udp is in use", "ss -lunp 'sport = :69'"),
        (errno.EACCES, 603, "no privilege to open port 10.77.0.1:69/udp", "CAP_NET_BIND_SERVICE"),
        (errno.EPERM, 603, "no privilege to open port 10.77.0.1:69/udp", "CAP_NET_BIND_SERVICE"),
        (errno.EADDRNOTAVAIL, 604, "no interface has the address 10.77.0.1", "ip address add"),
        (errno.ENOBUFS, 600, "cannot be opened: as the kernel says it", ""),
    ],
)
def test_why_a_port_cannot_be_had_is_said(number: int, code: int, words: str, hint: str) -> None:
    refusing: Any = Refusing(number, socket.SOCK_DGRAM)
    with pytest.raises(ServiceError) as caught:
        sockets.bind(refusing, ("10.77.0.1", 69), "tftp")
    assert caught.value.code == code
    assert words in str(caught.value) and hint in caught.value.hint
