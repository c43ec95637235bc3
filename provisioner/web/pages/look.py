"""How each state looks: one word, one icon, one tone. The only place that says so.

A tone is a colour of `style.css` (`ok`, `busy`, `wait`, `warn`, `bad`, `off`); an icon is one of `icons.svg`.
Colour is never alone: the word, or for the letters of a grid their title, says the same.
"""

from typing import NamedTuple

from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.stage import RESTING, Stage


class Look(NamedTuple):
    """Word, icon, tone, and the letter that stands for it in a grid of many."""

    word: str
    icon: str
    tone: str
    letter: str


STAGES: dict[Stage, Look] = {
    Stage.QUEUED: Look("queued", "clock", "wait", "Q"),
    Stage.POWERING: Look("powering", "power", "busy", "P"),
    Stage.NETBOOTING: Look("netbooting", "network", "busy", "N"),
    Stage.WRITING: Look("writing", "disk", "busy", "W"),
    Stage.RESTARTING: Look("restarting", "restart", "busy", "B"),
    Stage.VERIFYING: Look("verifying", "search", "busy", "V"),
    Stage.SEALING: Look("sealing", "lock", "busy", "S"),
    Stage.READY: Look("ready", "check", "ok", "✓"),
    Stage.REJECTED: Look("rejected", "cross", "bad", "!"),
    Stage.FAILED: Look("failed", "cross", "bad", "×"),
    Stage.CANCELLED: Look("cancelled", "minus", "off", "–"),
}
NEW = Look("never deployed", "dot", "off", "·")
PAUSED = Look("paused", "pause", "warn", "❚")
STUCK = Look("stuck", "alert", "warn", "?")
HELD = Look("ended as ordered", "check", "ok", "✓")
STRANGER = Look("not known yet", "search", "warn", "?")
LOCKED = Look("locked", "lock", "warn", "L")
UNREADABLE = Look("unreadable", "alert", "bad", "?")

VERDICTS: dict[str, Look] = {
    "accepted": Look("accepted", "check", "ok", "✓"),
    "accepted_with_warnings": Look("accepted with warnings", "check", "warn", "✓"),
    "incomplete": Look("incomplete", "alert", "warn", "?"),
    "rejected": Look("rejected", "cross", "bad", "!"),
}
CHECKS: dict[str, Look] = {
    "ok": Look("ok", "check", "ok", "✓"),
    "warning": Look("warning", "alert", "warn", "!"),
    "unproved": Look("not proved", "alert", "warn", "?"),
    "deviation": Look("deviation", "cross", "bad", "×"),
}


def of_deployment(row: PublicDeployment | None) -> Look:
    """How a deployment stands; None is a host that never had one."""
    if row is None:
        return NEW
    if row.is_unreadable:
        return UNREADABLE
    if row.paused and row.stage not in RESTING:
        return PAUSED
    if row.stage == Stage.CANCELLED and row.ended_as_ordered:
        return HELD
    return STAGES[row.stage]


def of_check(result: str) -> Look:
    """How a check ended."""
    return CHECKS.get(result, Look(result, "dot", "off", "·"))


def of_verdict(verdict: str) -> Look:
    """What an acceptance report comes to."""
    return VERDICTS.get(verdict, Look(verdict, "dot", "off", "·"))
