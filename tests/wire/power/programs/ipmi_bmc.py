"""An IPMI 2.0 BMC on loopback: port, dialect, the file of its machine's starts, user, password.

pyghmi's server side has the sessions; which completion code a request gets is decided here.
"""

import sys
import threading
from collections import Counter
from pathlib import Path

from pyghmi.ipmi.private import serversession, session

CHASSIS, APP = 0, 6
STATUS, CONTROL, SET_BOOT, GET_BOOT, DEVICE_ID = (0, 1), (0, 2), (0, 8), (0, 9), (6, 1)
DOWN, UP, CYCLE, RESET = 0, 1, 2, 3
EFI = 0x20
Answer = tuple[int, list[int]]
OK: Answer = (0, [])


class Bmc:
    """A plain BMC; a dialect is a subclass that answers otherwise, or gives None for the usual answer."""

    is_on = False

    def __init__(self, starts: Path) -> None:
        self.flags, self.starts = [0] * 5, starts
        self.asked: Counter[tuple[int, int]] = Counter()

    def answer(self, key: tuple[int, int], data: list[int]) -> Answer:
        """Completion code and data."""
        self.asked[key] += 1
        return self.special(key, data, self.asked[key]) or self.usual(key, data)

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        """The dialect's own answer to the `number`-th request of this kind."""
        return None

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


class RefusesAndDoes(Bmc):
    """The answer is an error, the flags are set."""

    def set_boot(self, data: list[int]) -> Answer:
        super().set_boot(data)
        return 0xCC, []


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


class BusyReset(Bmc):
    """The reset comes while it is busy with something else."""

    is_on = True

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0xC0, []) if key == CONTROL and number < 3 else None


class Late(Bmc):
    """It obeys and shows it half a minute later."""

    shown = False

    def control(self, order: int) -> Answer:
        threading.Timer(30, lambda: setattr(self, "shown", True)).start()
        return super().control(order)

    def special(self, key: tuple[int, int], data: list[int], number: int) -> Answer | None:
        return (0, [int(self.shown), 0, 0, 0]) if key == STATUS else None


class SessionsFull(Bmc):
    """No session is left at first; see `refusing`."""


def names() -> list[str]:
    """The dialects."""
    direct = Bmc.__subclasses__()
    return [one.__name__ for above in direct for one in (above, *above.__subclasses__())]


def refusing(times: int) -> None:
    """Make the server answer Open Session with status 0x01, insufficient resources, so many times."""
    plain = serversession.ServerSession.create_open_session_response
    left = iter(range(times))

    def answer(self: serversession.ServerSession, request: bytearray) -> bytearray:
        if next(left, None) is None:
            return bytearray(plain(self, request))
        self.clientsessionid = request[4:8]
        return bytearray([request[0], 0x01, 0, 0]) + request[4:8]

    serversession.ServerSession.create_open_session_response = answer


def only_suite_3() -> None:
    """pyghmi's server can only do SHA-1: refuse others as the standard says (no cipher suite matches)."""
    plain = serversession.ServerSession.create_open_session_response

    def answer(self: serversession.ServerSession, request: bytearray) -> bytearray:
        if request[12] == 1:
            return bytearray(plain(self, request))
        self.clientsessionid = request[4:8]
        return bytearray([request[0], 0x11, 0, 0]) + request[4:8]

    serversession.ServerSession.create_open_session_response = answer


def main(port: int, dialect: str, starts: Path, user: str, password: str) -> None:
    """Answer until the process is ended."""
    kinds = {one.__name__: one for above in Bmc.__subclasses__() for one in (above, *above.__subclasses__())}
    bmc = kinds[dialect](starts)

    class Server(serversession.IpmiServer):  # type: ignore[misc]  # pyghmi has no types
        def handle_raw_request(
            self, request: dict[str, int | bytes], line: serversession.ServerSession
        ) -> None:
            key = (int(request["netfn"]), int(request["command"]))
            code, data = bmc.answer(key, list(bytes(request["data"])))
            line.send_ipmi_response(data=data, code=code)

    only_suite_3()
    if dialect == "SessionsFull":
        refusing(3)
    Server({user: password}, port=port, address="127.0.0.1")
    starts.touch()
    while True:
        session.Session.wait_for_rsp(timeout=30)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4], sys.argv[5])
