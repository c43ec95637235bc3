"""A login over RMCP+ (IPMI 2.0, 13.15 to 13.24), by pyghmi, and what its words mean."""

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Protocol, TypedDict

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.outcome import Kind, Outcome, not_yet, refused, refused_login, silent, unreadable
from provisioner.power.protocol import BmcAddress, SensorReading, SensorsResult

ORDER_LIMIT = 8.0  # seconds for the answer to an order that is sent once
TRANSPORT = "UDP"
MOST_SENSORS = 500
NO_RECORD = "data, or record not present"  # completion code 0xCB: it has no sensor data records
NO_SENSORS = "the BMC has no sensors that can be read"
WARNING = 1  # pyghmi's Health: 0 is well, 2 and 4 are worse
LOST = 0xFFFF  # pyghmi's code of an answer that did not come
SHA256_LENGTH = 16  # bytes of the hash in each packet
# what pyghmi says, in small letters: no more sessions (RMCP+ status codes 0x01 and 0x0b), a session that is
# gone in the middle of the login or later, a privilege level, a wrong name or password, nothing
FULL = ("insufficient resources", "no session slots", "node busy", "initialization")
GONE = ("inactive session", "invalid session id", "session no longer connected")
PRIVILEGE = ("privilege", "privelege", "invalid role")
WRONG_LOGIN = ("incorrect password", "unauthorized", "incorrect user", "invalid user", "rakp")
SUITE = ("no cipher suite match", "no matching integrity", "invalid authentication algorithm")
SILENCE = ("timeout", "no answer", "not reachable")


class RawResponse(TypedDict, total=False):
    """What pyghmi gives back of a raw command: completion code, the bytes behind it, the error in words."""

    code: int
    command: int
    data: bytes
    error: str


class LanSession(Protocol):
    """What is used of `pyghmi.ipmi.private.session.Session`: pyghmi ships no types."""

    lastresponse: RawResponse | None
    currhashlen: int
    request_entry: list[object]

    def wait_for_rsp(self, timeout: float) -> object:
        """Take what comes within so many seconds."""

    def logout(self) -> object:
        """Close Session (22.19)."""


class PyghmiSensor(Protocol):
    """What is used of `pyghmi.ipmi.sdr.SensorReading`; `health` is 0 for well, else bits."""

    name: str
    type: str
    value: float | None
    units: str | None
    health: int
    states: list[str]
    unavailable: int


class IpmiCommand(Protocol):
    """The calls of `pyghmi.ipmi.command.Command` that are used.

    Its calls for power and boot device ask for the device's id first and end where that is refused.
    """

    ipmi_session: LanSession

    def get_sensor_data(self) -> Iterator[PyghmiSensor]:
        """Every sensor of the BMC's records, one after the other."""

    def raw_command(
        self, netfn: int, command: int, data: tuple[int, ...] = (), retry: bool = True
    ) -> RawResponse | None:
        """Any request by its numbers; None at once where it is not sent again until it is answered."""


class IpmiLine:
    """The way to one BMC: logged in when it is needed."""

    def __init__(self, bmc: BmcAddress, action: str, command: IpmiCommand | None = None) -> None:
        self._bmc, self._action = bmc, action
        self._command, self._is_lost = command, False

    @property
    def suite(self) -> int:
        """The cipher suite of the session (22-20): 17 where its hash is SHA-256, else 3."""
        session = self._logged_in().ipmi_session
        return 17 if getattr(session, "currhashlen", 0) == SHA256_LENGTH else 3

    def ask(self, command: int, *data: int) -> tuple[int, bytes]:
        """Completion code and data of a request of the network function chassis, which may be sent again.

        Raises PowerError where no answer comes.
        """
        return self._send(command, data, once=False)

    def ask_app(self, command: int, *data: int) -> tuple[int, bytes]:
        """Likewise of the network function application: users and their passwords."""
        return self._send(command, data, once=False, netfn=6)

    def order(self, command: int, *data: int) -> tuple[int, bytes]:
        """Likewise, sent once: done twice it would do harm. The code is `LOST` where no answer comes."""
        try:
            return self._send(command, data, once=True)
        except PowerError:
            return LOST, b""

    def sensors(self) -> SensorsResult:
        """All sensors, as far as the BMC and pyghmi come with them. Raises PowerError where none was read."""
        found: list[SensorReading] = []
        command = self._logged_in()
        try:
            for sensor in islice(command.get_sensor_data(), MOST_SENSORS):
                if not sensor.unavailable:
                    found.append(_reading(sensor))
        except Exception as fault:  # of its parser, too: records of makers are of many kinds
            if NO_RECORD in str(fault).lower():  # pyghmi leaves the completion code out
                return SensorsResult(tuple(found), "" if found else NO_SENSORS)
            if not found:
                raise explained(self._bmc, self._action, fault) from fault
            return SensorsResult(tuple(found), f"the others cannot be read: {fault or type(fault).__name__}")
        return SensorsResult(tuple(found), "" if found else NO_SENSORS)

    def close(self) -> None:
        """End the session: BMCs have few. One that cannot be ended lapses by itself."""
        if self._command:
            with suppress(Exception):  # whatever pyghmi says: the act's own result counts
                self._command.ipmi_session.logout()
            self._command = None

    def _logged_in(self) -> IpmiCommand:
        if self._is_lost:  # pyghmi cannot log in twice in one process
            raise not_yet(self._bmc, f"stopped to answer in the middle of {self._action}")
        if self._command is None:
            self._command = log_in(self._bmc, self._action)
        return self._command

    def _send(self, command: int, data: tuple[int, ...], *, once: bool, netfn: int = 0) -> tuple[int, bytes]:
        from pyghmi.exceptions import PyghmiException

        line = self._logged_in()
        try:
            response = line.raw_command(netfn=netfn, command=command, data=data, retry=not once)
        except PyghmiException as fault:
            self._is_lost = True
            raise explained(self._bmc, self._action, fault) from fault
        except PowerError:
            raise
        except Exception as fault:  # of its parser
            self._is_lost = True
            raise unreadable(self._bmc, fault) from fault
        if response is None:
            response = _awaited(line.ipmi_session, command)
        return response.get("code", 0), bytes(response.get("data", b""))


def _reading(sensor: PyghmiSensor) -> SensorReading:
    health = "ok" if not sensor.health else "warning" if sensor.health == WARNING else "critical"
    return SensorReading(
        name=str(sensor.name),
        kind=str(sensor.type or ""),
        value=None if sensor.value is None else float(sensor.value),
        unit=str(sensor.units or "").strip(),
        health=health,
        states=tuple(map(str, sensor.states)),
    )


def _awaited(session: LanSession, command: int) -> RawResponse:
    """The answer to what was sent once, for which pyghmi does not wait."""
    until = time.monotonic() + ORDER_LIMIT
    while time.monotonic() < until:
        session.wait_for_rsp(timeout=0.25)
        found = session.lastresponse
        if found and found.get("command") == command:
            return found
    session.request_entry.clear()  # a late answer is not taken for the next one's
    return {"code": LOST}


class _Login:
    """What this process knows of its BMC."""

    has_answered = False


def log_in(bmc: BmcAddress, action: str) -> IpmiCommand:
    """A session. Raises PowerError for whatever pyghmi says of it."""
    from pyghmi.exceptions import PyghmiException
    from pyghmi.ipmi import command

    _note_answers()
    with process.within(bmc.answer_within, lambda: _unanswered(bmc)):
        try:
            made: IpmiCommand = command.Command(
                bmc=bmc.address, userid=bmc.user, password=bmc.password, port=bmc.port, keepalive=False
            )
        except PyghmiException as fault:
            raise explained(bmc, action, fault) from fault
        except PowerError:
            raise
        except Exception as fault:  # of its parser
            raise unreadable(bmc, fault) from fault
    return made


@cache
def _note_answers() -> None:
    """Let pyghmi's sessions keep what a caller of their constructor cannot see where it raises."""
    from pyghmi.ipmi.private import session

    class NotingSession(session.Session):  # type: ignore[misc]
        def _handle_ipmi_packet(self, *args: object, **named: object) -> object:
            _Login.has_answered = True
            return super()._handle_ipmi_packet(*args, **named)

    session.Session = NotingSession


def explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    """pyghmi's words as an error: PV-202, 207, 213 a login, PV-201 silence, PV-211 a moment; PV-203."""
    reason = str(fault)
    words = reason.lower()
    if any(word in words for word in FULL):
        return not_yet(bmc, f"takes no login now: {reason}")
    if any(word in words for word in GONE):
        return not_yet(bmc, f"stopped to answer in the middle of {action}")
    if any(word in words for word in PRIVILEGE):
        return Outcome(Kind.REFUSED, reason, code=213).fault(bmc, action)
    if any(word in words for word in SUITE):
        return Outcome(Kind.REFUSED, reason, code=207).fault(bmc, action)
    if any(word in words for word in WRONG_LOGIN):
        return refused_login(bmc)
    return _unanswered(bmc) if _is_silence(reason) else refused(bmc, action, reason)


def _is_silence(reason: str) -> bool:
    return reason in ("", "None") or any(word in reason.lower() for word in SILENCE)


def _unanswered(bmc: BmcAddress) -> PowerError:
    """Some BMCs answer what comes before a login, and drop the login of a user whom they do not know."""
    if not _Login.has_answered:
        return silent(bmc, TRANSPORT)
    return not_yet(bmc, f"answers, and ends no login of user {bmc.user!r}: is there such a user?")
