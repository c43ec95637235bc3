"""Advice as somebody takes it who stands at a rack with a phone, and has no command line."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from provisioner.diagnosis.service import OF_SERVICE
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.refusal import Refusal
from provisioner.errors import ProvisionError
from provisioner.web.pages.advice import sentence

COMMAND = re.compile(r"(?:then: |or: )?provision (.+)", re.IGNORECASE)
# of advice: several things to do, or one and the command that does it
PARTS = re.compile(r"; (?:or )?|, or |(?<!then)(?<!or): (?=provision )")
EXPLAINED = re.compile(r"(, (which|then)| shows| lists) .*$")  # behind a command
# what a command does → what one does here in its place
HERE: tuple[tuple[str, str], ...] = (
    (r"(retry|deploy) \S+$", "Then try again, with the button below"),
    (r"resume\b", "Then let it go on, with the button below"),
    (r"cancel\b", "Or stop it, below"),
    (r"bmc power \S+ state", "Look at its power light: is it on?"),
    (r"bmc power \S+ reset", "Or restart it by its power button"),
    (r"bmc console\b", "Connect a screen to it: what does it say?"),
    (r"watch\b", "Follow it until it has ended"),
    (r"host (list|show)\b", "Look at the list of hosts"),
    (r"(report|certificate)\b", "Its report names the part that is at fault"),
)
OPERATOR = "Ask an operator to run this"


class Advice(NamedTuple):
    """One thing to do; with a `command` it is an operator who does it."""

    text: str
    command: str = ""


class Fix(NamedTuple):
    """What is wrong, its PV code, what to do in its order, and how that is known."""

    sentence: str
    code: int
    advice: tuple[Advice, ...]
    evidence: tuple[Sight, ...] = ()


def of_cause(cause: Cause) -> Fix:
    """A cause that hinders a deployment; what lies with the service itself is no technician's to mend."""
    if cause.code in OF_SERVICE:
        told = (Advice(f"Tell an operator: PV-{cause.code}"),)
        return Fix("The service itself has a fault", cause.code, told, cause.evidence)
    return Fix(sentence(cause.sentence), cause.code, _advice(cause.actions), cause.evidence)


def of_failure(row: PublicDeployment) -> Fix:
    """What a deployment that has ended says of itself."""
    hints = [row.advise(row.hint)] if row.hint else []
    return Fix(sentence(row.reason or "nobody has said why"), row.code, _advice(hints))


def of_refusal(refusal: Refusal) -> Fix:
    """Why an order is not taken."""
    return Fix(sentence(refusal.sentence), refusal.code, _advice([refusal.hint] if refusal.hint else []))


def of_fault(fault: ProvisionError, about: str = "") -> list[Fix]:
    """Why something was not done, and what else was found; `about` is the name that it begins with."""
    return [
        Fix(sentence(str(one).removeprefix(f"{about}: ")), one.code, _advice([one.hint] if one.hint else []))
        for one in (fault, *fault.also)
    ]


def _advice(actions: Iterable[str]) -> tuple[Advice, ...]:
    parts = (part for action in actions for part in PARTS.split(action))
    return tuple(dict.fromkeys(_plain(part) for part in parts if part))


def _plain(action: str) -> Advice:
    found = COMMAND.fullmatch(action)
    if not found:
        return Advice(sentence(action))
    for pattern, words in HERE:
        if re.match(pattern, found[1]):
            return Advice(words)
    return Advice(OPERATOR, f"provision {EXPLAINED.sub('', found[1])}")
