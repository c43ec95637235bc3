"""The log as JSON: one object on each line, of every process, whatever made the line.

Its words are escaped as in the other form, so that what a program takes out of it commands no terminal.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from provisioner.system.text import escape

_about: ContextVar[tuple[str, str]] = ContextVar("about", default=("", ""))
_process = ""  # whose lines these are; empty where they are text


@contextlib.contextmanager
def about(host: str, deployment: str = "") -> Iterator[None]:
    """Lines of this thread are about a host and its deployment, as long as the block lasts."""
    token = _about.set((host, deployment))
    try:
        yield
    finally:
        _about.reset(token)


class JsonLines(logging.Formatter):
    """A record as one line: time (RFC 3339, UTC), level, process, logger, message; what it is about."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record's line; a traceback is a list, whose lines no exception can forge."""
        more: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1]:
            trace = self.formatException(record.exc_info).split("\n")
            more["trace"] = [escape(line) for line in trace]
        return _line(record.created, record.levelname, self._process, record.getMessage(), more)


def speak_json(process: str) -> None:
    """From now on all that this process says is JSON: sentences, warnings and what nobody has caught."""
    global _process  # noqa: PLW0603  a process has one standard error
    _process = process
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def is_json() -> bool:
    """Whether this process speaks so."""
    return bool(_process)


def say(sentence: str) -> None:
    """One sentence for whoever started us, with what to do on a line of its own."""
    if _process:
        message, _, hint = sentence.partition("\n")
        more = {"hint": escape(hint.strip().removeprefix("→ "))} if hint else {}
        sentence = _line(time.time(), "INFO", _process, message, more)
    print(sentence, file=sys.stderr, flush=True)


def _line(when: float, level: str, process: str, message: str, more: Mapping[str, object]) -> str:
    moment = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host, deployment = _about.get()
    known = {"host": escape(host), "deployment": escape(deployment)}
    said = {name: value for name, value in known.items() if value}
    line = {"time": moment, "level": level.lower(), "process": process, "message": escape(message)}
    return json.dumps({**line, **said, **more})


def _uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("uncaught").critical("a fault of the program itself", exc_info=(kind, fault, trace))


def _uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value and caught.exc_type is not SystemExit:
        _uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
