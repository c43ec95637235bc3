"""What all answers have in common, and how a text from a query string becomes a number."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from provisioner.api import SCHEMA_VERSION
from provisioner.domain.values import FrozenModel

LONGEST_WAIT = 25.0  # seconds that one request may wait at the service
MOST_LISTED, USUALLY_LISTED = 1000, 100  # rows of a list


class Resource(BaseModel):
    """A part of an answer. A key that this release does not know is skipped: the service may be newer."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True, defer_build=True)


class ServiceAnswer(Resource):
    """The whole of an answer. `schema_version` is raised when a key changes its meaning."""

    schema_version: int = SCHEMA_VERSION


class ErrorBody(Resource):
    """A fault: what happened, what to do, its PV code, and the exit code of the command line."""

    message: str
    hint: str = ""
    code: int = 600
    exit: int = 1


class ErrorAnswer(Resource):
    """The body of every status that is not 200; `also` are further faults, found at the same time."""

    error: ErrorBody
    also: tuple[ErrorBody, ...] = ()


def _whole_number(value: object) -> int:
    return int(str(value)) if re.fullmatch(r"\d{1,18}", str(value)) else 0


def _seconds(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _limit(value: object) -> int:
    return min(_whole_number(value), MOST_LISTED) or USUALLY_LISTED


def _wait(value: object) -> float:
    return min(max(0.0, _seconds(value)), LONGEST_WAIT)  # in this order: nobody waits for NaN


def _described(kind: str, **bounds: float) -> WithJsonSchema:
    """What is meant, beside any other text: that counts as not given."""
    return WithJsonSchema({"anyOf": [{"type": kind, **bounds}, {"type": "string"}]})


WholeNumber = Annotated[int, BeforeValidator(_whole_number), Field(ge=0), _described("integer", minimum=0)]
Seconds = Annotated[float, BeforeValidator(_seconds), _described("number")]
Limit = Annotated[
    int,
    BeforeValidator(_limit),
    Field(ge=1, le=MOST_LISTED),
    _described("integer", minimum=1, maximum=MOST_LISTED),
]
Wait = Annotated[
    float,
    BeforeValidator(_wait),
    Field(ge=0, le=LONGEST_WAIT),
    _described("number", minimum=0, maximum=LONGEST_WAIT),
]


class Removal(FrozenModel):
    """With `dry_run` nothing is removed: what would be refused is refused."""

    dry_run: StrictBool = False


class NoBody(FrozenModel):
    """Nothing is to be said; whoever says something means another request, and is told so."""


class Query(FrozenModel):
    """A query string. What cannot be read counts as not given, what is unknown is skipped."""

    model_config = ConfigDict(extra="ignore")


class WaitQuery(Query):
    """`wait`: so many seconds at most until there is something new."""

    wait: Wait = 0


class EventQuery(WaitQuery):
    """Events with an id above `after`."""

    after: WholeNumber = 0


class StreamQuery(Query):
    """Events with an id above `after`; a Last-Event-ID header goes before it."""

    after: WholeNumber | None = None
