"""The wire between a machine's serial port and its BMC: it outlives the machine, as real ones do."""

import fcntl
import os
import select
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

NAME = "serial"  # of the two pipes, with .in and .out for the machine's own view
MOST = 1 << 20  # bytes on their way to the BMC before the machine has to wait
BLOCK = 1 << 16


class SerialLine:
    """Carries bytes both ways between a machine's pipes and the BMC's simulator, in one thread.

    Pipes, not a socket: a socket that gets a byte at a time is full after 278 of them, and QEMU writes each
    byte that has to wait for it twice into its own log. What a machine has said before its end still
    reaches the BMC. Without a BMC it goes nowhere.
    """

    def __init__(self, folder: Path) -> None:
        """The pipes lie in `folder`, which must exist when the block begins."""
        self._folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]  # where the simulator connects
        self._wake, self._woken = socket.socketpair()
        self._bmc: socket.socket | None = None
        self._pending = bytearray()
        self._thread = threading.Thread(target=self._carry, name="serial line", daemon=True)

    def __enter__(self) -> Self:
        self._output, self._input = self._pipe("out"), self._pipe("in")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.close()
        self._thread.join()
        for line in (self._listener, self._woken, *([self._bmc] if self._bmc else [])):
            line.close()
        os.close(self._output)
        os.close(self._input)

    def _pipe(self, way: str) -> int:
        """Open for both directions, so that no end of a machine is an end of the line."""
        path = self._folder / f"{NAME}.{way}"
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, MOST)
        return descriptor

    def type(self, words: bytes) -> None:
        """What somebody types at the machine's console; lost where the machine never reads it."""
        with suppress(BlockingIOError):
            os.write(self._input, words)

    def _carry(self) -> None:
        while True:
            reads: list[socket.socket | int] = [self._listener, self._woken]
            reads += [self._bmc] if self._bmc else []
            reads += [self._output] if len(self._pending) < MOST else []
            writes = [self._bmc] if self._bmc and self._pending else []
            ready, writable, _ = select.select(reads, writes, [])
            if self._woken in ready:
                return
            if self._listener in ready:  # first: what comes at the same time shall reach it
                self._accept()
                continue
            if self._bmc in ready:
                self._from_bmc()
            if self._output in ready:
                self._from_machine()
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

    def _from_bmc(self) -> None:
        try:
            words = self._bmc.recv(BLOCK) if self._bmc else b""
        except OSError:
            words = b""
        if words:
            self.type(words)
        else:
            self._hang_up()

    def _from_machine(self) -> None:
        output = os.read(self._output, BLOCK)
        if self._bmc:
            self._pending += output

    def _to_bmc(self) -> None:
        try:
            sent = self._bmc.send(self._pending) if self._bmc else 0
        except OSError:
            return self._hang_up()
        del self._pending[:sent]
        return None
