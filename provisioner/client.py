"""The service's HTTP API as calls: over the state folder's Unix socket, or a URL with a token."""

import http.client
import json
import re
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioner.domain.stage import RESTING
from provisioner.errors import (
    InputError,
    NotFoundError,
    ProvisionError,
    RefusedError,
    UnreachableError,
    from_json,
)

ROOT = "/api/v1"
PATIENCE = 30.0  # seconds for an answer, on top of what the call itself may wait
LONG = 1800.0  # seconds for a call that reads whole images
WAIT = 20.0  # seconds that one request for news waits at the service
HINT = "export PROVISION_TOKEN with the text of STATE/secrets/operator.token"
Answer = dict[str, Any]


class Client:
    """One service. Every call opens its own connection, so a client may be shared between threads."""

    def __init__(self, *, socket: Path | None = None, server: str = "", token: str = "") -> None:
        """Raises InputError (PV-102) for what is no URL, RefusedError (PV-601) for what is no token."""
        self._socket = socket
        self.place = str(socket) if socket else server
        self._server = _parsed("http://provisioner" if socket else server)
        self._token = token.strip()
        if not re.fullmatch(r"[\x21-\x7e]*", self._token):
            raise RefusedError("what PROVISION_TOKEN holds is no token", hint=HINT, code=601)

    def call(
        self, method: str, path: str, body: Any = None, *, patience: float = PATIENCE, **query: Any
    ) -> Answer:
        """One request; its answer as plain data.

        Raises:
            UnreachableError: PV-620, nobody answers.
            ProvisionError: what the service said, with its code and exit code.
        """
        asked = urllib.parse.urlencode({key: value for key, value in query.items() if value != ""})
        target = f"{ROOT}{path}?{asked}" if asked else ROOT + path
        headers = {"Content-Type": "application/json", "Host": self._server.netloc}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection(patience)
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return _answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as fault:
            raise self._unreachable(fault) from fault
        finally:
            connection.close()

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        if self._socket:
            return _UnixConnection(self._socket, patience)
        kind = http.client.HTTPSConnection if self._server.scheme == "https" else http.client.HTTPConnection
        return kind(self._server.hostname or "", self._server.port, timeout=patience)

    def _unreachable(self, fault: Exception) -> ProvisionError:
        reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        if isinstance(fault, PermissionError):
            return RefusedError(
                f"{self.place}: you may not enter the service's state folder",
                hint="as root, or with --server URL and PROVISION_TOKEN",
                code=622,
            )
        hint = "is `provision serve` running, with this --state?" if self._socket else "check the URL"
        return UnreachableError(f"no service answers at {self.place}: {reason}", hint=hint, code=620)

    def service(self) -> Answer:
        """Version, interface, URL, counts."""
        return self.call("GET", "/service")

    def hosts(self) -> list[Answer]:
        """Every host with its last deployment."""
        return list(self.call("GET", "/hosts")["hosts"])

    def host(self, text: str) -> Answer:
        """`host` and `facts` of one host by name, serial or MAC."""
        return self.call("GET", f"/hosts/{_quoted(text)}")

    def apply(self, hosts: list[Answer], profiles: list[Answer]) -> Answer:
        """Add or replace; the names."""
        return self.call("POST", "/hosts", {"hosts": hosts, "profiles": profiles})

    def lock(self, text: str, *, locked: bool) -> Answer:
        """Lock or unlock a host."""
        host: Answer = self.call("POST", f"/hosts/{_quoted(text)}/{'lock' if locked else 'unlock'}")["host"]
        return host

    def sightings(self) -> list[Answer]:
        """Every MAC that asked by DHCP."""
        return list(self.call("GET", "/sightings")["sightings"])

    def machines(self, after: float = 0, wait: float = 0) -> Answer:
        """`machines` that nobody knows; waits at most `wait` s for one that was seen after `after`."""
        return self.call("GET", "/machines", after=after, wait=wait, patience=PATIENCE + wait)

    def adopt(self, text: str, **host: Any) -> Answer:
        """Make a host of an unknown machine: `name`, `profile`, `serial`, `rack`, `bmc`; the host."""
        row: Answer = self.call("POST", f"/machines/{_quoted(text)}/adopt", host)["host"]
        return row

    def net(self, after: int = 0, wait: float = 0) -> Answer:
        """The deployment LAN: `mode`, `address`, `url`, `files`, `servers` that are not ours, `events`.

        Waits at most `wait` s for an event of it above `after`; the newest comes first.
        """
        return self.call("GET", "/net", after=after, wait=wait, patience=PATIENCE + wait)

    def net_print(self, kind: str) -> str:
        """Configuration for the site's own `dnsmasq`, `kea`, `isc` or `chrony`."""
        return str(self.call("GET", f"/net/print/{_quoted(kind)}")["text"])

    def profiles(self) -> list[Answer]:
        """Every profile with the names of its `hosts`."""
        return list(self.call("GET", "/profiles")["profiles"])

    def profile(self, name: str) -> Answer:
        """One profile."""
        row: Answer = self.call("GET", f"/profiles/{_quoted(name)}")["profile"]
        return row

    def learn(self, machine: str, **how: Any) -> Answer:
        """`profile` and `yaml` from a machine: `name`, `devices`, `apply`, `replace`."""
        return self.call("POST", "/profiles/learn", {"machine": machine, **how})

    def images(self) -> list[Answer]:
        """The catalogue."""
        return list(self.call("GET", "/images")["images"])

    def add_image(self, path: Path, **more: Any) -> Answer:
        """Register a pack, or with `iso` an installer, that lies on the service's machine."""
        image: Answer = self.call("POST", "/images", {"path": str(path), **more}, patience=LONG)["image"]
        return image

    def verify_image(self, text: str) -> Answer:
        """Read a stored pack again; its id and number of chunks."""
        return self.call("POST", f"/images/{_quoted(text)}/verify", patience=LONG)

    def image_garbage(self) -> list[Answer]:
        """What lies beside the images and belongs to none: `name`, `size`, `why`."""
        return list(self.call("GET", "/images/garbage")["garbage"])

    def remove_image_garbage(self, names: list[str]) -> list[Answer]:
        """Remove these, as far as they are still garbage; what was removed."""
        return list(self.call("POST", "/images/garbage", {"names": names}, patience=LONG)["garbage"])

    def plan(self, host: str, image: str = "") -> Answer:
        """What a deployment would do; nothing is armed."""
        plan: Answer = self.call("POST", "/deployments", {"host": host, "image": image})["plan"]
        return plan

    def arm(self, host: str, **order: Any) -> Answer:
        """Arm a deployment: `image`, `by`, `yes`, `confirmation`, `stop_after`, `terms`; the new row."""
        row: Answer = self.call("POST", "/deployments", {"host": host, "arm": True, **order})["deployment"]
        return row

    def deployments(self) -> list[Answer]:
        """The newest hundred."""
        return list(self.call("GET", "/deployments")["deployments"])

    def deployment(self, ident: str) -> Answer:
        """One deployment by id, or a host's last one."""
        row: Answer = self.call("GET", f"/deployments/{_quoted(ident)}")["deployment"]
        return row

    def events(self, ident: str, after: int = 0, wait: float = 0) -> Answer:
        """`events` above `after`, `deployment`, and the service's time `now`; waits at most `wait` s."""
        path = f"/deployments/{_quoted(ident)}/events"
        return self.call("GET", path, after=after, wait=wait, patience=PATIENCE + wait)

    def console(self, ident: str, *, offset: int = 0, lines: int = 0, wait: float = 0) -> Answer:
        """`data` (base64) of the recorded console from `offset`, or its last `lines`; `live`: more may come.

        Waits at most `wait` s for some.
        """
        path = f"/deployments/{_quoted(ident)}/console"
        asked = {"offset": offset, "lines": lines, "wait": wait}
        return self.call("GET", path, patience=PATIENCE + wait, **asked)

    def follow(self, ident: str, after: int = 0) -> Iterator[Answer]:
        """`events` answers one after the other, as they come; ends when the deployment rests."""
        while True:
            news = self.events(ident, after, WAIT)
            yield news
            if news["events"]:
                after = news["events"][-1]["id"]
            elif news["deployment"]["stage"] in RESTING:
                return

    def cancel(self, ident: str) -> Answer:
        """End a deployment."""
        row: Answer = self.call("POST", f"/deployments/{_quoted(ident)}/cancel")["deployment"]
        return row

    def plan_run(self, **wanted: Any) -> Answer:
        """`plans` of the hosts that `select` or `all` means, and `left_out` with reasons; arms nothing."""
        return self.call("POST", "/runs", wanted)

    def arm_run(self, count: int, **wanted: Any) -> Answer:
        """Arm exactly `count` hosts; `run` and its `deployments`."""
        return self.call("POST", "/runs", {**wanted, "arm": True, "expect_count": count})

    def run(self, ident: str) -> Answer:
        """A run and its `deployments`."""
        return self.call("GET", f"/runs/{_quoted(ident)}")

    def run_events(self, ident: str, after: int = 0, wait: float = 0) -> Answer:
        """`events` of all its deployments above `after`, the `deployments`, and `now`."""
        path = f"/runs/{_quoted(ident)}/events"
        return self.call("GET", path, after=after, wait=wait, patience=PATIENCE + wait)

    def cancel_run(self, ident: str) -> Answer:
        """End whatever of it is not at rest; its `deployments`."""
        return self.call("POST", f"/runs/{_quoted(ident)}/cancel")

    def bmc(self, host: str, action: str, argument: str = "") -> Answer:
        """Let the worker ask a BMC; its result. Raises PowerError's kin with the BMC's own words."""
        body = {"host": host, "action": action, "argument": argument}
        request = self.call("POST", "/bmc", body)["request"]
        found: Answer = {"state": "open"}
        for _ in range(6):  # a BMC act is limited to less than two minutes by its own driver
            found = self.call("GET", f"/bmc/{request}", wait=WAIT, patience=PATIENCE + WAIT)["request"]
            if found["state"] == "done":
                break
        else:
            raise UnreachableError(f"{host}: the worker did not answer", hint="see the service's log")
        result: Answer = found["result"]
        if "error" in result:
            raise from_json(result["error"])
        return result

    def put_secret(self, name: str, user: str, password: str) -> None:
        """Keep a BMC's login in the service's state folder."""
        self.call("PUT", f"/secrets/{_quoted(name)}", {"user": user, "password": password})


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("provisioner", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _parsed(server: str) -> urllib.parse.SplitResult:
    """The parts of a server's URL; `http://` may be left out."""
    reason = "there is no address in it"
    try:
        found = urllib.parse.urlsplit(server if "//" in server else f"http://{server}")
        is_usable = found.hostname and found.port != 0  # a port of 99999 raises here
        if is_usable and found.scheme in ("http", "https") and re.fullmatch(r"[\w.:\[\]-]+", found.netloc):
            return found
    except ValueError as fault:
        reason = str(fault)
    hint = "write --server http://ADDRESS[:PORT]"
    raise InputError(f"{server!r} is not a server's URL: {reason}", hint=hint, code=102)


def _quoted(text: str) -> str:
    if not text.strip("/"):
        raise NotFoundError("an empty name names nothing", hint="provision host list")
    return urllib.parse.quote(text, safe="@:")


def _answer(status: int, raw: bytes) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnreachableError(f"what answers is not the provisioning service (status {status})", code=621)
    if "error" in body:
        raise from_json(body["error"])
    return body
