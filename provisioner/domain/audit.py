"""The record of who did what: its kinds of lines, and what a line says. Each is chained to the one before it.

A line's hash is the SHA-256 of its canonical JSON (system/canonical_json.py), which holds the hash of the
line before it as `previous`. So one line's hash vouches for all that came before (docs/secrets-and-audit.md).
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from provisioner.domain.values import FrozenModel, Words
from provisioner.system import canonical_json

FORMAT: Final = "vaultcube.audit/1"
NOTHING = "0" * 64  # the hash before the first line
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[float, AfterValidator(lambda seconds: round(seconds, 3))]  # milliseconds are enough
Result = Literal["done", "refused", "failed"]


class Kind(StrEnum):
    """What a line is about; the names are stored, so that none may ever change its meaning."""

    BEGAN = "audit.began"
    CHECKPOINT = "audit.checkpoint"
    EXPORTED = "audit.exported"
    ORDER_GIVEN = "order.given"
    ORDER_CHANGED = "order.changed"
    ORDER_ENDED = "order.ended"
    ORDER_REFUSED = "order.refused"
    POWER = "power"
    CONFIG_READ = "config.read"
    REQUEST_REFUSED = "request.refused"  # to a machine
    ACCESS_REFUSED = "access.refused"  # to a person, or to whoever came by people's way in
    SUSPECT = "suspect"
    INVENTORY = "inventory"
    IMAGE = "image"
    SECRET_READ = "secret.read"  # noqa: S105  a kind of line
    SECRET_WRITTEN = "secret.written"  # noqa: S105  likewise
    SECRET_REMOVED = "secret.removed"  # noqa: S105  likewise
    LOGIN = "login"
    LOGIN_REFUSED = "login.refused"
    LOGIN_THROTTLED = "login.throttled"
    LOGOUT = "logout"
    PEOPLE = "people"  # users, roles and tokens: made, changed, taken away
    SERVICE = "service"


# what somebody can repeat for ever: the first is written at once, what follows is counted (state/audit.py)
REPEATED = frozenset(
    {Kind.REQUEST_REFUSED, Kind.ORDER_REFUSED, Kind.ACCESS_REFUSED, Kind.LOGIN_REFUSED}
    | {Kind.LOGIN_THROTTLED, Kind.CONFIG_READ, Kind.SECRET_READ, Kind.SUSPECT}
)


class Entry(FrozenModel):
    """What has happened, as who saw it happen tells it; all texts are on one line and bounded.

    `time` in seconds since 1970 by the service's clock. `by` is who did it, proved: a person or one of our
    processes; `door` the way in (socket, token, https, agent, …), `address` from where. `what` is the thing
    itself: a login's name, a path, an image, an event's kind.
    """

    kind: Kind
    time: Time
    by: Words = ""
    door: Words = ""
    address: Words = ""
    host: Words = ""
    deployment: Words = ""
    what: Words = ""
    sentence: Words = ""
    result: Result = "done"


class Origin(FrozenModel):
    """Who did something, by which way in, from which address; as an entry has them."""

    by: Words = ""
    door: Words = ""
    address: Words = ""

    def entry(
        self,
        kind: Kind,
        time: float,
        *,
        host: str = "",
        what: str = "",
        sentence: str = "",
        result: Result = "done",
    ) -> Entry:
        """What it is that he did; `time` in seconds since 1970."""
        return Entry(
            kind=kind,
            time=time,
            by=self.by,
            door=self.door,
            address=self.address,
            host=host,
            what=what,
            sentence=sentence,
            result=result,
        )


class Forgotten(FrozenModel):
    """That all lines up to this number were forgotten for their age; `hash` is of the last."""

    number: Annotated[int, Field(ge=1)]
    hash: Hash


class Line(Entry):
    """An entry in its place. `count` of the same happened from `first` to `time`, if more than one."""

    number: Annotated[int, Field(ge=1)]
    previous: Hash
    first: Time = 0
    count: Annotated[int, Field(ge=1)] = 1
    forgotten: Forgotten | None = None

    def to_bytes(self) -> bytes:
        """As it is kept, exported and hashed."""
        return canonical_json.dump(self.model_dump(mode="json"))


def hash_of(line: bytes) -> str:
    """The hash of a line as `to_bytes` writes it."""
    return hashlib.sha256(line).hexdigest()
