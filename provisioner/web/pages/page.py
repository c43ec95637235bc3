"""One page: for whom it is, what it shows, and what of it goes on by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from flask import Response

from provisioner.web.audience import Audience

Method = Literal["GET", "POST"]


@dataclass(frozen=True)
class Shown:
    """A template and what it tells of; its block `live`, if it has one, is sent anew when it changes."""

    template: str
    values: Mapping[str, object]
    status: int = 200


View = Callable[..., Shown | Response]


@dataclass(frozen=True)
class Page:
    """One row of the table: a method on a path (as Flask writes it), who answers, and who may ask."""

    method: Method
    path: str
    view: View
    audience: Audience

    @property
    def name(self) -> str:
        """`module.function`, as routes, metrics and logs call it."""
        return f"{self.view.__module__.rpartition('.')[2]}_{self.view.__name__}"


def go(path: str) -> Response:
    """The browser reads that page next, whatever it has sent (303, RFC 9110)."""
    return Response(status=303, headers={"Location": path})
