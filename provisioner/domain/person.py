"""Who asks: people by name, and the roles that say what each may do."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from provisioner.domain.audit import Origin
from provisioner.domain.values import FrozenModel

ROOT = "root"  # who owns this machine owns the site: the one admin that cannot be removed
NOBODY = "nobody"  # the kernel's name for whoever has none here (user_namespaces(7))
UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$")]


class Role(StrEnum):
    """Each may do all that those before it may."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        """Whether who has this role may do what the other one may."""
        return self.rank >= other.rank

    @property
    def rank(self) -> int:
        """0 for the role that may least."""
        return list(Role).index(self)


class Caller(FrozenModel):
    """Who makes a request, proved: by the Unix socket, whose peer the kernel names, or by a token.

    `address` is from where; empty for the Unix socket.
    """

    name: str
    role: Role
    way: Literal["socket", "token"]
    token: str = ""  # its id, never its text
    expires: float = 0  # of the token, in seconds since 1970
    address: str = ""

    @property
    def origin(self) -> Origin:
        """As the audit writes it down."""
        return Origin(by=self.name, door=self.way, address=self.address)
