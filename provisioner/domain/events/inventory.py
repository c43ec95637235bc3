"""Events of what is known: people added a host, changed it, took it away, or gave it another name."""

import json
from typing import Literal

from provisioner.domain.events.payload import Payload
from provisioner.domain.host import Host
from provisioner.domain.inventory_diff import FieldChange


class HostChanged(Payload):
    """An inventory says a host anew, or for the first time; `fields` are what differs. Of no deployment."""

    kind = "host.changed"
    meaning = "an operator added the host, or changed it"

    by: str
    change: Literal["added", "changed"]
    fields: tuple[FieldChange, ...] = ()

    def describe(self) -> str:
        """Who said what of it."""
        changed = ", ".join(f"{one.field} {_value(one.before)} → {_value(one.after)}" for one in self.fields)
        return f"{self.change} by {self.by}" + (f": {changed}" if changed else "")


def _value(value: object) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


class HostLocked(Payload):
    """Nobody may deploy the host until it is unlocked. Of no deployment."""

    kind = "host.locked"
    meaning = "an operator locked the host"

    by: str

    def describe(self) -> str:
        """Who did it: whom to ask."""
        return f"locked by {self.by}"


class HostUnlocked(Payload):
    """The host may be deployed again. Of no deployment."""

    kind = "host.unlocked"
    meaning = "an operator unlocked the host"

    by: str

    def describe(self) -> str:
        """Who did it."""
        return f"unlocked by {self.by}"


class HostMoved(Payload):
    """A host is another machine now: that of the host `before`, which is no more. Of no deployment."""

    kind = "host.moved"
    meaning = "a machine moved to this host's name"

    by: str
    before: str
    machine: Host  # what this host was until then

    def describe(self) -> str:
        """Who said so, which machine it is now, and which it was."""
        return f"{self.by}: it is the machine of {self.before} now; it was {', '.join(self.machine.macs)}"


class HostRemoved(Payload):
    """The service forgot a host; `host` is all that the inventory had said of it. Of no deployment."""

    kind = "host.removed"
    meaning = "an operator removed the host"

    by: str
    host: Host

    def describe(self) -> str:
        """Who removed which machine."""
        serial = f", serial {self.host.serial}" if self.host.serial else ""
        return f"removed by {self.by}: {', '.join(self.host.macs)}{serial}, profile {self.host.profile}"


class HostRenamed(Payload):
    """A host was called `before` until now; its history goes with it. Of no deployment."""

    kind = "host.renamed"
    meaning = "an operator gave the host another name"

    by: str
    before: str

    def describe(self) -> str:
        """Who gave it its name, and what it was called."""
        return f"renamed by {self.by}; it was called {self.before}"
