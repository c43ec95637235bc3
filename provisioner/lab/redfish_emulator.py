"""OpenStack's Redfish emulator (sushy-tools) with the lab's chassis behind it; a process of its own.

Runs in the BMC's folder with address and port as arguments. What the emulator itself cannot do is added
around it: boot overrides that hold for one start, and a login with few sessions, as on a real BMC.
"""

import base64
import json
import secrets
import socket
import sys
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import flask
from sushy_tools import error
from sushy_tools.emulator import auth_basic, main
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

from provisioner.lab.chassis import SOCKET

IDENT = "6d2f3d0e-0001-4000-8000-000000000001"
SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST = 4  # sessions at one time
POWER = {"On": "power 1", "ForceOff": "power 0", "ForceRestart": "reset 1", "GracefulShutdown": "shutdown 1"}
BOOT = {"Pxe": "pxe", "Hdd": "default", "None": "none"}


def ask(request: str) -> str:
    """One request at the chassis; see provisioner/lab/chassis.py."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(SOCKET)
        line.sendall(request.encode() + b"\n")
        word, _, answer = line.makefile().readline().strip().partition(" ")
    if word != "ok":
        raise error.BadRequest(answer)
    return answer


class Systems(AbstractSystemsDriver):  # type: ignore[misc]
    """One system: the lab's machine."""

    driver = "<lab>"
    systems = (IDENT,)

    def uuid(self, identity: str) -> str:
        """The system's UUID: any name means the one system."""
        return IDENT

    def name(self, identity: str) -> str:
        """Its Name."""
        return "lab"

    def get_power_state(self, identity: str) -> str:
        """PowerState."""
        return "On" if ask("get power") == "power:1" else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        """The action ComputerSystem.Reset; `state` is a ResetType. Raises BadRequest."""
        if state not in POWER:
            raise error.BadRequest(f"ResetType {state}")
        ask(f"set {POWER[state]}")

    def get_boot_device(self, identity: str) -> str | None:
        """BootSourceOverrideTarget; None where nothing is overridden."""
        targets = {f"boot:{device}": target for target, device in BOOT.items()}
        target = targets[ask("get boot")]
        return None if target == "None" else target

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        """Override it for one start. Raises BadRequest."""
        if boot_source not in BOOT:
            raise error.BadRequest(f"BootSourceOverrideTarget {boot_source}")
        ask(f"set boot {BOOT[boot_source]}")

    def get_boot_mode(self, identity: str) -> str:
        """BootSourceOverrideMode."""
        return "UEFI"

    def set_boot_mode(self, identity: str, boot_mode: str) -> None:
        """It has one. Raises BadRequest for another."""
        if boot_mode != "UEFI":
            raise error.BadRequest(f"BootSourceOverrideMode {boot_mode}")


class Sessions:
    """Logins as DSP0266 has them; a valid token becomes the Basic login that the emulator knows."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner
        self.tokens: dict[str, str] = {}  # token → Basic login
        self.idents: dict[str, str] = {}  # session → token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        login = self.tokens.get(environ.get("HTTP_X_AUTH_TOKEN", ""))
        if login:
            environ["HTTP_AUTHORIZATION"] = login
        elif len(self.idents) >= MOST:  # nor does Basic help then, as on a BMC that has it switched off
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"no session is free"]
        return self._inner(environ, start_response)

    def open(self) -> flask.Response:
        """POST to the collection: a session, its token in X-Auth-Token."""
        body = flask.request.json
        user, password = str(body["UserName"]), str(body["Password"])
        auth_basic.authenticate("users", user, password.encode())
        ident, token = secrets.token_hex(4), secrets.token_hex(16)
        self.idents[ident] = token
        self.tokens[token] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"X-Auth-Token": token, "Location": f"{SESSIONS}/{ident}"}
        return flask.Response("{}", status=201, headers=headers, content_type="application/json")

    def close(self, ident: str) -> flask.Response:
        """DELETE of a session."""
        self.tokens.pop(self.idents.pop(ident, ""), None)
        return flask.Response(status=204)


def once_only() -> tuple[str, int] | None:
    """The chassis knows no standing override."""
    if flask.request.method == "PATCH":
        asked = (flask.request.json.get("Boot") or {}).get("BootSourceOverrideEnabled", "Once")
        if asked != "Once":
            known = {"MessageId": "Base.1.8.PropertyValueNotInList", "Message": f"not {asked}, only Once"}
            return json.dumps({"error": {"@Message.ExtendedInfo": [known]}}), 400
    return None


def corrected(response: flask.Response) -> flask.Response:
    """The emulator's templates say `Continuous` of every override, and nothing of sessions."""
    path = flask.request.path.rstrip("/")
    if flask.request.method == "GET" and response.status_code == 200 and response.is_json:
        body = response.get_json()
        if path == "/redfish/v1":
            body["SessionService"] = {"@odata.id": SESSIONS.rpartition("/")[0]}
        if "BootSourceOverrideEnabled" in body.get("Boot", {}):
            enabled = "Once" if "BootSourceOverrideTarget" in body["Boot"] else "Disabled"
            body["Boot"]["BootSourceOverrideEnabled"] = enabled
        response.set_data(json.dumps(body))
    return response


def serve(address: str, port: int) -> None:
    """Serve until killed."""
    app = main.app
    app.configure(extra_config={"SUSHY_EMULATOR_AUTH_FILE": "users", "SUSHY_EMULATOR_STATE_DIR": "state"})
    type(app).systems = Systems()
    sessions = Sessions(app.wsgi_app)
    app.wsgi_app = sessions
    app.add_url_rule(SESSIONS, "open_session", sessions.open, methods=["POST"])
    app.add_url_rule(f"{SESSIONS}/<ident>", "close_session", sessions.close, methods=["DELETE"])
    app.before_request(once_only)
    app.after_request(corrected)
    app.run(host=address, port=port, ssl_context=("cert", "key"))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
