"""How each state looks: one word, one icon, one tone. The only place that says so.

A tone is a colour of `style.css` (`ok`, `busy`, `wait`, `warn`, `bad`, `off`); an icon is one of `icons.svg`.
Colour is never alone: the word, or for the letters of a grid their title, says the same.
"""

from typing import NamedTuple

from provisioner.discovery.network_feed import FeedEntry
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.plan import CatalogueImage
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
    Stage.REJECTED: Look("rejected", "ban", "bad", "!"),
    Stage.FAILED: Look("failed", "cross", "bad", "×"),
    Stage.CANCELLED: Look("cancelled", "minus", "off", "–"),
}
NEW = Look("never deployed", "dot", "off", "·")
PAUSED = Look("paused", "pause", "warn", "=")
STUCK = Look("stuck", "alert", "warn", "?")
HELD = Look("ended as ordered", "check", "ok", "✓")
STRANGER = Look("not known yet", "search", "warn", "?")
LOCKED = Look("locked", "lock", "warn", "L")
UNREADABLE = Look("unreadable", "alert", "bad", "?")
MOVING = Look("moving", "arrow", "busy", ">")
NEEDS_ATTENTION = Look("needs attention", "alert", "bad", "!")  # runs
IN_PROGRESS = Look("in progress", "arrow", "busy", ">")
NOT_ALL = Look("not all deployed", "minus", "off", "–")
ALL_WELL = Look("all well", "check", "ok", "✓")

VERDICTS: dict[str, Look] = {
    "accepted": Look("accepted", "check", "ok", "✓"),
    "accepted_with_warnings": Look("accepted with warnings", "check", "warn", "✓"),
    "incomplete": Look("incomplete", "alert", "warn", "?"),
    "rejected": Look("rejected", "ban", "bad", "!"),
}
CHECKS: dict[str, Look] = {
    "ok": Look("ok", "check", "ok", "✓"),
    "warning": Look("warning", "alert", "warn", "!"),
    "unproved": Look("not proved", "alert", "warn", "?"),
    "deviation": Look("deviation", "cross", "bad", "×"),
}
PROTOCOLS: dict[str, Look] = {
    "dhcp": Look("DHCP", "network", "busy", "D"),
    "tftp": Look("TFTP", "arrow", "busy", "T"),
    "http": Look("HTTP", "disk", "busy", "H"),
    "refused": Look("refused", "cross", "warn", "R"),
}

OF_REPORTS: dict[str, Look] = {  # checks of an acceptance report
    "pass": Look("passed", "check", "ok", "✓"),
    "warn": Look("warning", "alert", "warn", "!"),
    "fail": Look("failed", "cross", "bad", "×"),
    "error": Look("could not be made", "alert", "bad", "?"),
    "skipped": Look("left out", "minus", "warn", "–"),
    "not_applicable": Look("does not apply", "dot", "off", "·"),
}
OF_SERVICE: dict[str, Look] = {  # lines of a check of the service
    "ok": Look("ok", "check", "ok", "✓"),
    "warning": Look("warning", "alert", "warn", "!"),
    "fault": Look("fault", "cross", "bad", "×"),
    "unknown": Look("not known", "dot", "off", "?"),
}
OF_AUDIT: dict[str, Look] = {  # how what a line of the audit tells of has ended
    "done": Look("done", "check", "off", "✓"),
    "refused": Look("refused", "lock", "warn", "!"),
    "failed": Look("failed", "cross", "bad", "×"),
}
OF_REHEARSALS: dict[bool, Look] = {
    True: Look("as it must be", "check", "ok", "✓"),
    False: Look("not as it must be", "cross", "bad", "×"),
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


def of_host(row: PublicDeployment | None, *, is_verified: bool = False) -> Look:
    """How a host is, by the order that counts; `is_verified` where it is verified otherwise just now."""
    by_ramdisk = row is not None and row.is_verification and row.stage not in RESTING
    seen = of_deployment(row)
    if is_verified or (by_ramdisk and seen not in (PAUSED, UNREADABLE)):
        return STAGES[Stage.VERIFYING]
    return seen


def of_check(result: str) -> Look:
    """How a check ended."""
    return CHECKS.get(result, Look(result, "dot", "off", "·"))


def of_verdict(verdict: str) -> Look:
    """What an acceptance report comes to."""
    return VERDICTS.get(verdict, Look(verdict, "dot", "off", "·"))


def of_feed(entry: FeedEntry) -> Look:
    """By which protocol something came; what did not go as it should says so."""
    seen = PROTOCOLS[entry.protocol]
    return seen._replace(icon="alert", tone="warn") if entry.is_bad and entry.protocol != "refused" else seen


def of_signature(image: CatalogueImage) -> Look:
    """Who has signed an image, and whether that is worth anything here."""
    if not image.signed_by:
        return Look("not signed: an installer's ISO", "minus", "off", "–")
    if image.trusted:
        return Look(f"signed by {image.signed_by}", "check", "ok", "✓")
    return Look(f"signed by {image.signed_by}, no longer trusted", "alert", "bad", "!")
