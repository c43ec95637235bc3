"""Redfish over HTTP (DSP0266): one login, requests, answers. TLS with the BMC's own certificate pinned.

BMCs sign their certificates themselves and no site runs an authority for them, so a name and a chain prove
nothing. What counts is that it is the certificate of last time: its SHA-256 is taken from the inventory, or
kept on first use, after the login has worked. So the first login trusts whoever answers; after it a stranger
at that address does not get the password.
"""

import base64
import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from provisioner.errors import FileError, NotYetError, PowerError
from provisioner.power.outcome import Kind, not_yet, refused, silent, too_old, unreadable
from provisioner.power.protocol import BmcAddress
from provisioner.power.redfish_answer import CONFLICT, LARGEST, Answer, Resource, judge, parse
from provisioner.power.redfish_path import ROOT, local
from provisioner.system import outputs

TRANSPORT = "TCP"
ANSWER_LIMIT = 30.0  # seconds for one answer: old or loaded BMCs take 8
TASK_LIMIT = 30.0  # seconds for which the end of a task is awaited
TASK_PAUSES = (1.0, 10.0)  # seconds between two looks at it, at least and at most
SEGMENT = 1456  # bytes of a TCP segment
SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST_MOVES = 5  # redirections of one request that are followed
MOVED = {301, 302, 307, 308}
# OpenSSL's own: Python's leave out AES-SHA by RSA, all that some BMCs have. Without DHE, which BMCs prefer
# with groups of 1024 bits, and OpenSSL refuses those
CIPHERS = "DEFAULT:!kDHE"
ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# what OpenSSL says of a server that has nothing newer than TLS 1.1, or nothing that withstands an attack: a
# pinned certificate does not help where the password can be read, or orders be put before ours
TOO_OLD = {
    *("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW"),
    *("UNSUPPORTED_SSL_VERSION", "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED", "WRONG_SIGNATURE_TYPE"),
    *("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL"),
}
OWN_TROUBLE = "INTERNAL_ERROR"  # the alert of a server that has no key yet, or no memory left
# TaskState (DSP2046, Task): ended otherwise than completed
FAILED = {"Exception", "Killed", "Cancelled", "Interrupted"}
WELL = "Completed"
NOT_TOLD = {401, 403, 404, 405, 410}  # a task that is gone, or is not shown to this user


class _Certificate:
    """The judgement of the BMC's certificate, at every connection."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc
        self._file = Path(bmc.pin) if bmc.pin else None
        pinned = self._file.read_text().strip() if self._file and self._file.exists() else ""
        self._wanted = bmc.fingerprint or pinned
        self._seen = ""

    @property
    def is_known(self) -> bool:
        """Whether the BMC has spoken TLS before, at this port."""
        return bool(self._wanted)

    def check(self, der: bytes) -> None:
        """Raises PowerError (PV-208) for another one than is pinned, or than was seen in this act before."""
        wanted = self._wanted or (self._seen if self._file else "")
        self._seen = hashlib.sha256(der).hexdigest()
        if not self._bmc.verify or self._seen == wanted or (self._file and not wanted):
            return
        name = self._bmc.name
        raise PowerError(
            f"BMC {self._bmc.address} shows the certificate {self._seen}, {wanted or 'none'} is pinned",
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
    PowerError: PV-201 nothing ever answered, PV-202 and PV-208 to PV-215 as `judge` and the certificate say.
    """

    def __init__(self, bmc: BmcAddress, action: str) -> None:
        self._bmc, self._action = bmc, action
        self._certificate = _Certificate(bmc)
        self._headers = {"Accept": "application/json", "OData-Version": "4.0", "User-Agent": "provision"}
        self._has_answered = False
        self._is_let_in = False  # this login has been good for something
        self._must_change_password = False
        self._session = ""
        self.root = Resource()

    def log_in(self) -> None:
        """A session (DSP0266, 13.3.3); Basic authentication where the BMC has none, or none left."""
        try:
            self.root = self.get(ROOT).body
        except PowerError as fault:
            if fault.code != 202:
                raise
            self._offer_password()  # some show not even their root without it
            self.root = self.get(ROOT).body
        self._authenticate()

    def log_out(self) -> None:
        """A session that cannot be ended lapses by itself; the act's own result counts."""
        if self._session:
            with suppress(PowerError):
                self._follow("DELETE", self._session)

    def get(self, path: str) -> Answer:
        """A resource that must be there. Raises PowerError for any answer but a JSON object."""
        answer = self.request("GET", path)
        outcome = judge(answer)
        if answer.is_done and answer.body.fields:
            if self._has_login and path != ROOT:
                self._certificate.keep()
            return answer
        if outcome.is_done:
            raise self.not_yet(f"gives nothing readable at {path}")
        if outcome.kind is Kind.REFUSED and answer.status in (404, 410):  # it shows it when it has started
            raise self.not_yet(f"does not show {path}: {outcome.words}")
        raise self.fault(answer)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, match: str = ""
    ) -> Answer:
        """One request; `match` is sent as If-Match. Raises PowerError where no answer comes.

        A login that was good and is forgotten (the session's time is over, the BMC has restarted) is renewed.
        """
        answer = self._follow(method, path, body, match)
        if answer.status == 401 and self._is_let_in:
            self._renew()
            answer = self._follow(method, path, body, match)
            if answer.status == 401:
                raise self.not_yet(f"has forgotten the login: {answer.words()}")
        self._is_let_in |= self._has_login and answer.is_done and path != ROOT
        return answer

    def finish(self, answer: Answer) -> Answer:
        """What became of an order that was taken as a task (DSP0266, 12.2), where that is known soon.

        Else, and where the task cannot be asked for, the answer that it had.
        """
        place = answer.location or answer.body.text("TaskMonitor") or answer.body.text("@odata.id")
        (shortest, longest), until = TASK_PAUSES, time.monotonic() + TASK_LIMIT
        while answer.status == 202 and place and time.monotonic() < until:
            time.sleep(min(max(answer.pause(), shortest), longest))  # a BMC has no event to wait for
            try:
                seen = self._follow("GET", place)
            except PowerError:
                continue  # the order was taken
            state = seen.body.text("TaskState")
            if state in FAILED or (state == WELL and seen.body.text("TaskStatus") == "Critical"):
                return replace(seen, status=CONFLICT, task=state)
            if state == WELL or seen.status in NOT_TOLD:
                break
            if not state and seen.status != 202 and judge(seen).kind in (Kind.DONE, Kind.REFUSED):
                return seen  # its monitor gives the order's own answer
        return answer

    def fault(self, answer: Answer) -> PowerError:
        """The error of an answer that is not done."""
        outcome = judge(answer)
        if self._must_change_password and outcome.code in (202, 213):
            outcome = replace(outcome, code=212)
        return outcome.fault(self._bmc, self._action)

    def not_yet(self, sentence: str) -> NotYetError:
        """The error of a bad moment; the sentence goes on after the BMC's name."""
        return not_yet(self._bmc, sentence)

    @property
    def _has_login(self) -> bool:
        return bool(self._headers.keys() & {"X-Auth-Token", "Authorization"})

    def _offer_password(self) -> None:
        word = base64.b64encode(f"{self._bmc.user}:{self._bmc.password}".encode()).decode()
        self._headers.pop("X-Auth-Token", None)
        self._headers["Authorization"] = f"Basic {word}"

    def _authenticate(self) -> None:
        self._offer_password()  # some want it for the session, too
        if self.root.part("SessionService").fields and self._begin_session():
            del self._headers["Authorization"]

    def _renew(self) -> None:
        """Log in again. A login that was taken a moment ago is not wrong: the BMC is not ready."""
        self._is_let_in, self._session = False, ""
        try:
            self._authenticate()
        except PowerError as fault:
            if fault.code != 202:
                raise
            raise self.not_yet(f"has forgotten the login, and takes no other: {fault}") from fault
        self._is_let_in = True

    def _begin_session(self) -> bool:
        """Whether there is a session now. Raises PowerError where the login itself is refused."""
        place = self.root.link("Links", "Sessions") or SESSIONS
        answer = self._follow("POST", place, {"UserName": self._bmc.user, "Password": self._bmc.password})
        outcome = judge(answer)
        self._must_change_password = "passwordchangerequired" in answer.identifiers()
        if outcome.kind is Kind.REFUSED and outcome.code in (202, 212, 215):
            raise self.fault(answer)
        token = answer.headers.get("x-auth-token", "")
        if not answer.is_done or not token:
            return False
        self._headers["X-Auth-Token"] = token
        self._session = answer.location or answer.body.text("@odata.id")
        return True

    def _follow(
        self, method: str, path: str, body: Mapping[str, object] | None = None, match: str = ""
    ) -> Answer:
        """One request, sent again where it is redirected to another path of this BMC (RFC 9110, 15.4)."""
        place = local(path)
        for _ in range(MOST_MOVES):
            answer = self._send(method, place, body, match)
            moved = local(answer.location)
            if answer.status not in MOVED or not answer.location or moved == place:
                break
            place = moved
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, object] | None, match: str) -> Answer:
        headers = {**self._headers, **({"If-Match": match} if match else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._exchange(method, path, None if body is None else json.dumps(body), headers)
        except ssl.SSLError as fault:
            reason = fault.reason or str(fault)
            has_spoken = self._has_answered or self._certificate.is_known or OWN_TROUBLE in reason
            if has_spoken or isinstance(fault, ENDED):
                raise self.not_yet(f"broke off TLS: {reason}") from fault
            if reason in TOO_OLD:
                raise too_old(self._bmc, reason) from fault
            raise refused(self._bmc, "the login", f"no TLS on port {self._bmc.port}: {reason}") from fault
        except (OSError, http.client.IncompleteRead) as fault:
            if self._has_answered:
                what = type(fault).__name__
                raise self.not_yet(f"stopped to answer at {method} {path} ({what})") from fault
            is_there = isinstance(fault, ConnectionRefusedError)
            raise silent(self._bmc, TRANSPORT, is_there=is_there) from fault
        except (http.client.HTTPException, ValueError) as fault:  # no HTTP, or no header that can be sent
            raise unreadable(self._bmc, fault) from fault

    def _exchange(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        with self._connect() as line:
            connection = http.client.HTTPConnection(self._bmc.address, self._bmc.port)
            connection.sock = line
            connection.request(method, path, body, dict(headers) | {"Connection": "close"})
            response = connection.getresponse()
            self._has_answered = True
            data = response.read(LARGEST)
        return parse(response.status, data, dict(response.getheaders()))

    def _connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.set_ciphers(CIPHERS)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.socket()
        plain.settimeout(self._bmc.answer_within)  # a BMC needs a second or two for a handshake
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
