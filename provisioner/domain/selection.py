"""Which hosts are meant by `--select`: terms over name, rack, profile, image and state."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.errors import InputError

NEVER = "never"  # the state of a host that was never deployed
HINT = "terms as rack=B3,profile=vault-*,state!=ready; several values as state=failed|rejected"


@dataclass(frozen=True)
class Candidate:
    """A host and its last deployment."""

    host: Host
    last: Deployment | None


KEYS: dict[str, Callable[[Candidate], str]] = {
    "name": lambda c: c.host.name,
    "rack": lambda c: c.host.rack,
    "profile": lambda c: c.host.profile,
    "image": lambda c: c.last.image if c.last else "",
    "state": lambda c: c.last.stage.value if c.last else NEVER,
}
MAY_BE_EMPTY = ("rack", "image")  # rack= means the hosts without a rack, image= those never deployed


@dataclass(frozen=True)
class Term:
    """One condition: the value of `key` fits one of the shell patterns, or, if `negated`, none of them."""

    key: str
    patterns: tuple[str, ...]
    negated: bool = False

    def fits(self, candidate: Candidate) -> bool:
        """Whether the host and its last deployment satisfy the term."""
        value = KEYS[self.key](candidate)
        return any(fnmatchcase(value, pattern) for pattern in self.patterns) != self.negated


def parse(text: str) -> tuple[Term, ...]:
    """The terms of an expression, all of which must hold. Raises InputError (PV-103)."""
    terms = []
    for part in text.split(","):
        condition = re.fullmatch(r"\s*(\w+)\s*(!?=)\s*(.*?)\s*", part)
        if not condition:
            raise InputError(f"--select: {part.strip() or text!r} is no term", hint=HINT, code=103)
        key, operator, values = condition.groups()
        if key not in KEYS:
            raise InputError(f"--select: {key!r} is none of {', '.join(KEYS)}", hint=HINT, code=103)
        patterns = tuple(value.strip() for value in values.split("|"))
        if not values and key not in MAY_BE_EMPTY:
            raise InputError(f"--select: {part.strip()!r} says no {key}", hint=HINT, code=103)
        _check_states(key, patterns)
        terms.append(Term(key, patterns, operator == "!="))
    return tuple(terms)


def _check_states(key: str, patterns: tuple[str, ...]) -> None:
    """Raises InputError where a state is meant that there is not."""
    states = (*(stage.value for stage in Stage), NEVER)
    for pattern in patterns if key == "state" else ():
        if not any(fnmatchcase(state, pattern) for state in states):
            raise InputError(
                f"--select: no state is called {pattern!r}", hint=f"one of {', '.join(states)}", code=103
            )


def choose(terms: tuple[Term, ...], candidates: list[Candidate]) -> list[Candidate]:
    """Those that fulfil every term, in their order."""
    return [candidate for candidate in candidates if all(term.fits(candidate) for term in terms)]
