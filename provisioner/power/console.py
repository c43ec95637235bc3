"""Records a host's serial console by IPMI's Serial-over-LAN, in a process of its own per deployment.

pyghmi keeps global state and threads; it dies of a fault without harm to others. The process reads its order
as one line on standard input, says `recording` or why not on standard output, and ends when its input closes.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from provisioner import run
from provisioner.errors import PowerError
from provisioner.power import ipmi, process
from provisioner.power.protocol import BmcAddress
from provisioner.state import notify
from provisioner.state.recording import Recording, RecordingWriter

LOGIN_LIMIT = 20.0  # seconds until the console must be there
TICK = 0.25  # seconds; how late a reader may learn of new bytes
QUIET, DRAIN = 0.5, 3.0  # seconds without a byte after which it is over, and the longest wait for that
READER = "web"  # whose listener is notified of new bytes


@dataclass(frozen=True)
class Order:
    """Whose console is recorded for which deployment."""

    bmc: BmcAddress
    state: Path
    deployment: str

    @property
    def recording(self) -> Recording:
        """Where it goes."""
        return Recording(self.state, self.deployment)

    def line(self) -> bytes:
        """As the process reads it."""
        words = {"bmc": asdict(self.bmc), "state": str(self.state), "deployment": self.deployment}
        return json.dumps(words).encode() + b"\n"


def parse(line: bytes) -> Order:
    """What `Order.line` wrote."""
    words = json.loads(line)
    return Order(BmcAddress(**words["bmc"]), Path(words["state"]), words["deployment"])


def start(order: Order) -> run.Process:
    """A recorder; it dies with the thread that starts it. Its end is asked for by closing its stdin."""
    recorder = run.start([sys.executable, "-m", __name__], stdin=run.PIPE, stdout=run.PIPE)
    if recorder.stdin:
        with suppress(BrokenPipeError):  # its end tells more
            recorder.stdin.write(order.line())
            recorder.stdin.flush()
    return recorder


def explain(said: bytes) -> PowerError | None:
    """The error in a recorder's line; None where it says that it records."""
    try:
        words = json.loads(said)
    except ValueError:
        return PowerError("the recorder of the console broke", hint="the service's log has more", code=209)
    return PowerError(words["error"], hint=words["hint"], code=words["code"]) if "error" in words else None


# below: the process


class Recorder:
    """One Serial-over-LAN session, from its login until it is told to end."""

    def __init__(self, order: Order, told: int) -> None:
        """`told` is a descriptor that becomes readable when it shall end."""
        self._order, self._told = order, told
        self._recording = order.recording
        self._writer = RecordingWriter(self._recording)
        self._heard = 0.0  # when the last byte came
        self._rung = 0.0
        self._lost: Any = None  # what the session said of its end

    def work(self, ready: Callable[[], None]) -> None:
        """Record until told. Raises PowerError: it cannot begin, or it broke off."""
        line = self._connect()
        if line is None:
            return
        began = [mark for mark in self._recording.marks() if mark.mark in ("began", "again")]
        self._recording.mark("again" if began else "began")
        ready()
        try:
            while not self._is_told():
                self._turn(line)
            until = time.monotonic() + DRAIN
            self._heard = max(self._heard, time.monotonic())
            while time.monotonic() < min(until, self._heard + QUIET):
                self._turn(line)
        finally:
            self._writer.keep()
        self._recording.mark("ended")
        line.close()
        line.ipmi_session.logout()

    def _is_told(self) -> bool:
        return bool(select.select([self._told], [], [], 0)[0])

    def _connect(self) -> Any:
        """The session; None where it is told to end before there is one."""
        bmc = self._order.bmc
        line = _line(bmc, self._take)
        until = time.monotonic() + LOGIN_LIMIT
        while not line.connected:
            self._check()
            if self._is_told():
                return None
            if time.monotonic() > until:
                raise process.silent(bmc, ipmi.Ipmi.transport)
            line.wait_for_rsp(TICK)
        return line

    def _turn(self, line: Any) -> None:
        """Wait for what comes next, at most a tick."""
        line.wait_for_rsp(TICK)
        self._check()
        now = time.monotonic()
        if self._heard > self._rung and now - self._rung > TICK:
            self._rung = now
            self._writer.keep()
            notify.notify(self._order.state, READER)

    def _take(self, data: Any) -> None:
        """In pyghmi's callback: bytes of the console, or a dictionary about the session."""
        if isinstance(data, bytes):
            self._writer.add(data)
            self._heard = time.monotonic()
        elif "error" in data:
            self._lost = data["error"]

    def _check(self) -> None:
        if self._lost is not None:
            raise _explained(self._order.bmc, str(self._lost))


def _line(bmc: BmcAddress, take: Callable[[Any], None]) -> Any:
    from pyghmi.ipmi.console import Console

    class Line(Console):  # type: ignore[misc]
        """pyghmi loses four bytes of a packet that is sent again with more in it, and takes the rest twice
        when our first answer was only late. So no more is taken of it than the first time: the BMC sends
        what is left as its next packet (IPMI 2.0, 15.11)."""

        def _got_sol_payload(self, payload: Any) -> None:
            if not isinstance(payload, dict) and self.remseq and payload[0] & 15 == self.remseq:
                payload = payload[: 4 + self.lastsize]
            super()._got_sol_payload(payload)

    return Line(bmc.address, bmc.user, bmc.password, take, port=bmc.port, force=True)


def _explained(bmc: BmcAddress, said: str) -> PowerError:
    """The session's words as an error: a login, a silent BMC, or SOL itself."""
    fault = ipmi.explained(bmc, "its serial console", RuntimeError(said))
    if fault.code != 203:
        return fault
    return PowerError(
        f"BMC {bmc.address} gives no serial console: {said[:200]}",
        hint="switch Serial-over-LAN on in the BMC, for this user too; ipmitool … sol info shows it",
        code=209,
    )


def _end(fault: PowerError) -> NoReturn:
    print(json.dumps({"error": str(fault), "hint": fault.hint, "code": fault.code}), flush=True)
    sys.exit(1)


def main() -> None:
    """One order, one recording."""
    order = parse(_first_line(0))
    try:
        Recorder(order, 0).work(lambda: print(json.dumps({"recording": True}), flush=True))
    except PowerError as fault:
        _end(fault)
    except Exception as fault:  # pyghmi's own, or a full disk
        _end(PowerError(f"the recorder of the console broke: {fault!r}"[:300], code=209))


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
