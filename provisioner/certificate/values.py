"""How a certificate shows numbers, times and whatever a check has observed."""

import json
from datetime import UTC, datetime

from pydantic import JsonValue

from provisioner.domain.acceptance import AcceptanceReport, Status
from provisioner.system.units import counted, size

SIGNS = {"==": "", "!=": "not ", ">=": "≥ ", "<=": "≤ ", "in": "one of ", "": ""}
WHOLE = 1e6  # from which on a number is shown without a fraction


def moment(seconds: float) -> str:
    """A moment with its zone, which is UTC wherever it is read: `2026-11-29 10:33:35 UTC`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s since 1970, which no clock shows"


def number(value: float) -> str:
    """A number with six digits; the data have all of them. A whole number is shown whole."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.6g}" if abs(value) < WHOLE else f"{value:.0f}"


def text_of(value: JsonValue, unit: str = "") -> str:
    """A value in words: `yes`, `16 lanes`, `79.6 GB`; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return size(value) if unit == "bytes" else f"{number(value)} {unit}".rstrip()
    if isinstance(value, list):
        return ", ".join(text_of(item, unit) for item in value) or "none"
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return f"{value} {unit}".rstrip()


def expectation(operator: str, value: JsonValue, unit: str) -> str:
    """What is expected, in words: `≥ 50 GB/s`."""
    words = text_of(value, unit)
    return f"{SIGNS[operator]}{words}" if words else ""


def sentence_of(report: AcceptanceReport) -> str:
    """What the verdict means, for who reads no table."""
    counts, made = report.verdict.counts, len(report.checks)
    if report.verdict.status == "accepted":
        return f"Every check that applies to this unit passed ({counts[Status.PASS]} of {made})."
    if report.verdict.status == "accepted_with_warnings":
        return "Every required check passed; what was noted is listed below."
    if report.verdict.status == "rejected":
        failed = counts[Status.FAIL]
        return f"{counted(failed, 'check')} of {made} failed. This unit must not be delivered as it is."
    if not made or not report.verdict.blocking:
        return "No check was made, so nothing is proven."
    unproved = counted(len(report.verdict.blocking), "required check")
    return f"{unproved} could not be made, so nothing is proven. This unit is not accepted."
