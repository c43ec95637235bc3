"""Redfish over HTTP (DSP0266): one login, requests, answers. TLS with the BMC's own certificate pinned.

BMCs sign their certificates themselves and no site runs an authority for them, so a name and a chain prove
nothing. What counts is that it is the certificate of last time: its SHA-256 is taken from the inventory, or
kept on first use, after the login has worked. So the first login trusts whoever answers; after it a stranger
at that address does not get the password.
"""

import base64
import gzip
import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

from provisioner.errors import FileError, NotYetError, PowerError
from provisioner.power.outcome import Kind, not_yet, refused, refused_login, silent
from provisioner.power.protocol import BmcAddress
from provisioner.power.redfish_answer import Answer, Resource, judge, parse
from provisioner.system import outputs

TRANSPORT = "TCP"
CONNECT_LIMIT = 15.0  # seconds for TCP and TLS; a BMC needs a second or two for a handshake
ANSWER_LIMIT = 30.0  # seconds for one answer: old or loaded BMCs take 8
SEGMENT = 1456  # bytes of a TCP segment
LARGEST = 4 << 20  # bytes of an answer that are read
ROOT = "/redfish/v1/"  # DSP0266, 6.3
SESSIONS = "/redfish/v1/SessionService/Sessions"
ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class _Certificate:
    """The judgement of the BMC's certificate, at every connection."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc
        self._file = Path(bmc.pin) if bmc.pin else None
        pinned = self._file.read_text().strip() if self._file and self._file.exists() else ""
        self._wanted = bmc.fingerprint or pinned
        self._seen = ""

    def check(self, der: bytes) -> None:
        """Raises PowerError (PV-208) for another one than is pinned."""
        self._seen = hashlib.sha256(der).hexdigest()
        if not self._bmc.verify or self._seen == self._wanted or (self._file and not self._wanted):
            return
        name = self._bmc.name
        raise PowerError(
            f"BMC {self._bmc.address} shows the certificate {self._seen}, {self._wanted or 'none'} is pinned",
            hint="where the BMC's own page shows the new one, write it into the inventory: "
            f"bmc: {{fingerprint: {self._seen[:8]}…}} of {name}"
            + (f", or rm {self._file}" if self._file else ""),
            code=208,
        )

    def keep(self) -> None:
        """Pin what was seen at a login that worked, where nothing is pinned yet. Raises PowerError."""
        if not self._file or self._wanted or not self._bmc.verify:
            return
        try:
            outputs.write(self._file, self._seen + "\n", mode=0o600)
        except FileError as fault:
            sentence = f"the certificate of BMC {self._bmc.address} cannot be kept: {fault}"
            raise PowerError(sentence, hint=fault.hint, code=fault.code) from fault
        self._wanted = self._seen


class RedfishClient:
    """A login at one BMC; `action` is what it is for, in sentences.

    Every request has a connection of its own, so a BMC that closes idle ones loses no order. Raises
    PowerError: PV-201 nothing ever answered, PV-202 and PV-208 to PV-213 as `judge` and the certificate say.
    """

    def __init__(self, bmc: BmcAddress, action: str) -> None:
        self._bmc, self._action = bmc, action
        self._certificate = _Certificate(bmc)
        self._headers = {"Accept": "application/json", "OData-Version": "4.0", "User-Agent": "provision"}
        self._has_answered = False
        self._session = ""
        self.root = Resource()

    def log_in(self) -> None:
        """A session (DSP0266, 13.3.3); Basic authentication where the BMC has none, or none left."""
        self.root = self.get(ROOT).body
        word = base64.b64encode(f"{self._bmc.user}:{self._bmc.password}".encode()).decode()
        self._headers["Authorization"] = f"Basic {word}"  # some want it for the session, too
        if self.root.part("SessionService").fields and self._begin_session():
            del self._headers["Authorization"]

    def log_out(self) -> None:
        """A session that cannot be ended lapses by itself; the act's own result counts."""
        if self._session:
            with suppress(PowerError):
                self.request("DELETE", self._session)

    def get(self, path: str) -> Answer:
        """A resource that must be there. Raises PowerError for any answer but a JSON object."""
        answer = self.request("GET", path)
        outcome = judge(answer)
        if answer.is_done and answer.body.fields:
            if path != ROOT and (self._headers.keys() & {"X-Auth-Token", "Authorization"}):
                self._certificate.keep()
            return answer
        if outcome.is_done:
            raise not_yet(self._bmc, f"gives nothing readable at {path}")
        if outcome.kind is Kind.REFUSED and answer.status in (404, 410):  # it shows it when it has started
            raise not_yet(self._bmc, f"does not show {path}: {outcome.words}")
        raise outcome.fault(self._bmc, self._action)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, match: str = ""
    ) -> Answer:
        """One request; `match` is sent as If-Match. Raises PowerError where no answer comes."""
        headers = {**self._headers, **({"If-Match": match} if match else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._exchange(method, path, None if body is None else json.dumps(body), headers)
        except ssl.SSLError as fault:
            if self._has_answered or isinstance(fault, ENDED):
                raise not_yet(self._bmc, f"broke off TLS: {fault.reason or fault}") from fault
            reason = f"no TLS on port {self._bmc.port}: {fault.reason or fault}"
            raise refused(self._bmc, "the login", reason) from fault
        except (OSError, http.client.HTTPException) as fault:
            if self._has_answered:
                what = type(fault).__name__
                raise not_yet(self._bmc, f"stopped to answer at {method} {path} ({what})") from fault
            raise silent(self._bmc, TRANSPORT) from fault

    def fault(self, answer: Answer) -> PowerError:
        """The error of an answer that is not done."""
        return judge(answer).fault(self._bmc, self._action)

    def not_yet(self, sentence: str) -> NotYetError:
        """The error of a bad moment; the sentence goes on after the BMC's name."""
        return not_yet(self._bmc, sentence)

    def _begin_session(self) -> bool:
        """Whether there is a session now. Raises PowerError where the login itself is refused."""
        place = self.root.link("Links", "Sessions") or SESSIONS
        answer = self.request("POST", place, {"UserName": self._bmc.user, "Password": self._bmc.password})
        outcome = judge(answer)
        if outcome.kind is Kind.REFUSED and outcome.code in (202, 212):
            raise refused_login(self._bmc) if outcome.code == 202 else self.fault(answer)
        token = answer.headers.get("x-auth-token", "")
        if not answer.is_done or not token:
            return False
        self._headers["X-Auth-Token"] = token
        self._session = urlsplit(answer.headers.get("location", "")).path
        return True

    def _exchange(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        with self._connect() as line:
            connection = http.client.HTTPConnection(self._bmc.address, self._bmc.port)
            connection.sock = line
            connection.request(method, path, body, dict(headers) | {"Connection": "close"})
            response = connection.getresponse()
            self._has_answered = True
            data = response.read(LARGEST)
        if response.getheader("Content-Encoding") == "gzip":
            with suppress(OSError, EOFError):  # some say so and send it plain
                data = gzip.decompress(data)
        return parse(response.status, data, dict(response.getheaders()))

    def _connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.socket()
        plain.settimeout(CONNECT_LIMIT)
        with ExitStack() as failed:
            failed.enter_context(plain)
            # some BMCs sit behind tunnels and do not learn the path's MTU
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            plain.connect((self._bmc.address, self._bmc.port))
            line = failed.enter_context(context.wrap_socket(plain))
            self._certificate.check(line.getpeercert(binary_form=True) or b"")
            line.settimeout(ANSWER_LIMIT)
            failed.pop_all()
        return line
