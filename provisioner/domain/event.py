"""One line of the log of events."""

from collections.abc import Mapping
from typing import Self

from pydantic import SerializeAsAny, model_validator

from provisioner.domain.deployment import Deployment
from provisioner.domain.events import registry
from provisioner.domain.events.payload import Evidence, Payload
from provisioner.domain.values import FrozenModel


class Event(FrozenModel):
    """One line of the log: `data` is typed by its `kind`, `version` is that of its fields.

    `time` is seconds since 1970 by the service's clock; `deployment` is empty where it is about a host for
    which nothing is under way, `host` too where it is about the network. Its JSON is what the API answers;
    `model_validate` reads that, and a row of the database.
    """

    id: int = 0
    time: float
    host: str
    deployment: str
    attempt: int
    kind: str
    version: int = 1
    source: str
    data: SerializeAsAny[Payload]

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: object) -> object:
        """The payload of the kind, where plain data is given."""
        if isinstance(values, Mapping) and isinstance(values.get("data"), Mapping):
            data = registry.read(str(values.get("kind")), values["data"])
            return {**values, "data": data, "version": values.get("version", data.version)}
        return values

    @classmethod
    def of(cls, row: Deployment, data: Payload, *, source: str, now: float) -> "Event":
        """An event of a deployment, which `row` is after it. Both were judged, and are not once more."""
        return cls.model_construct(
            time=now,
            host=row.host,
            deployment=row.id,
            attempt=row.attempt,
            kind=data.kind,
            version=data.version,
            source=source,
            data=data,
        )

    @classmethod
    def of_host(cls, host: str, data: Payload, *, source: str, now: float) -> Self:
        """An event of a host for which nothing is under way."""
        return cls.of_network(data, source=source, now=now).model_copy(update={"host": host})

    @classmethod
    def of_network(cls, data: Payload, *, source: str, now: float) -> Self:
        """An event of the network, which belongs to no deployment."""
        return cls(
            time=now,
            host="",
            deployment="",
            attempt=0,
            kind=data.kind,
            version=data.version,
            source=source,
            data=data,
        )

    def describe(self) -> str:
        """A sentence for people; the bare kind where nothing more is known."""
        sentence = self.data.describe() or self.kind
        count = self.data.count if isinstance(self.data, Evidence) and not self.data.is_progress else 1
        return f"{sentence} ({count} times)" if count > 1 else sentence
