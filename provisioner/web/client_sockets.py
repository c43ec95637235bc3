"""Clients' sockets: plain, by TLS, and those of this machine, which bring a user's name and open files."""

import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import BinaryIO, Self, TypeGuard

from provisioner.web.file_sender import FileJob

CHUNK = 1 << 16
RECORD = 1 << 14  # bytes of TLS that are written, or taken, at a time
SEND_SECONDS = 10  # in which a client must take something of an answer that is no file
MOST_FILES = 4  # that one request may bring: a pack with its bill of materials
FileSent = Callable[[], None]


class AnswerSocket(socket.socket):
    """A client's socket, on which a file is noted: a `FileSender` writes it behind the headers."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(fileno=accepted.detach())
        self.job: FileJob | None = None
        self.callbacks: list[FileSent] = []

    # gunicorn's are open files
    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:  # type: ignore[override]
        """Note `count` bytes of the file; gunicorn always says how many."""
        remaining = count or 0
        self.job = FileJob(os.dup(file.fileno()), offset, remaining) if remaining else None
        return remaining

    def take(self) -> bytes:
        """What has come, empty at the end. Raises BlockingIOError where nothing has, OSError."""
        return self.recv(CHUNK)


class LocalSocket(AnswerSocket):
    """Of a process on this machine: the kernel says whose it is, and open files may come beside its bytes."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted)
        self._files: list[int] = []

    def take(self) -> bytes:
        """Likewise, with the open files that came; those beyond MOST_FILES are closed."""
        data, files, _, _ = socket.recv_fds(self, CHUNK, MOST_FILES)
        self._files += files
        while len(self._files) > MOST_FILES:
            os.close(self._files.pop())
        return data

    def take_files(self) -> list[int]:
        """The open files that have come; from now on they are the caller's to close."""
        files, self._files = self._files, []
        return files

    def close(self) -> None:
        """With the files that nobody has taken."""
        for file in self.take_files():
            os.close(file)
        super().close()


class TlsSocket(ssl.SSLSocket):
    """Of a client on the network; the handshake is a part of what is awaited, like a request."""

    job: FileJob | None = None
    callbacks: list[FileSent]
    _is_shaken = False

    @classmethod
    def of(cls, context: ssl.SSLContext, accepted: socket.socket) -> Self:
        """On a connection that was accepted. Raises OSError where it has gone already."""
        context.sslsocket_class = cls
        made = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        assert isinstance(made, cls)  # noqa: S101  it is the context's class
        made.callbacks = []
        return made

    def take(self) -> bytes:
        """One record, without its wrapping. Raises likewise, ssl.SSLError for what is no TLS 1.3.

        OpenSSL reads no further than this record, so what has come behind it is still seen to be there.
        """
        try:
            if not self._is_shaken:
                self.do_handshake()
                self._is_shaken = True
            return self.recv(RECORD)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as nothing:
            raise BlockingIOError from nothing

    def setblocking(self, flag: bool) -> None:
        """Never without an end: where SO_SNDTIMEO ends a call of the kernel's, OpenSSL begins the next."""
        self.settimeout(SEND_SECONDS if flag else 0.0)

    # gunicorn's are bytes
    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """Each record has its own time, as each call of the kernel's has on other sockets."""
        for at in range(0, len(data), RECORD):
            super().sendall(data[at : at + RECORD], flags)


def is_local(sock: object) -> TypeGuard[socket.socket]:
    """Whether a request has come by a Unix socket; gunicorn gives it as `gunicorn.socket`."""
    return isinstance(sock, socket.socket) and sock.family == socket.AF_UNIX


def peer_uid(sock: socket.socket) -> int:
    """The user of the process that has connected, as this namespace numbers it (unix(7), SO_PEERCRED)."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    uid: int = struct.unpack("iII", credentials)[1]
    return uid
