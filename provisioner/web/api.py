"""The JSON API that the command line and the pages use, below /api/v1; only operators come in."""

import logging
import re
import socket
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner import __version__, catalogue, deploy, inventory, plan
from provisioner.bell import Listener
from provisioner.errors import (
    Exit,
    InputError,
    NotFoundError,
    ProvisionError,
    RefusedError,
    ServiceError,
    TransitionError,
)
from provisioner.lifecycle import RESTING
from provisioner.model import Data, Deployment, Host, Image
from provisioner.settings import sentences
from provisioner.site import Site

log = logging.getLogger(__name__)
routes = Blueprint("api", __name__, url_prefix="/api/v1")
SCHEMA_VERSION = 1
LONGEST_WAIT = 25.0  # seconds that one request may wait for news
HIDDEN = {"nonce", "token_hash", "phone_hash", "agent_boot_id"}
STATUS = {Exit.USAGE: 400, Exit.REFUSED: 409, Exit.UNREACHABLE: 502, Exit.FAILED: 409}


def _site() -> Site:
    site: Site = current_app.config["SITE"]
    return site


@routes.before_request
def only_operators() -> None:
    """The Unix socket is open to whoever may enter the state folder; elsewhere a token is asked."""
    if _is_local():
        return
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    kept = catalogue.operator_token_hash(_site().settings.state)
    if not deploy.token_fits(token, kept):
        raise RefusedError(
            "the service does not know this token",
            hint="export PROVISION_TOKEN with the text of STATE/secrets/operator.token",
            code=601,
        )


def _is_local() -> bool:
    connection = request.environ.get("gunicorn.socket")
    return connection is not None and connection.family == socket.AF_UNIX


@routes.errorhandler(ProvisionError)
def explain(fault: ProvisionError) -> tuple[Response, int]:
    """Every error of ours as JSON; the status says little, the body all."""
    status = 404 if isinstance(fault, NotFoundError) else STATUS.get(fault.exit, 500)
    return jsonify({"error": fault.as_json()}), 401 if fault.code == 601 else status


@routes.errorhandler(500)
def explain_fault(_: Exception) -> tuple[Response, int]:
    """What nobody expected: Flask has logged it, the caller learns where to look."""
    fault = ServiceError("the service met an error of its own", hint="its log has the details")
    return jsonify({"error": fault.as_json()}), 500


def _body(kind: type[BaseModel]) -> Any:
    try:
        return kind.model_validate(request.get_json(silent=True) or {})
    except ValidationError as fault:
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault


def _answer(**values: Any) -> Response:
    return jsonify({"schema_version": SCHEMA_VERSION, **values})


def _seconds() -> float:
    try:
        wanted = float(request.args.get("wait", 0))
    except ValueError:
        return 0
    return min(max(0.0, wanted), LONGEST_WAIT)  # in this order: nobody waits for NaN


@routes.get("/service")
def service() -> Response:
    """Who answers: version, settings that matter to a client, counts."""
    site = _site()
    return _answer(
        version=__version__,
        interface=site.settings.interface,
        url=site.settings.url,
        state=str(site.settings.state),
        hosts=len(site.store.hosts()),
        under_way=len(site.store.under_way()),
    )


class Inventory(BaseModel):
    """Hosts and profiles as plain data, checked by the same rules as the files."""

    model_config = ConfigDict(extra="forbid")

    hosts: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []


@routes.post("/hosts")
def apply() -> Response:
    """Add or replace hosts and profiles, all or none."""
    site, body = _site(), _body(Inventory)
    hosts = [inventory.make_host(item) for item in body.hosts]
    profiles = [inventory.make_profile(item) for item in body.profiles]
    known = {profile.name for profile in [*profiles, *site.store.profiles()]}
    inventory.check(hosts, known, site.store.hosts())
    before = {host.name: host for host in site.store.hosts()}
    # a lock is the operator's word, not the inventory's: applying a file never opens it
    hosts = [
        h.model_copy(update={"locked": h.locked or before[h.name].locked}) if h.name in before else h
        for h in hosts
    ]
    site.store.put_inventory(hosts, profiles, site.settings.hosts_range)
    return _answer(hosts=[host.name for host in hosts], profiles=[profile.name for profile in profiles])


@routes.get("/hosts")
def hosts() -> Response:
    """Every host with its last deployment."""
    return _answer(hosts=[_host_row(host) for host in _site().store.hosts()])


@routes.get("/hosts/<path:text>")
def host(text: str) -> Response:
    """One host by name, serial or MAC, with what its last hello said of its hardware."""
    site = _site()
    found = plan.find_host(site, text)
    return _answer(host=_host_row(found), facts=site.store.facts(found.name))


def _host_row(found: Host) -> dict[str, Any]:
    store = _site().store
    last = store.last_deployment(found.name)
    row = store.mac_row(found.macs[0]) or {}
    return found.model_dump(mode="json") | {
        "address": row.get("address", ""),
        "deployment": public(last) if last else None,
    }


@routes.post("/hosts/<path:text>/<any(lock, unlock):verb>")
def lock(text: str, verb: str) -> Response:
    """A locked host is never armed."""
    site = _site()
    found = plan.find_host(site, text).model_copy(update={"locked": verb == "lock"})
    site.store.put_host(found)
    return _answer(host=_host_row(found))


@routes.get("/sightings")
def sightings() -> Response:
    """Every MAC that asked by DHCP; `host` is null for unknown ones."""
    return _answer(sightings=_site().store.sightings())


class NewImage(Data):
    """A pack, or with `iso` Ubuntu's live-server ISO, on this machine."""

    path: str
    iso: bool = False
    name: str = ""
    version: str = ""
    sha256: str = Field("", pattern=r"^([0-9a-fA-F]{64})?$")


@routes.post("/images")
def add_image() -> Response:
    """Check signature and manifest of a pack, copy it into the state folder, register it."""
    site, body = _site(), _body(NewImage)
    state, now = site.settings.state, site.clock()
    image = _add_iso(site, body) if body.iso else catalogue.add(state, body.path, now)
    site.store.put_image(image)
    return _answer(image=image.model_dump(mode="json") | {"id": image.id})


def _add_iso(site: Site, body: NewImage) -> Image:
    said = catalogue.describe_iso(Path(body.path))
    name, version = body.name or said[0], body.version or said[1]
    if not (name and version):
        raise InputError(f"{body.path} does not say what it is", hint="give --name and --version", code=329)
    try:
        return catalogue.add_iso(
            site.settings.state, body.path, site.clock(), name=name, version=version, sha256=body.sha256
        )
    except ValidationError as fault:
        raise InputError(f"the image cannot be called so: {sentences(fault)}") from fault


@routes.get("/images")
def images() -> Response:
    """The catalogue."""
    return _answer(images=[i.model_dump(mode="json") | {"id": i.id} for i in _site().store.images()])


@routes.post("/images/<path:text>/verify")
def verify_image(text: str) -> Response:
    """Read every chunk of the stored pack again. An error names the first bad one."""
    site = _site()
    image = plan.find_image(site, text)
    if image.kind == "iso":
        return _answer(image=image.id, chunks=catalogue.verify_iso(site.settings.state, image))
    return _answer(image=image.id, chunks=catalogue.verify(site.settings.state, image.id))


class NewDeployment(Data):
    """An order. Without `arm` only the plan is answered."""

    host: str
    image: str = ""
    by: str = Field("operator", max_length=80, pattern=r"^[\w.@ -]+$")
    arm: bool = False
    yes: bool = False
    confirmation: str = ""
    stop_after: str = Field("", pattern=r"^(|powering|netbooting|writing|restarting|verifying|sealing)$")


@routes.post("/deployments")
def order() -> Response:
    """The plan; and, with `arm` and the confirmation, the armed deployment."""
    site, body = _site(), _body(NewDeployment)
    found = plan.find_host(site, body.host)
    image = plan.choose_image(site, found, body.image)
    proposal = plan.make(site, found, image)
    if not body.arm:
        return _answer(plan=proposal)
    if found.locked:  # said before "not confirmed"; arming looks again
        raise RefusedError(f"{found.name} is locked", hint=f"provision host unlock {found.name}", code=131)
    plan.confirm(proposal, body.confirmation, yes=body.yes)
    iso = plan.choose_iso(site, found, image)
    row = deploy.arm(site, found, image, by=body.by, stop_after=body.stop_after, iso=iso)
    return _answer(plan=proposal, deployment=public(row))


@routes.get("/deployments")
def deployments() -> Response:
    """The newest hundred, newest first."""
    return _answer(deployments=[public(row) for row in _site().store.deployments()])


@routes.get("/deployments/<path:ident>")
def deployment(ident: str) -> Response:
    """One deployment by id, or the last one of a host by name, serial or MAC."""
    return _answer(deployment=public(_deployment(ident)), now=_site().clock())


@routes.get("/deployments/<path:ident>/events")
def events(ident: str) -> Response:
    """Events with an id above `after`, at once or as soon as there are some within `wait` seconds."""
    site, listener = _site(), _listener()
    row = _deployment(ident)
    after = (
        int(request.args.get("after", "0")) if re.fullmatch(r"\d{0,18}", request.args.get("after", "")) else 0
    )
    until = site.clock() + _seconds()
    while True:
        rung = listener.count
        found = site.store.events(row.id, after)
        left = until - site.clock()
        if found or left <= 0 or site.store.deployment(row.id).stage in RESTING:
            break
        listener.wait(rung, left)
    current = site.store.deployment(row.id)
    return _answer(
        events=[event.model_dump(mode="json") for event in found],
        deployment=public(current),
        now=site.clock(),
    )


@routes.post("/deployments/<path:ident>/cancel")
def cancel(ident: str) -> Response:
    """End it. The agent stops writing at its next word with us; the host is not powered off."""
    row = _deployment(ident)
    try:
        row = deploy.record(_site(), row.id, "order.cancelled", source="operator", by="operator")
    except TransitionError as late:
        ended = _site().store.deployment(row.id)
        raise TransitionError(
            f"{row.id} of {row.host} is {ended.stage} already", hint=f"again: provision retry {row.host}"
        ) from late
    return _answer(deployment=public(row))


def _deployment(text: str) -> Deployment:
    store = _site().store
    if text.startswith("d-"):
        return store.deployment(text)
    found = plan.find_host(_site(), text)
    row = store.last_deployment(found.name)
    if row is None:
        raise NotFoundError(
            f"{found.name} was never deployed", hint=f"provision deploy {found.name}", code=123
        )
    return row


def public(row: Deployment) -> dict[str, Any]:
    """A deployment without what only machines may know."""
    return row.model_dump(mode="json", exclude=HIDDEN)


class BmcRequest(Data):
    """What the worker shall ask of a BMC."""

    host: str
    action: str = Field(pattern=r"^(test|power|boot)$")
    argument: str = Field("", pattern=r"^(|on|off|reset|state|network|disk)$")


@routes.post("/bmc")
def bmc() -> Response:
    """Put a request to the worker, which alone knows the BMCs' secrets."""
    site, body = _site(), _body(BmcRequest)
    found = plan.find_host(site, body.host)
    if found.bmc.driver == "manual":
        raise InputError(f"{found.name} has no BMC", hint="its profile is powered by hand", code=204)
    return _answer(request=site.store.ask(found.name, body.action, body.argument, site.clock()))


@routes.get("/bmc/<int:ident>")
def bmc_result(ident: int) -> Response:
    """The request, once it is answered or `wait` seconds have passed."""
    site, listener = _site(), _listener()
    until = site.clock() + _seconds()
    while True:
        rung = listener.count
        found = site.store.request(ident)
        left = until - site.clock()
        if found["state"] == "done" or left <= 0:
            return _answer(request=found)
        listener.wait(rung, left)


class Secret(BaseModel):
    """The login of a BMC."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user: str = Field(min_length=1, max_length=16)
    password: str = Field(min_length=1, max_length=20)


@routes.put("/secrets/<path:name>")
def put_secret(name: str) -> Response:
    """Keep a BMC's login in the state folder; it is never given back."""
    body = _body(Secret)
    catalogue.put_secret(_site().settings.state, name, body.user, body.password)
    return _answer(secret=name)


def _listener() -> Listener:
    listener: Listener = current_app.config["LISTENER"]
    return listener
