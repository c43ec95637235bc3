"""A Redfish BMC on loopback that speaks one dialect, and the machine behind it."""

import json
import socket
import ssl
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.wire.power.pace import seconds

HERE = "127.0.0.1"
USER, PASSWORD = "provision", "lab-secret"
ROOT, SYSTEMS = "/redfish/v1/", "/redfish/v1/Systems"
ENABLED, TARGET, MODE = (f"BootSourceOverride{name}" for name in ("Enabled", "Target", "Mode"))
NETWORK = {"Pxe", "UefiHttp"}
Body = Mapping[str, object]


@dataclass
class Machine:
    """A host that is nothing but its power; `boots` is what each start was told to boot."""

    is_on: bool = False
    boots: list[str] = field(default_factory=list)

    def start(self, device: str) -> None:
        self.is_on = True
        self.boots.append(device)


@dataclass
class Reply:
    """One HTTP answer; `body` is sent as JSON, a string and bytes as they are.

    Of a reply that is `cut` only half the body is sent.
    """

    status: int
    body: Body | str | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def data(self) -> bytes:
        """The body as it is sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Request:
    """One HTTP request."""

    method: str
    path: str
    body: dict[str, dict[str, Any]]
    headers: Mapping[str, str]


DONE = Reply(204)
LOST = None  # the connection is closed without an answer


def error(status: int, identifier: str, words: str) -> Reply:
    """An error as DSP0266, 8.6, has it."""
    info = [{"MessageId": f"Base.1.8.{identifier}", "Message": words}]
    return Reply(
        status, {"error": {"code": "Base.1.8.GeneralError", "message": words, "@Message.ExtendedInfo": info}}
    )


class RedfishBmc:
    """A plain BMC with one system; a dialect is a subclass that answers otherwise.

    `named` is what the inventory says of its system, `is_on` whether its machine runs at first;
    `starts_again`: it may be started more than once until it is seen on; `ciphers`: all that its TLS 1.2
    has, where it has no newer.
    """

    names: tuple[str, ...] = ("1",)
    named = ""
    is_on = False
    starts_again = False
    ciphers = ""
    resets: tuple[str, ...] = ("On", "ForceOff", "ForceRestart", "PowerCycle")
    targets: tuple[str, ...] = ("None", "Pxe", "Hdd")
    token = "t"

    def __init__(self) -> None:
        self.machine = Machine(self.is_on)
        self.override: dict[str, Any] = {ENABLED: "Disabled", TARGET: "None", MODE: "UEFI"}
        self.asked: dict[str, int] = {}
        self.faults: list[str] = []  # what the dialect asserts and was not so

    def count(self, what: str) -> int:
        """How often it was asked this, this time included."""
        self.asked[what] = self.asked.get(what, 0) + 1
        return self.asked[what]

    def greeting(self) -> bytes | None:
        """What a connection gets instead of TLS before it is closed; None for TLS."""
        return None

    def certificate(self) -> int:
        """Which of the certificates a connection is shown."""
        return 0

    def receive(self, request: Request) -> Reply | None:
        """Any request; None closes the connection without an answer."""
        if request.path.rstrip("/") == ROOT.rstrip("/"):
            return self.root(request)
        if request.path.endswith("/Sessions"):
            return self.session()
        if not self.is_let_in(request):
            return error(401, "NoValidSession", "no session")
        return self.reply(request)

    def root(self, request: Request) -> Reply:
        return Reply(200, {"Systems": {"@odata.id": SYSTEMS}, "SessionService": {"@odata.id": "/s"}})

    def is_let_in(self, request: Request) -> bool:
        basic = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.token == request.headers.get("X-Auth-Token") or basic == request.headers.get(
            "Authorization"
        )

    def reply(self, request: Request) -> Reply | None:
        """Any request of a login that holds."""
        if request.method == "GET":
            return self.get(request.path)
        if request.method == "PATCH":
            return self.patch(request)
        if request.path.endswith("/Actions/ComputerSystem.Reset"):
            return self.reset(str(request.body["ResetType"]))
        return DONE

    def session(self) -> Reply:
        place = f"https://{HERE}/redfish/v1/Sessions/7"
        return Reply(201, {}, {"X-Auth-Token": self.token, "Location": place})

    def get(self, path: str) -> Reply:
        if path == SYSTEMS:
            return Reply(200, {"Members": [{"@odata.id": f"{SYSTEMS}/{name}"} for name in self.names]})
        name = path.removeprefix(f"{SYSTEMS}/")
        if name in self.names:
            return Reply(200, self.system(name), {"ETag": self.etag()})
        return error(404, "ResourceMissingAtURI", f"no {path}")

    def etag(self) -> str:
        return '"1"'

    def system(self, name: str) -> dict[str, object]:
        return {
            "@odata.id": f"{SYSTEMS}/{name}",
            "PowerState": self.power(),
            "Boot": self.shown(),
            "Actions": {"#ComputerSystem.Reset": self.action(f"{SYSTEMS}/{name}")},
        }

    def action(self, place: str) -> dict[str, object]:
        return {
            "target": f"{place}/Actions/ComputerSystem.Reset",
            "ResetType@Redfish.AllowableValues": list(self.resets),
        }

    def shown(self) -> dict[str, object]:
        return self.override | {"BootSourceOverrideTarget@Redfish.AllowableValues": list(self.targets)}

    def power(self) -> str | None:
        return "On" if self.machine.is_on else "Off"

    def patch(self, request: Request) -> Reply:
        target = request.body["Boot"].get(TARGET, "None")
        if target not in self.targets:
            return error(400, "PropertyValueNotInList", f"{target} is not in the list")
        self.override |= request.body["Boot"]
        return DONE

    def reset(self, kind: str) -> Reply | None:
        if kind not in self.resets:
            return error(400, "ActionParameterNotSupported", f"{kind} is not in the list")
        if kind == "On" and self.machine.is_on:
            return DONE
        if kind == "ForceOff":
            self.machine.is_on = False
        else:
            self.start()
        return DONE

    def device(self) -> str:
        """What the firmware boots by the override; its own order has the disk first."""
        is_network = self.override[ENABLED] != "Disabled" and self.override[TARGET] in NETWORK
        return "network" if is_network else "disk"

    def start(self) -> None:
        """The firmware spends the override."""
        self.machine.start(self.device())
        if self.override[ENABLED] == "Once":
            self.override |= {ENABLED: "Disabled", TARGET: "None"}

    def later(self, real: float) -> None:
        """Start after so many seconds of a rack."""
        threading.Timer(seconds(real), self.start).start()


@contextmanager
def serving(bmc: RedfishBmc, *certificates: Path) -> Iterator[int]:
    """Its port, while it answers there; each of the certificates is a folder with `cert` and `key`."""
    server = _Server(bmc, certificates)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _context(certificate: Path, ciphers: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bmc: RedfishBmc, certificates: tuple[Path, ...]) -> None:
        self.bmc = bmc
        self._contexts = [_context(folder, bmc.ciphers) for folder in certificates]
        super().__init__((HERE, 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is left to the handler's thread."""
        line, peer = super().get_request()
        instead = self.bmc.greeting()
        if instead is None:
            context = self._contexts[self.bmc.certificate()]
            wrapped = context.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
            return wrapped, peer
        with line:
            line.sendall(instead)
        raise OSError("no TLS now")

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none of ours; what a dialect asserts is the test's."""
        fault = sys.exc_info()[1]
        if isinstance(fault, AssertionError):
            self.bmc.faults.append(str(fault))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        reply = self.server.bmc.receive(Request(self.command, self.path, body, dict(self.headers)))
        self.close_connection = True
        if reply is None:
            return
        self.send_response_only(reply.status)
        is_chunked = "Transfer-Encoding" in reply.headers
        length = {} if is_chunked else {"Content-Length": str(len(reply.data))}
        for name, value in {**length, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(_chunks(reply.data) if is_chunked else reply.data[: len(reply.data) >> reply.cut])

    do_GET = do_POST = do_PATCH = do_DELETE = _answer


def _chunks(data: bytes) -> bytes:
    """As RFC 9112, 7.1, has them, of seven bytes each."""
    parts = [data[at : at + 7] for at in range(0, len(data), 7)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
