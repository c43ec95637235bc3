"""A Redfish BMC on loopback that speaks one dialect, and the machine behind it."""

import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = "127.0.0.1"
USER, PASSWORD = "provision", "lab-secret"
SYSTEMS = "/redfish/v1/Systems"
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
    """One HTTP answer; `body` is sent as JSON, a string as it is."""

    status: int
    body: Body | str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """One HTTP request."""

    method: str
    path: str
    body: dict[str, dict[str, str]]
    headers: Mapping[str, str]


DONE = Reply(204)


def error(status: int, identifier: str, words: str) -> Reply:
    """An error as DSP0266, 8.6, has it."""
    info = [{"MessageId": f"Base.1.8.{identifier}", "Message": words}]
    return Reply(
        status, {"error": {"code": "Base.1.8.GeneralError", "message": words, "@Message.ExtendedInfo": info}}
    )


class RedfishBmc:
    """A plain BMC with one system; a dialect is a subclass that answers otherwise.

    `named` is what the inventory says of its system, `is_on` whether its machine runs at first.
    """

    names: tuple[str, ...] = ("1",)
    named = ""
    is_on = False
    resets: tuple[str, ...] = ("On", "ForceOff", "ForceRestart", "PowerCycle")
    targets: tuple[str, ...] = ("None", "Pxe", "Hdd")

    def __init__(self) -> None:
        self.machine = Machine(self.is_on)
        self.override = {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
        }
        self.asked: dict[str, int] = {}

    def count(self, what: str) -> int:
        """How often it was asked this, this time included."""
        self.asked[what] = self.asked.get(what, 0) + 1
        return self.asked[what]

    def reply(self, request: Request) -> Reply:
        """Any request of a login that holds."""
        if request.method == "GET":
            return self.get(request.path)
        if request.method == "PATCH":
            return self.patch(request)
        if request.path.endswith("/Actions/ComputerSystem.Reset"):
            return self.reset(str(request.body["ResetType"]))
        return DONE

    def session(self) -> Reply:
        return Reply(201, {}, {"X-Auth-Token": "t", "Location": f"https://{HERE}/redfish/v1/Sessions/7"})

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
        target = request.body["Boot"].get("BootSourceOverrideTarget", "None")
        if target not in self.targets:
            return error(400, "PropertyValueNotInList", f"{target} is not in the list")
        self.override |= request.body["Boot"]
        return DONE

    def reset(self, kind: str) -> Reply:
        if kind not in self.resets:
            return error(400, "ActionParameterNotSupported", f"{kind} is not in the list")
        if kind == "On" and self.machine.is_on:
            return DONE
        if kind == "ForceOff":
            self.machine.is_on = False
        else:
            self.start()
        return DONE

    def start(self) -> None:
        """The firmware spends the override."""
        enabled = self.override["BootSourceOverrideEnabled"]
        target = self.override["BootSourceOverrideTarget"]
        self.machine.start("network" if enabled != "Disabled" and target in ("Pxe", "UefiHttp") else "disk")
        if enabled == "Once":
            self.override |= {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}

    def later(self, seconds: float, kind: str) -> None:
        """Obey after a while."""
        threading.Thread(target=lambda: (time.sleep(seconds), self.start()), daemon=True, name=kind).start()


@contextmanager
def serving(bmc: RedfishBmc, certificate: Path) -> Iterator[int]:
    """Its port, while it answers there; `certificate` is a folder with `cert` and `key`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            reply = _answer(bmc, Request(self.command, self.path, body, dict(self.headers)))
            if reply is None:
                self.close_connection = True
                return
            plain = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            data = b"" if reply.body is None else plain.encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

    server = ThreadingHTTPServer((HERE, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(bmc: RedfishBmc, request: Request) -> Reply | None:
    if request.path == "/redfish/v1/":
        return Reply(200, {"Systems": {"@odata.id": SYSTEMS}, "SessionService": {"@odata.id": "/s"}})
    if request.path.endswith("/Sessions"):
        return bmc.session()
    basic = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if request.headers.get("X-Auth-Token") != "t" and request.headers.get("Authorization") != basic:
        return error(401, "NoValidSession", "no session")
    return bmc.reply(request)
