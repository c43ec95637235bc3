"""A running machine's monitor, by QEMU's own library for QMP (qemu.qmp), for the lab's threads."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TypedDict, cast

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, Runstate, StateError
from qemu.qmp.events import EventListener

from provisioner.errors import ServiceError

ANSWER_LIMIT = 20.0  # seconds; QEMU under TCG on a loaded machine answers late, not never
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # whatever it logs as an error, it raises too


class DriveCounters(TypedDict):
    """BlockDeviceStats of QEMU's QAPI schema, as far as it is read."""

    wr_operations: int


class BlockStats(TypedDict):
    """BlockStats of QEMU's QAPI schema, as far as it is read."""

    device: str
    stats: DriveCounters


class ShutdownData(TypedDict):
    """What QEMU's event SHUTDOWN carries; `reason` is a ShutdownCause."""

    guest: bool
    reason: str


class Monitor:
    """One connection, with an event loop in a thread of its own; any thread may call `execute`.

    `reason` is the ShutdownCause of the event SHUTDOWN: guest-reset, guest-shutdown, host-signal, …
    """

    def __init__(self, line: socket.socket, *, on_close: Callable[["Monitor"], None] | None = None) -> None:
        """`line` is connected; `on_close` is called in the monitor's thread when the other end has gone."""
        self.reason = ""
        self._line = line
        self._on_close = on_close
        self._client = QMPClient("lab")
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs
        self._changed = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._run, name="qmp", daemon=True).start()

    def negotiate(self, timeout: float = ANSWER_LIMIT) -> None:
        """Wait until the machine has greeted and taken the capabilities. Raises ServiceError."""
        with self._changed:
            self._changed.wait_for(lambda: self._loop or self._is_closed, timeout)
            if self._loop is None:
                ended = "it has ended" if self._is_closed else f"nothing within {timeout:g} s"
                raise ServiceError(f"the machine did not greet: {ended}")

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Run one command and return its `return` value. Raises ServiceError: refused, late or gone."""
        with self._changed:  # the loop is closed under the same lock
            if self._loop is None:
                raise ServiceError(f"the machine does not take {command}: it has ended")
            answer = asyncio.run_coroutine_threadsafe(self._client.execute(command, arguments), self._loop)
        try:
            return answer.result(ANSWER_LIMIT)
        except ExecuteError as refused:
            raise ServiceError(f"the machine refuses {command}: {refused}") from refused
        except TimeoutError as late:
            answer.cancel()
            raise ServiceError(
                f"the machine did not answer {command}: nothing within {ANSWER_LIMIT:g} s"
            ) from late
        except (ExecInterruptedError, StateError, CancelledError) as gone:
            raise ServiceError(f"the machine did not answer {command}: it has ended") from gone

    def block_writes(self, device: str) -> int:
        """Write operations that the guest has done on a drive since the machine started."""
        for block in cast("list[BlockStats]", self.execute("query-blockstats")):
            if block["device"] == device:
                return block["stats"]["wr_operations"]
        raise ServiceError(f"the machine has no drive {device!r}")

    def screendump(self, path: Path) -> None:
        """Write the screen as PNG."""
        self.execute("screendump", {"filename": str(path.resolve()), "format": "png"})

    def close(self) -> None:
        """Hang up; the monitor's thread ends."""
        with contextlib.suppress(OSError):  # the other end may have hung up already
            self._line.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:  # its end cancels commands that came too late to be sent
                runner.run(self._session())
        finally:
            self._line.close()
            if self._on_close:
                self._on_close(self)

    async def _session(self) -> None:
        """From the greeting to the end of the connection."""
        with self._client.listener("SHUTDOWN") as events:
            try:
                await self._client.connect(self._line)
                self._note(asyncio.get_running_loop())
                while self._client.runstate == Runstate.RUNNING:
                    await self._client.runstate_changed()
                with contextlib.suppress(Exception):  # its end is what we wait for, however it came
                    await self._client.disconnect()
            except ConnectError:
                pass  # it ended before it greeted
            finally:
                self.reason = _reason(events)
                self._note(None)

    def _note(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let commands be sent by that loop, or by none any more."""
        with self._changed:
            self._loop = loop
            self._is_closed = loop is None
            self._changed.notify_all()


def _reason(events: EventListener) -> str:
    causes = [cast("ShutdownData", event["data"])["reason"] for event in events.history]
    return causes[0] if causes else ""
