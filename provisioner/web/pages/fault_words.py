"""A fault as a page tells it: in sentences, and with what can be done there, where no command is given."""

import re
from typing import NamedTuple

from provisioner.errors import ProvisionError
from provisioner.web.pages.advice import sentence

NOT_AS_SHOWN = 146
IN_SCRIPTS = re.compile(r",? or give --\S+ in a script")
ONCE_MORE = re.compile(r"look again: |give the command again")  # how a hint begins that means a command
LOOK = "Look at how it is now, then decide once more"


class ToldFault(NamedTuple):
    """What is wrong and what to do, each with its full stop, and the PV code."""

    what: str
    advice: str
    code: int


def told(fault: ProvisionError) -> list[ToldFault]:
    """It, and what was found at the same time."""
    return [ToldFault(stop(str(one)), stop(_advice(one)), one.code) for one in (fault, *fault.also)]


def stop(text: str) -> str:
    """As a sentence that another may follow."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def _advice(fault: ProvisionError) -> str:
    if fault.code == NOT_AS_SHOWN or ONCE_MORE.match(fault.hint):
        return LOOK
    return sentence(IN_SCRIPTS.sub("", fault.hint))
