"""A small QMP client: commands, events, and the news that the machine has ended and why."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner.errors import ServiceError

ANSWER_LIMIT = 20.0  # seconds; QEMU under TCG on a loaded machine answers late, not never


class Qmp:
    """One connection; `execute` may be called from any thread. `reason` tells why the guest ended."""

    def __init__(self, line: socket.socket, *, on_close: Callable[["Qmp"], None] | None = None) -> None:
        """`line` is connected; `on_close` is called in the reader's thread when the other end has gone."""
        self.events: list[dict[str, Any]] = []
        self.reason = ""  # of the SHUTDOWN event: guest-reset, guest-shutdown, host-signal, …
        self._line = line
        self._on_close = on_close
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._greeted = self._closed = False
        threading.Thread(target=self._read, name="qmp", daemon=True).start()

    def negotiate(self, timeout: float = ANSWER_LIMIT) -> None:
        """Wait for the greeting and enter command mode. Raises ServiceError."""
        with self._changed:
            self._await(lambda: self._greeted, timeout, "greet")
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command and return its `return` value. Raises ServiceError: refused, late or gone."""
        with self._changed:
            self._number += 1
            number = self._number
            order = {"execute": command, "arguments": arguments, "id": number}
            try:
                self._line.sendall(json.dumps(order).encode() + b"\n")
            except OSError as gone:
                raise ServiceError(f"the machine does not take {command}: it has ended") from gone
            self._await(lambda: number in self._answers, ANSWER_LIMIT, f"answer {command}")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise ServiceError(f"the machine refuses {command}: {answer['error'].get('desc', '?')}")
        return answer["return"]

    def wait_event(self, name: str, timeout: float) -> dict[str, Any]:
        """The first event of that name, past ones included. Raises ServiceError when none comes."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events if event["event"] == name), None)

        with self._changed:
            self._await(lambda: found() is not None, timeout, f"say {name}")
            return found() or {}

    def block_writes(self, device: str) -> int:
        """Write operations that the guest has done on a drive since the machine started."""
        for block in self.execute("query-blockstats"):
            if block.get("device") == device:
                return int(block["stats"]["wr_operations"])
        raise ServiceError(f"the machine has no drive {device!r}")

    def screendump(self, path: Path) -> None:
        """Write the screen as PNG."""
        self.execute("screendump", filename=str(path.resolve()), format="png")

    def quit(self) -> None:
        """End the machine as if its power were switched off."""
        try:
            self.execute("quit")
        except ServiceError:
            if not self._closed:  # it may end before it answers
                raise

    def close(self) -> None:
        """Hang up; the reader's thread ends."""
        with contextlib.suppress(OSError):  # the other end may have hung up already
            self._line.shutdown(socket.SHUT_RDWR)

    def _await(self, test: Callable[[], bool], timeout: float, what: str) -> None:
        self._changed.wait_for(lambda: test() or self._closed, timeout)
        if not test():
            ended = "it has ended" if self._closed else f"nothing within {timeout:g} s"
            raise ServiceError(f"the machine did not {what}: {ended}")

    def _read(self) -> None:
        try:
            # a line may be cut off by the end of the process
            with contextlib.suppress(OSError, ValueError), self._line.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        finally:
            with self._changed:
                self._closed = True
                self._line.close()
                self._changed.notify_all()
            if self._on_close:
                self._on_close(self)

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "QMP" in message:
                self._greeted = True
            elif "event" in message:
                self.events.append(message)
                if message["event"] == "SHUTDOWN":
                    self.reason = str(message["data"].get("reason", ""))
            else:
                self._answers[message.get("id", 0)] = message
            self._changed.notify_all()
