"""Records a serial console by IPMI's Serial over LAN (IPMI 2.0, section 15), by pyghmi.

A process for each deployment; `power/console.py` starts it and says what it reads and writes.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from provisioner.errors import PowerError
from provisioner.power import ipmi_login, process
from provisioner.power.console import LISTENER, RECORDING, RecorderRequest
from provisioner.power.ipmi_login import LanSession
from provisioner.power.outcome import silent
from provisioner.power.protocol import BmcAddress
from provisioner.state import notify
from provisioner.state.recording import RecordingWriter

LOGIN_LIMIT = 20.0  # seconds until the SOL payload must be active
TICK = 0.25  # seconds; how late a reader may learn of new bytes
QUIET, DRAIN = 0.5, 3.0  # seconds without a byte after which it is over, and the longest wait for that

# what pyghmi hands over: bytes of the console, or a dictionary about the session
Payload = bytes | dict[str, object]


class SolSession(Protocol):
    """The calls of `pyghmi.ipmi.console.Console` that are used."""

    connected: bool
    ipmi_session: LanSession

    def wait_for_rsp(self, timeout: float) -> object:
        """Take what comes within so many seconds; the callback is called for each payload."""

    def close(self) -> object:
        """Deactivate Payload (IPMI 2.0, 24.2)."""


class SolRecorder:
    """One SOL session, from its login until the end is requested."""

    def __init__(self, request: RecorderRequest, stop: int) -> None:
        """`stop` is a descriptor that becomes readable when the recording shall end."""
        self._request, self._stop = request, stop
        self._recording = request.recording
        self._writer = RecordingWriter(self._recording)
        self._last_byte = 0.0  # monotonic time
        self._last_notice = 0.0
        self._error: str | None = None  # what the session said of its end

    def record(self, ready: Callable[[], None]) -> None:
        """Record until the end is requested; `ready` is called when it has begun.

        Raises PowerError: it cannot begin (PV-201, 202, 209), or it broke off (PV-209).
        """
        session = self._connect()
        if session is None:
            return
        self._recording.mark("again" if self._recording.parts() else "began")
        ready()
        try:
            while not self._is_stopped():
                self._poll(session)
            self._drain(session)
        finally:
            self._writer.keep()
        self._recording.mark("ended")
        session.close()
        session.ipmi_session.logout()

    def _is_stopped(self) -> bool:
        return bool(select.select([self._stop], [], [], 0)[0])

    def _connect(self) -> SolSession | None:
        """The session; None where the end is requested before there is one."""
        bmc = self._request.bmc
        session = _activate(bmc, self._take)
        until = time.monotonic() + LOGIN_LIMIT
        while not session.connected:
            self._check()
            if self._is_stopped():
                return None
            if time.monotonic() > until:
                raise silent(bmc, ipmi_login.TRANSPORT)
            session.wait_for_rsp(TICK)
        return session

    def _poll(self, session: SolSession) -> None:
        """Wait for what comes next, at most a tick."""
        session.wait_for_rsp(TICK)
        self._check()
        now = time.monotonic()
        if self._last_byte > self._last_notice and now - self._last_notice > TICK:
            self._last_notice = now
            self._writer.keep()
            notify.notify(self._request.state, LISTENER)

    def _drain(self, session: SolSession) -> None:
        """Take what is still on its way."""
        until = time.monotonic() + DRAIN
        self._last_byte = max(self._last_byte, time.monotonic())
        while time.monotonic() < min(until, self._last_byte + QUIET):
            self._poll(session)

    def _take(self, payload: Payload) -> None:
        """Store what pyghmi's callback hands over."""
        if isinstance(payload, bytes):
            self._writer.add(payload)
            self._last_byte = time.monotonic()
        elif "error" in payload:
            self._error = str(payload["error"])

    def _check(self) -> None:
        if self._error is not None:
            raise _explained(self._request.bmc, self._error)


def _activate(bmc: BmcAddress, take: Callable[[Payload], None]) -> SolSession:
    """Log in and activate the SOL payload (IPMI 2.0, 24.1), taking it over from whoever has it."""
    from pyghmi.ipmi.console import Console

    class RetryingConsole(Console):  # type: ignore[misc]
        """pyghmi loses four bytes of a packet that is sent again with more in it, and takes the rest twice
        when our first answer was only late. So no more is taken of it than the first time: the BMC sends
        what is left as its next packet (IPMI 2.0, 15.11)."""

        def _got_sol_payload(self, payload: Payload) -> None:
            if not isinstance(payload, dict) and self.remseq and payload[0] & 15 == self.remseq:
                payload = payload[: 4 + self.lastsize]
            super()._got_sol_payload(payload)

    session: SolSession = RetryingConsole(
        bmc.address, bmc.user, bmc.password, take, port=bmc.port, force=True
    )
    return session


def _explained(bmc: BmcAddress, reason: str) -> PowerError:
    """The session's words as an error: a login, a silent BMC, or SOL itself."""
    fault = ipmi_login.explained(bmc, "its serial console", RuntimeError(reason))
    if fault.code != 203:
        return fault
    return PowerError(
        f"BMC {bmc.address} gives no serial console: {reason[:200]}",
        hint="switch Serial-over-LAN on in the BMC, for this user too; ipmitool … sol info shows it",
        code=209,
    )


def _fail(fault: PowerError) -> NoReturn:
    print(json.dumps(process.failure(fault)), flush=True)
    sys.exit(1)


def main() -> None:
    """Record one console, as one request on standard input says."""
    request = RecorderRequest.from_json(_first_line(0))
    try:
        SolRecorder(request, 0).record(lambda: print(RECORDING, flush=True))
    except PowerError as fault:
        _fail(fault)
    except Exception as fault:  # pyghmi's own, or a full disk
        _fail(PowerError(f"the recorder of the console broke: {fault!r}"[:300], code=209))


def _first_line(descriptor: int) -> bytes:
    """Not one byte more: what comes after it must stay readable for select."""
    line = bytearray()
    while byte := os.read(descriptor, 1):
        line += byte
        if byte == b"\n":
            break
    return bytes(line)


if __name__ == "__main__":
    main()
