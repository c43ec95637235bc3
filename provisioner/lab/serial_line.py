"""The wire between a machine's serial port and its BMC: it outlives the machine, as real ones do."""

import select
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

MOST = 1 << 20  # bytes on their way to the BMC before the machine has to wait
BLOCK = 1 << 16


class SerialLine:
    """Carries bytes both ways between the machine that runs now and the BMC's simulator, in one thread.

    What a machine has said before its end still reaches the BMC. Without a BMC it goes nowhere.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]  # where the simulator connects
        self._wake, self._woken = socket.socketpair()
        self._machines: list[socket.socket] = []  # the oldest first; only that one is read
        self._bmc: socket.socket | None = None
        self._pending = bytearray()
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._carry, name="serial line", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wake.send(b"!")
        self._thread.join()
        for line in (self._listener, self._wake, self._woken, self._bmc, *self._machines):
            if line:
                line.close()

    def plug(self) -> socket.socket:
        """The end for the next machine; whoever starts it closes it then."""
        ours, its = socket.socketpair()
        ours.setblocking(False)
        with self._lock:
            self._machines.append(ours)
        self._wake.send(b"!")
        return its

    def type(self, words: bytes) -> None:
        """What somebody types at the console of the machine that runs now."""
        with self._lock:
            self._machines[-1].sendall(words)

    def _carry(self) -> None:
        while not self._ended:
            with self._lock:
                machine = self._machines[0] if self._machines else None
            reads = [self._listener, self._woken, *([self._bmc] if self._bmc else [])]
            if machine and len(self._pending) < MOST:
                reads.append(machine)
            writes = [self._bmc] if self._bmc and self._pending else []
            ready, writable, _ = select.select(reads, writes, [])
            if self._listener in ready:  # first: what comes at the same time shall reach it
                self._accept()
                continue
            if self._woken in ready:
                self._woken.recv(64)
            if self._bmc in ready:
                self._from_bmc(machine)
            if machine in ready and machine:
                self._from_machine(machine)
            if writable:
                self._to_bmc()

    def _accept(self) -> None:
        self._hang_up()
        self._bmc, _ = self._listener.accept()
        self._bmc.setblocking(False)

    def _hang_up(self) -> None:
        if self._bmc:
            self._bmc.close()
        self._bmc = None
        self._pending.clear()

    def _from_bmc(self, machine: socket.socket | None) -> None:
        """What is typed; a machine that does not take it loses it, as a serial port does."""
        try:
            words = self._bmc.recv(BLOCK) if self._bmc else b""
        except OSError:
            words = b""
        if not words:
            self._hang_up()
        elif machine:
            with suppress(OSError):
                machine.send(words)

    def _from_machine(self, machine: socket.socket) -> None:
        try:
            said = machine.recv(BLOCK)
        except OSError:
            said = b""
        if said and self._bmc:
            self._pending += said
        if not said:
            with self._lock:
                self._machines.remove(machine)
            machine.close()

    def _to_bmc(self) -> None:
        try:
            sent = self._bmc.send(self._pending) if self._bmc else 0
        except OSError:
            return self._hang_up()
        del self._pending[:sent]
        return None
