"""Moments as people type them: `90m` and `2d` ago, a day, or RFC 3339 with or without its zone."""

import re
import time
from datetime import datetime

import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
HINT = "90m, 2h, 3d, 2026-11-29, 2026-11-29T08:00 or 2026-11-29T08:00:00Z"


class Moment(click.ParamType[float]):
    """Seconds since 1970. Without a zone it is the reader's own."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails with a usage error for what is no moment."""
        if isinstance(value, float):
            return value
        text = value.strip()
        if ago := re.fullmatch(r"(\d{1,9})\s*([smhdw])", text):
            return time.time() - int(ago[1]) * UNITS[ago[2]]
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time; write {HINT}", param, ctx)


def utc(seconds: float) -> str:
    """A moment in seconds since 1970 as a date and a time of day in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
