"""The table of all that people can ask: method, path, the function that answers, the least role it needs.

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

from provisioner.domain.event import Event
from provisioner.domain.person import Role
from provisioner.web.audience import ANYBODY, Audience
from provisioner.web.event_stream import EventStream
from provisioner.web.operators import (
    audit,
    bmc,
    boot_proofs,
    certificates,
    consoles,
    deployments,
    hosts,
    images,
    machines,
    net,
    people,
    profiles,
    runs,
    secrets,
    service,
    streams,
    tokens,
    verifications,
)

Handler = Callable[..., BaseModel | EventStream]
VIEWER, TECHNICIAN, OPERATOR, ADMIN = Role


@dataclass(frozen=True)
class Endpoint:
    """One row: an HTTP method on a path below ROOT (as Flask writes it), who answers, and who may ask."""

    method: str
    path: str
    handler: Handler
    audience: Audience

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
    def is_stream(self) -> bool:
        """Whether it goes on answering, by Server-Sent Events, each of which is an `Event`."""
        return get_type_hints(self.handler)["return"] is EventStream

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
        """The models of the answer, one of which it is; of a stream that of each message."""
        if self.is_stream:
            return (Event,)
        answer = self._hints["return"]
        return get_args(answer) if isinstance(answer, UnionType) else (answer,)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/service", service.show, VIEWER),
    Endpoint("GET", "/check", service.check, VIEWER),
    Endpoint("GET", "/audit", audit.find, ADMIN),
    Endpoint("GET", "/audit/lines", audit.lines, ADMIN),
    Endpoint("GET", "/audit/heads", audit.heads, ADMIN),
    Endpoint("POST", "/audit/heads", audit.sign, ADMIN),
    Endpoint("GET", "/hosts", hosts.list_all, VIEWER),
    Endpoint("POST", "/hosts", hosts.apply, OPERATOR),
    Endpoint("GET", "/hosts/<path:name>", hosts.show, VIEWER),
    Endpoint("GET", "/hosts/<path:name>/render", hosts.render, VIEWER),
    Endpoint("POST", "/hosts/<path:name>/lock", hosts.lock, TECHNICIAN),
    Endpoint("POST", "/hosts/<path:name>/unlock", hosts.unlock, OPERATOR),
    Endpoint("POST", "/hosts/<path:name>/remove", hosts.remove, OPERATOR),
    Endpoint("POST", "/hosts/<path:name>/rename", hosts.rename, OPERATOR),
    Endpoint("POST", "/hosts/<path:name>/move", hosts.move, OPERATOR),
    Endpoint("GET", "/hosts/<path:name>/history", hosts.history, VIEWER),
    Endpoint("GET", "/hosts/<path:name>/certificates", certificates.list_of_host, VIEWER),
    Endpoint("GET", "/certificates/<ident>", certificates.show, VIEWER),
    Endpoint("POST", "/verifications", verifications.order, TECHNICIAN),
    Endpoint("POST", "/verifications/ramdisk", verifications.examine, TECHNICIAN),
    Endpoint("GET", "/verifications/<ident>", verifications.show, VIEWER),
    Endpoint("POST", "/verifications/<path:ident>/cancel", verifications.cancel, TECHNICIAN),
    Endpoint("GET", "/sightings", hosts.sightings, VIEWER),
    Endpoint("GET", "/profiles", profiles.list_all, VIEWER),
    Endpoint("GET", "/profiles/<name>", profiles.show, VIEWER),
    Endpoint("POST", "/profiles/learn", profiles.learn_from, OPERATOR),
    Endpoint("POST", "/profiles/<name>/remove", profiles.remove, OPERATOR),
    Endpoint("GET", "/machines", machines.list_all, VIEWER),
    Endpoint("GET", "/machines/<path:name>", machines.show, VIEWER),
    Endpoint("POST", "/machines/<path:name>/adopt", machines.adopt, TECHNICIAN),
    Endpoint("GET", "/images", images.list_all, VIEWER),
    Endpoint("POST", "/images", images.add, OPERATOR),
    Endpoint("GET", "/images/garbage", images.list_garbage, VIEWER),
    Endpoint("POST", "/images/garbage", images.remove_garbage, OPERATOR),
    Endpoint("POST", "/images/<path:name>/verify", images.verify, TECHNICIAN),
    Endpoint("POST", "/images/<path:name>/remove", images.remove, OPERATOR),
    Endpoint("GET", "/deployments", deployments.list_newest, VIEWER),
    Endpoint("POST", "/deployments", deployments.order, TECHNICIAN),
    Endpoint("GET", "/deployments/<path:ident>", deployments.show, VIEWER),
    Endpoint("GET", "/deployments/<path:ident>/events", deployments.events, VIEWER),
    Endpoint("GET", "/deployments/<path:ident>/console", consoles.show, TECHNICIAN),
    Endpoint("GET", "/deployments/<path:ident>/stream", streams.of_deployment, VIEWER),
    Endpoint("POST", "/deployments/<path:ident>/cancel", deployments.cancel, TECHNICIAN),
    Endpoint("POST", "/deployments/<path:ident>/resume", deployments.resume, TECHNICIAN),
    Endpoint("GET", "/runs", runs.list_newest, VIEWER),
    Endpoint("POST", "/runs", runs.order, OPERATOR),
    Endpoint("GET", "/runs/<ident>", runs.show, VIEWER),
    Endpoint("GET", "/runs/<ident>/events", runs.events, VIEWER),
    Endpoint("GET", "/runs/<ident>/stream", streams.of_run, VIEWER),
    Endpoint("GET", "/runs/<ident>/report", runs.report, VIEWER),
    Endpoint("POST", "/runs/<ident>/pause", runs.pause, TECHNICIAN),
    Endpoint("POST", "/runs/<ident>/resume", runs.resume, OPERATOR),
    Endpoint("POST", "/runs/<ident>/cancel", runs.cancel, OPERATOR),
    Endpoint("GET", "/events", streams.all_events, VIEWER),
    Endpoint("POST", "/bmc", bmc.order, TECHNICIAN),
    Endpoint("POST", "/bmc/tests", bmc.test_many, TECHNICIAN),
    Endpoint("GET", "/bmc/<int:ident>", bmc.result, TECHNICIAN),
    Endpoint("POST", "/boot-proofs", boot_proofs.order, TECHNICIAN),
    Endpoint("GET", "/secrets", secrets.list_logins, OPERATOR),
    Endpoint("PUT", "/secrets/<name>", secrets.put_login, OPERATOR),
    Endpoint("POST", "/secrets/<path:name>/remove", secrets.remove_login, OPERATOR),
    Endpoint("GET", "/net", net.show, VIEWER),
    Endpoint("GET", "/net/leases", net.leases, VIEWER),
    Endpoint("GET", "/net/print/<kind>", net.configuration, VIEWER),
    Endpoint("POST", "/login", people.log_in, ANYBODY),
    Endpoint("POST", "/logout", people.log_out, VIEWER),
    Endpoint("GET", "/whoami", people.whoami, VIEWER),
    Endpoint("GET", "/users", people.list_all, ADMIN),
    Endpoint("PUT", "/users/<name>", people.put, ADMIN),
    Endpoint("PUT", "/users/<name>/password", people.set_password, VIEWER),
    Endpoint("POST", "/users/<name>/remove", people.remove, ADMIN),
    Endpoint("GET", "/tokens", tokens.list_all, VIEWER),
    Endpoint("POST", "/tokens", tokens.create, VIEWER),
    Endpoint("POST", "/tokens/<ident>/revoke", tokens.revoke, VIEWER),
)
