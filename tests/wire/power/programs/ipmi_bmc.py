"""IPMI 2.0 BMCs on loopback, a class for each dialect that was met in the field.

pyghmi's server side has the sessions; which completion code a request gets, and how its answer is sent, is
decided here.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pyghmi.ipmi.private import serversession, session

from tests.wire.power.pace import seconds

CHASSIS, APP = 0, 6
STATUS, CONTROL, SET_BOOT, GET_BOOT, DEVICE_ID = (0, 1), (0, 2), (0, 8), (0, 9), (6, 1)
DOWN, UP, CYCLE, RESET = 0, 1, 2, 3
EFI = 0x20
SHA1 = 1  # authentication algorithm (IPMI 2.0, table 13-17)
NO_RESOURCES, NO_SUITE = 0x01, 0x11  # RMCP+ status codes (table 13-15)
Answer = tuple[int, list[int]]
OK: Answer = (0, [])


class Bmc:
    """A plain BMC; a dialect is a subclass that answers otherwise, or gives None for the usual answer.

    `starts_again`: its host may be started more than once until it is seen on. `reaches`: a deployment over
    it ends well.
    """

    is_on = False
    starts_again = False
    reaches = True
    privilege = 4  # the highest that it gives: administrator

    def __init__(self, starts: Path) -> None:
        self.flags, self.starts = [0] * 5, starts
        self.asked: Counter[tuple[int, int]] = Counter()
        self.opened = 0

    def answer(self, key: tuple[int, int], data: list[int]) -> Answer:
        """Completion code and data."""
        self.asked[key] += 1
        return self.special(key, data, self.asked[key]) or self.usual(key, data)

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        """The dialect's own answer to the `number`-th request of this kind."""
        return None

    def opening(self, algorithm: int) -> int:
        """The status of an Open Session request; pyghmi's server can only do SHA-1."""
        self.opened += 1
        return 0 if algorithm == SHA1 else NO_SUITE

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        """Send it."""
        line.send_ipmi_response(data=answer[1], code=answer[0])

    def usual(self, key: tuple[int, int], data: list[int]) -> Answer:
        if key == DEVICE_ID:
            return 0, [32, 1, 1, 0, 2, 0, 0, 0, 0, 0, 0]
        if key == STATUS:
            return 0, [int(self.is_on), 0, 0, 0]
        if key == CONTROL:
            return self.control(data[0] & 15)
        if key == SET_BOOT:
            return self.set_boot(data)
        return (0, [1, data[0] & 127, *self.flags]) if key == GET_BOOT else (0xC1, [])

    def set_boot(self, data: list[int]) -> Answer:
        if data[0] == 5:
            self.flags = data[1:6]
        return OK

    def control(self, order: int) -> Answer:
        if order == DOWN:
            self.is_on = False
        elif order != UP or not self.is_on:
            self.start()
        return OK

    def start(self) -> None:
        """The firmware spends the flags."""
        self.is_on = True
        device = "network" if self.flags[0] & 0x80 and (self.flags[1] >> 2) & 15 == 1 else "disk"
        with self.starts.open("a") as out:
            out.write(device + "\n")
        if not self.flags[0] & 0x40:
            self.flags = [0] * 5


class Plain(Bmc):
    """As the standard has it."""


class RunningHost(Bmc):
    """The host runs its old system."""

    is_on = True


class Busy(Bmc):
    """Every kind of request is answered `busy` at first."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xC0, []) if number < 3 else None


class Starting(Bmc):
    """It is starting, then it takes too long inside, then it knows no reason."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return {1: (0xD2, []), 2: (0xC3, []), 3: (0xFF, [])}.get(number)


class UpdatesItself(Bmc):
    """Its firmware or its data is being updated, its controller away."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return {1: (0xD1, []), 2: (0xD0, []), 3: (0xD3, [])}.get(number)


class UndefinedCodes(Bmc):
    """Codes that the standard does not define, and a reservation that somebody else cancelled."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return {1: (0xDF, []), 2: (0xC5, []), 3: (0xE1, [])}.get(number)


class NoDeviceId(Bmc):
    """Get Device ID is refused."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xC1, []) if key == DEVICE_ID else None


class NoStatus(Bmc):
    """An answer without data at first."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return OK if key == STATUS and number < 3 else None


class OnlyFlags(Bmc):
    """Of the boot options it knows parameter 5 alone."""

    def set_boot(self, data: list[int]) -> Answer:
        return super().set_boot(data) if data[0] == 5 else (0x80, [])


class NoEfi(Bmc):
    """It does not take the flag for UEFI."""

    def set_boot(self, data: list[int]) -> Answer:
        return (0xCC, []) if data[0] == 5 and data[1] & EFI else super().set_boot(data)


class DropsEfi(Bmc):
    """It takes the flag and forgets it, and the bit that says that the flags hold is not shown."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0, [1, 5, 0, *self.flags[1:]]) if key == GET_BOOT else None


class FlagsUnreadable(Bmc):
    """The flags can be set and not be read."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0x80, []) if key == GET_BOOT else None


class FlagsCutShort(Bmc):
    """It shows only some of the flags' bytes."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0, [1, 5, self.flags[0]]) if key == GET_BOOT else None


class RefusesAndDoes(Bmc):
    """The answer is an error, the flags are set."""

    def set_boot(self, data: list[int]) -> Answer:
        super().set_boot(data)
        return 0xCC, []


class SetInProgress(Bmc):
    """Somebody began to set the boot options and never said that he has done (0x81)."""

    is_in_progress = True

    def set_boot(self, data: list[int]) -> Answer:
        if data == [0, 0]:
            self.is_in_progress = False
        return (0x81, []) if self.is_in_progress else super().set_boot(data)


class NotInThisState(Bmc):
    """Nothing can be ordered for some seconds after the power came back."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xD5, []) if key in (CONTROL, SET_BOOT) and number < 4 else None


class RefusesOnAndDoes(Bmc):
    """Power on is answered with an error, and the host comes on a moment later."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        if key == CONTROL and data[0] == UP and not self.is_on:
            threading.Timer(seconds(1), self.start).start()
            return 0xCC, []
        return None


class GoesOff(Bmc):
    """The host goes off between the look and the reset."""

    is_on = True

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        if key == CONTROL and number == 1:
            self.is_on = False
            return 0xD5, []
        return None


class TakesResetWhileOff(GoesOff):
    """The same, and the reset is taken and does nothing."""

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return OK if super().special(key, data, number) else None


class CyclesOnly(Bmc):
    """It knows power cycle and no hard reset."""

    is_on = True

    def control(self, order: int) -> Answer:
        return (0xCC, []) if order == RESET else super().control(order)


class OnAndOffOnly(Bmc):
    """It cannot restart at all."""

    is_on = True

    def control(self, order: int) -> Answer:
        return (0xCC, []) if order in (RESET, CYCLE) else super().control(order)


class OnAndOffLate(OnAndOffOnly):
    """The same, and it shows each new state half a minute later."""

    shown = True

    def control(self, order: int) -> Answer:
        done = super().control(order)
        threading.Timer(seconds(30), setattr, (self, "shown", self.is_on)).start()
        return done

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0, [int(self.shown), 0, 0, 0]) if key == STATUS else None


class BusyReset(Bmc):
    """The reset comes while it is busy with something else."""

    is_on = True

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xC0, []) if key == CONTROL and number < 3 else None


class ResetsWithAnError(Bmc):
    """Hard reset and power cycle are done, and answered as if something had gone wrong."""

    is_on, starts_again = True, True

    def control(self, order: int) -> Answer:
        done = super().control(order)
        return (0xFF, []) if order in (RESET, CYCLE) else done


class LosesFlags(Bmc):
    """Its own reset takes the flags away, before the firmware looks for them."""

    is_on = True

    def control(self, order: int) -> Answer:
        if order != RESET:
            return super().control(order)
        self.is_on, self.flags = False, [0] * 5
        threading.Timer(seconds(4), self.start).start()
        return OK


class Late(Bmc):
    """It obeys and shows it half a minute later."""

    shown = False

    def control(self, order: int) -> Answer:
        threading.Timer(seconds(30), lambda: setattr(self, "shown", True)).start()
        return super().control(order)

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0, [int(self.shown), 0, 0, 0]) if key == STATUS else None


class SlowOrders(Bmc):
    """It obeys at once and answers after seconds: who asks again in the meantime resets it twice."""

    is_on = True

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        if key == CONTROL:
            threading.Timer(seconds(6), super().send, (line, key, answer)).start()
        else:
            super().send(line, key, answer)


class LosesAnswers(Bmc):
    """Its network goes away with the host's power for a while: no order is ever answered."""

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        if key != CONTROL:
            super().send(line, key, answer)


class LosesAnswersOfResets(LosesAnswers):
    """The same, and the host runs its old system."""

    is_on, starts_again = True, True


class AnswersTwice(Bmc):
    """Each answer comes twice."""

    is_on = True

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        super().send(line, key, answer)
        super().send(line, key, answer)


class WrongSequence(Bmc):
    """The first answer of each kind is that of another request."""

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        right = line.seqlun
        line.seqlun ^= int(key != CONTROL and self.asked[key] == 1)
        super().send(line, key, answer)
        line.seqlun = right


class ForgetsSession(Bmc):
    """The session is gone in the middle of the first act, and of the second."""

    heard = 0

    def send(self, line: serversession.ServerSession, key: tuple[int, int], answer: Answer) -> None:
        self.heard += 1
        if self.opened > 2 or self.heard < 3 or key == CONTROL:
            super().send(line, key, answer)


class SessionsFull(Bmc):
    """No session is left at first."""

    def opening(self, algorithm: int) -> int:
        status = super().opening(algorithm)
        return NO_RESOURCES if self.opened <= 3 else status


class OperatorOnly(Bmc):
    """Its user is an operator, which suffices."""

    privilege = 3


class UserOnly(Bmc):
    """Its user may only look."""

    privilege, reaches = 2, False


class NoPowerOrders(Bmc):
    """Its user may not switch the power."""

    reaches = False

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xD4, []) if key == CONTROL else None


class NoSuiteOfOurs(Bmc):
    """It has neither cipher suite 17 nor 3."""

    reaches = False

    def opening(self, algorithm: int) -> int:
        return NO_SUITE


class NoBootOptions(Bmc):
    """It knows no boot options."""

    reaches = False

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xC1, []) if key in (SET_BOOT, GET_BOOT) else None


def dialects(above: type[Bmc] = Bmc) -> Iterator[type[Bmc]]:
    """All of them."""
    for one in above.__subclasses__():
        yield one
        yield from dialects(one)


def reaching() -> list[type[Bmc]]:
    """Those over which a deployment ends well."""
    return [one for one in dialects() if one.reaches]


def _speak(bmc: Bmc) -> None:
    """Let pyghmi's server open sessions as the dialect does."""
    kind = serversession.ServerSession
    plain_open, plain_rakp1 = kind.create_open_session_response, kind._got_rakp1
    kind.clientpriv = 2  # what a session begins with (IPMI 2.0, 22.18)

    def opened(self: serversession.ServerSession, request: bytearray) -> bytearray:
        status = bmc.opening(request[12])
        if not status:
            return bytearray(plain_open(self, request))
        self.clientsessionid = request[4:8]
        return bytearray([request[0], status, 0, 0]) + request[4:8]

    def rakp1(self: serversession.ServerSession, data: bytearray) -> None:
        plain_rakp1(self, data)
        self.maxpriv = bmc.privilege

    kind.create_open_session_response, kind._got_rakp1 = opened, rakp1


def main(port: int, dialect: str, starts: Path, user: str, password: str) -> None:
    """Answer until the process is ended."""
    bmc = {one.__name__: one for one in dialects()}[dialect](starts)

    class Server(serversession.IpmiServer):  # type: ignore[misc]  # pyghmi has no types
        def handle_raw_request(
            self, request: dict[str, int | bytes], line: serversession.ServerSession
        ) -> None:
            key = (int(request["netfn"]), int(request["command"]))
            bmc.send(line, key, bmc.answer(key, list(bytes(request["data"]))))

    _speak(bmc)
    Server({user: password}, port=port, address="127.0.0.1")
    starts.touch()
    while True:
        session.Session.wait_for_rsp(timeout=30)
