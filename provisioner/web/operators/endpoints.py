"""The table of all that operators can ask: method, path, and the function that answers.

A function's parameters are the path's variables, `body` for the request's JSON and `query` for its query
string; their types, and what it returns, are the models of `provisioner.api` that OpenAPI is made of.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import get_args, get_type_hints

from pydantic import BaseModel

from provisioner.web.operators import (
    audit,
    bmc,
    certificates,
    consoles,
    deployments,
    hosts,
    images,
    machines,
    net,
    profiles,
    runs,
    secrets,
    service,
    verifications,
)

Handler = Callable[..., BaseModel]


@dataclass(frozen=True)
class Endpoint:
    """One row: an HTTP method on a path below ROOT (as Flask writes it), and who answers."""

    method: str
    path: str
    handler: Handler

    @property
    def name(self) -> str:
        """`module.function`, as metrics and logs call it."""
        return f"{self.group}.{self.handler.__name__}"

    @property
    def group(self) -> str:
        """The noun: the last part of the handler's module."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]

    @cached_property
    def _hints(self) -> Mapping[str, type[BaseModel]]:
        return get_type_hints(self.handler)

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of the request's JSON."""
        return self._hints.get("body")

    @property
    def query(self) -> type[BaseModel] | None:
        """The model of the query string."""
        return self._hints.get("query")

    @property
    def answers(self) -> tuple[type[BaseModel], ...]:
        """The models of the answer, one of which it is."""
        answer = self._hints["return"]
        return get_args(answer) if isinstance(answer, UnionType) else (answer,)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/service", service.show),
    Endpoint("GET", "/check", service.check),
    Endpoint("GET", "/audit", audit.find),
    Endpoint("GET", "/audit/lines", audit.lines),
    Endpoint("GET", "/audit/heads", audit.heads),
    Endpoint("POST", "/audit/heads", audit.sign),
    Endpoint("GET", "/hosts", hosts.list_all),
    Endpoint("POST", "/hosts", hosts.apply),
    Endpoint("GET", "/hosts/<path:name>", hosts.show),
    Endpoint("GET", "/hosts/<path:name>/render", hosts.render),
    Endpoint("POST", "/hosts/<path:name>/lock", hosts.lock),
    Endpoint("POST", "/hosts/<path:name>/unlock", hosts.unlock),
    Endpoint("POST", "/hosts/<path:name>/remove", hosts.remove),
    Endpoint("POST", "/hosts/<path:name>/rename", hosts.rename),
    Endpoint("POST", "/hosts/<path:name>/move", hosts.move),
    Endpoint("GET", "/hosts/<path:name>/history", hosts.history),
    Endpoint("GET", "/hosts/<path:name>/certificates", certificates.list_of_host),
    Endpoint("GET", "/certificates/<ident>", certificates.show),
    Endpoint("POST", "/verifications", verifications.order),
    Endpoint("POST", "/verifications/ramdisk", verifications.examine),
    Endpoint("GET", "/verifications/<ident>", verifications.show),
    Endpoint("GET", "/sightings", hosts.sightings),
    Endpoint("GET", "/profiles", profiles.list_all),
    Endpoint("GET", "/profiles/<name>", profiles.show),
    Endpoint("POST", "/profiles/learn", profiles.learn_from),
    Endpoint("POST", "/profiles/<name>/remove", profiles.remove),
    Endpoint("GET", "/machines", machines.list_all),
    Endpoint("GET", "/machines/<path:name>", machines.show),
    Endpoint("POST", "/machines/<path:name>/adopt", machines.adopt),
    Endpoint("GET", "/images", images.list_all),
    Endpoint("POST", "/images", images.add),
    Endpoint("GET", "/images/garbage", images.list_garbage),
    Endpoint("POST", "/images/garbage", images.remove_garbage),
    Endpoint("POST", "/images/<path:name>/verify", images.verify),
    Endpoint("POST", "/images/<path:name>/remove", images.remove),
    Endpoint("GET", "/deployments", deployments.list_newest),
    Endpoint("POST", "/deployments", deployments.order),
    Endpoint("GET", "/deployments/<path:ident>", deployments.show),
    Endpoint("GET", "/deployments/<path:ident>/events", deployments.events),
    Endpoint("GET", "/deployments/<path:ident>/console", consoles.show),
    Endpoint("POST", "/deployments/<path:ident>/cancel", deployments.cancel),
    Endpoint("POST", "/deployments/<path:ident>/resume", deployments.resume),
    Endpoint("POST", "/runs", runs.order),
    Endpoint("GET", "/runs/<ident>", runs.show),
    Endpoint("GET", "/runs/<ident>/events", runs.events),
    Endpoint("GET", "/runs/<ident>/report", runs.report),
    Endpoint("POST", "/runs/<ident>/pause", runs.pause),
    Endpoint("POST", "/runs/<ident>/resume", runs.resume),
    Endpoint("POST", "/runs/<ident>/cancel", runs.cancel),
    Endpoint("POST", "/bmc", bmc.order),
    Endpoint("POST", "/bmc/tests", bmc.test_many),
    Endpoint("GET", "/bmc/<int:ident>", bmc.result),
    Endpoint("GET", "/secrets", secrets.list_logins),
    Endpoint("PUT", "/secrets/<path:name>", secrets.put_login),
    Endpoint("POST", "/secrets/<path:name>/remove", secrets.remove_login),
    Endpoint("GET", "/net", net.show),
    Endpoint("GET", "/net/leases", net.leases),
    Endpoint("GET", "/net/print/<kind>", net.configuration),
)
