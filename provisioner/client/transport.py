"""One request to the service, by a Unix socket or by TLS with a token; models in and out."""

import http.client
import re
import socket
import urllib.parse
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from provisioner.api import ROOT
from provisioner.api.answer import ErrorAnswer, Query
from provisioner.client.pinned import PinnedConnection
from provisioner.errors import (
    InputError,
    NotFoundError,
    ProvisionError,
    RefusedError,
    UnreachableError,
    from_json,
)

PATIENCE = 30.0  # seconds for an answer, on top of what the call itself may wait
LONG = 1800.0  # seconds for a call that reads whole images
WAIT = 20.0  # seconds that one request for news waits at the service
HINT = "PROVISION_TOKEN is the text that provision token create prints"
_Answer = TypeVar("_Answer", bound=BaseModel)


class Transport:
    """One service. Every request opens its own connection, so it may be shared between threads."""

    def __init__(
        self, *, socket: Path | None = None, server: str = "", token: str = "", fingerprint: str = ""
    ) -> None:
        """`fingerprint` is the SHA-256 of the certificate that the server must show.

        Raises InputError (PV-102) for what is no URL, RefusedError (PV-601) for what is no token.
        """
        self._socket = socket
        self.place = str(socket) if socket else server
        self._server = parsed("https://provisioner" if socket else server)
        self._token, self._fingerprint = token.strip(), fingerprint
        if not re.fullmatch(r"[\x21-\x7e]*", self._token):
            raise RefusedError("what PROVISION_TOKEN holds is no token", hint=HINT, code=601)

    def get(
        self, answer: type[_Answer], path: str, query: Query | None = None, *, patience: float = PATIENCE
    ) -> _Answer:
        """Ask; the answer. Raises what `exchange` does."""
        return _read(answer, self.exchange("GET", path, query=query, patience=patience))

    def post(
        self,
        answer: type[_Answer],
        path: str,
        body: BaseModel | None = None,
        *,
        patience: float = PATIENCE,
        files: tuple[int, ...] = (),
    ) -> _Answer:
        """Tell; the answer. Raises what `exchange` does."""
        return _read(answer, self.exchange("POST", path, body, patience=patience, files=files))

    def put(self, answer: type[_Answer], path: str, body: BaseModel) -> _Answer:
        """Replace; the answer. Raises what `exchange` does."""
        return _read(answer, self.exchange("PUT", path, body))

    def exchange(
        self,
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        query: Query | None = None,
        patience: float = PATIENCE,
        files: tuple[int, ...] = (),
    ) -> bytes:
        """One request below /api/v1; the JSON text of its answer. Of `body` only what was set is sent.

        Open `files` go beside it, where the service is on this machine; elsewhere it refuses what needs them.

        Raises:
            UnreachableError: PV-620, nobody answers; PV-621, somebody else does.
            ProvisionError: what the service said, with its code and exit code.
        """
        asked = urllib.parse.urlencode(query.model_dump(exclude_defaults=True)) if query else ""
        target = f"{ROOT}{path}?{asked}" if asked else ROOT + path
        headers = {"Content-Type": "application/json", "Host": self._server.netloc}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection(patience, files)
        try:
            connection.request(method, target, _encoded(body), headers)
            response = connection.getresponse()
            return _checked(response.status, response.read())
        except (OSError, http.client.HTTPException) as fault:
            raise self._unreachable(fault) from fault
        finally:
            connection.close()

    def _connection(self, patience: float, files: tuple[int, ...]) -> http.client.HTTPConnection:
        if self._socket:
            return _UnixConnection(self._socket, patience, files)
        if not self._fingerprint:
            raise RefusedError(
                f"the certificate of {self.place} is not known here, so nothing was sent",
                hint=f"provision login {self.place}; in scripts: PROVISION_FINGERPRINT",
                code=705,
            )
        host, port = address_of(self._server)
        return PinnedConnection(host, port, patience, self._fingerprint)

    def _unreachable(self, fault: Exception) -> ProvisionError:
        reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        if isinstance(fault, PermissionError):
            return RefusedError(
                f"{self.place}: you may not enter the service's state folder",
                hint="as root; or where the settings have access.socket, by that: provision user; "
                "or provision login https://ADDRESS",
                code=622,
            )
        hint = "is `provision serve` running, with this --state?" if self._socket else "check the URL"
        return UnreachableError(f"no service answers at {self.place}: {reason}", hint=hint, code=620)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float, files: tuple[int, ...]) -> None:
        super().__init__("provisioner", timeout=patience)
        self._path, self._files = path, files

    def send(self, data: object) -> None:
        """The open files go with the first bytes (unix(7), SCM_RIGHTS)."""
        if self._files and isinstance(data, bytes):
            self.connect()
            files, self._files = self._files, ()
            data = data[socket.send_fds(self.sock, [data], files) :]
        super().send(data)  # type: ignore[arg-type]  # as http.client calls it

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def address_of(server: urllib.parse.SplitResult) -> tuple[str, int]:
    """Host and port of a server's URL."""
    return server.hostname or "", server.port or http.client.HTTPS_PORT


def normal_url(server: str) -> str:
    """A server's URL as it is remembered. Raises InputError (PV-102)."""
    parts = parsed(server)
    host, port = address_of(parts)
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}" if port == http.client.HTTPS_PORT else f"https://{shown}:{port}"


def parsed(server: str) -> urllib.parse.SplitResult:
    """The parts of a server's URL; `https://` may be left out. Raises InputError (PV-102)."""
    reason = "there is no address in it"
    try:
        parts = urllib.parse.urlsplit(server if "//" in server else f"https://{server}")
        is_usable = parts.hostname and parts.port != 0  # a port of 99999 raises here
        if is_usable and parts.scheme == "http":
            reason = "plain HTTP is for machines alone"
        elif is_usable and parts.scheme == "https" and re.fullmatch(r"[\w.:\[\]-]+", parts.netloc):
            return parts
    except ValueError as fault:
        reason = str(fault)
    if "@" in server:  # a password may stand there, so nothing of it is shown
        raise InputError(
            "a login does not belong in a server's URL",
            hint="--server https://ADDRESS[:PORT], and the token in PROVISION_TOKEN",
            code=102,
        )
    hint = "write --server https://ADDRESS[:PORT]"
    raise InputError(f"{server!r} is not a server's URL: {reason}", hint=hint, code=102)


def quoted(text: str) -> str:
    """A name as a part of a path. Raises NotFoundError for one that no URL can carry."""
    if not text.strip("/"):
        raise NotFoundError("an empty name names nothing", hint="provision host list")
    return urllib.parse.quote(text, safe="@:")


def _encoded(body: BaseModel | None) -> bytes | None:
    """JSON as RFC 8259, 8.1 wants it, in UTF-8; http.client would make Latin-1 of a text."""
    return None if body is None else body.model_dump_json(exclude_unset=True).encode()


def _checked(status: int, raw: bytes) -> bytes:
    if status == http.client.OK:
        return raw
    answer = _read(ErrorAnswer, raw, status)
    fault = from_json(answer.error.model_dump())
    fault.also = tuple(from_json(one.model_dump()) for one in answer.also)
    raise fault


def _read(answer: type[_Answer], raw: bytes, status: int = http.client.OK) -> _Answer:
    try:
        return answer.model_validate_json(raw)
    except ValidationError as fault:
        sentence = f"what answers is not the provisioning service (status {status})"
        hint = "check the address and port of --server, and that both are of the same release"
        raise UnreachableError(sentence, hint=hint, code=621) from fault
