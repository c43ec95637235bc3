"""What forms send: a refusal is written down, and the page is shown again with what is wrong."""

import re
from collections.abc import Callable
from typing import TypeVar

from flask import request

from provisioner.domain.person import Role
from provisioner.errors import Exit, ProvisionError
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.request import the_caller

_T = TypeVar("_T")
NOTHING_SHOWN = "0" * 64  # the digest of no plan: who was shown none orders none
AT_DOOR = frozenset({701})  # a role that may not: the page of faults says so


def attempt(act: Callable[[], _T]) -> tuple[_T | None, ProvisionError | None]:
    """What the act gives, or why it was refused. Raises ProvisionError for what no other input mends."""
    try:
        return act(), None
    except ProvisionError as fault:
        if fault.exit not in (Exit.REFUSED, Exit.USAGE) or fault.code in AT_DOOR:
            raise
        note_fault_of_people(fault)
        return None, fault


def may(role: Role) -> bool:
    """Whether the caller has this role: nobody is shown what he may not do."""
    return the_caller().role.covers(role)


def digest(name: str = "shown") -> str:
    """What a form says was shown: the digest of a plan; of none that there is where it says nothing."""
    told = request.form.get(name, "")
    return told if re.fullmatch(r"[0-9a-f]{64}", told) else NOTHING_SHOWN
