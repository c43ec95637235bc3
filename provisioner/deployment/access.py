"""What is written down of who came in, who was refused, and what was changed about people."""

import logging
from typing import Literal

from provisioner.domain.audit import Entry, Kind
from provisioner.domain.person import Role
from provisioner.domain.values import FrozenModel
from provisioner.errors import ProvisionError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.system.text import clean

log = logging.getLogger(__name__)
LONGEST = 200  # characters of what a stranger sends
Action = Literal[
    "login", "logout", "request", "order", "token.create", "token.revoke", "user.put", "user.remove"
]
KINDS = {  # of lines of the audit; what is not here is a change of users, roles or tokens
    ("login", "done"): Kind.LOGIN,
    ("login", "refused"): Kind.LOGIN_REFUSED,
    ("login", "throttled"): Kind.LOGIN_THROTTLED,
    ("logout", "done"): Kind.LOGOUT,
    ("request", "refused"): Kind.ACCESS_REFUSED,
    ("order", "refused"): Kind.ORDER_REFUSED,
}


class AccessEntry(FrozenModel):
    """One line: what was tried, by whom, by which way in, from where, and what came of it.

    `name` is the proved name, empty for none: what somebody claims stands in `subject`, if at all. `address`
    is empty for the Unix socket.
    """

    action: Action
    outcome: Literal["done", "refused", "throttled"]
    name: str = ""
    role: Role | None = None
    door: str = ""
    address: str = ""
    host: str = ""  # which is meant
    subject: str = ""  # whose role, which token, which path, which order
    sentence: str = ""


def audited(site: Site, entry: AccessEntry) -> Entry:
    """As the audit has it."""
    kind = KINDS.get((entry.action, entry.outcome), Kind.PEOPLE)
    words = (entry.action if kind is Kind.PEOPLE else "", entry.subject)
    return Entry(
        kind=kind,
        time=site.clock(),
        by=entry.name,
        door=entry.door,
        address=entry.address,
        host=entry.host,
        what=" ".join(filter(None, words)),
        sentence=entry.sentence,
        result="done" if entry.outcome == "done" else "refused",
    )


def log_access(entry: AccessEntry) -> None:
    """Into the service's log alone."""
    who = f"{clean(entry.name, LONGEST) or 'nobody known'} ({entry.address or 'on this machine'})"
    words = [f"{entry.action} {entry.outcome}: {who}"]
    words += [clean(text, LONGEST) for text in (entry.subject, entry.sentence) if text]
    log.log(logging.INFO if entry.outcome == "done" else logging.WARNING, "%s", ": ".join(words))


def record_access(site: Site, entry: AccessEntry) -> None:
    """Into the log, and as a line of the audit in a transaction of its own. Never raises.

    What a stranger can repeat for ever belongs to `web/machines/refusals.py`, which gathers it before.
    """
    log_access(entry)
    try:
        with site.database.writing():
            audit.record(site.database, audited(site, entry))
    except ProvisionError as fault:  # evidence never changes an answer
        log.warning("the audit lacks a line: %s (PV-%d)", fault, fault.code)
