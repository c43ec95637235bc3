"""What is written down of who came in, who was refused, and what was changed about people."""

import logging
from typing import Literal

from provisioner.domain.person import Role
from provisioner.domain.values import FrozenModel
from provisioner.site.site import Site
from provisioner.system.text import clean

log = logging.getLogger(__name__)
LONGEST = 200  # characters of what a stranger sends


class AccessEntry(FrozenModel):
    """One line: what was tried, by whom as far as that is proved, from where, and what came of it.

    `name` is the proved name, or of a login the one that was claimed. `address` is empty for the Unix socket.
    """

    action: Literal["login", "logout", "request", "token.create", "token.revoke", "user.put", "user.remove"]
    outcome: Literal["done", "refused", "throttled"]
    name: str = ""
    role: Role | None = None
    address: str = ""
    subject: str = ""  # whose role, which token, which path
    sentence: str = ""


def record_access(site: Site, entry: AccessEntry) -> None:
    """Write one down; the only call by which people's doors tell of it. Never raises."""
    who = f"{clean(entry.name, LONGEST) or 'nobody known'} ({entry.address or 'on this machine'})"
    words = [f"{entry.action} {entry.outcome}: {who}"]
    words += [clean(text, LONGEST) for text in (entry.subject, entry.sentence) if text]
    log.log(logging.INFO if entry.outcome == "done" else logging.WARNING, "%s", ": ".join(words))
