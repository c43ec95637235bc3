"""Writes a record of the log as one line, whatever a machine's words in it hold."""

import logging
from types import TracebackType

from provisioner.system.text import escape

Fault = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogLines(logging.Formatter):
    """As its base; a message is one line, and a traceback's lines are indented: neither can be forged."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line."""
        return escape(super().formatMessage(record))

    def formatException(self, ei: Fault) -> str:
        """The traceback; what an exception says may hold line feeds of its own."""
        return "\n".join(f"  {escape(line)}" for line in super().formatException(ei).split("\n"))
