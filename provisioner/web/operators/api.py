"""The JSON API that the command line and the pages use, below /api/v1; only operators come in."""

from pathlib import Path
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner import __version__
from provisioner.deployment import admission, plan
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.payload import Failure
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.stage import RESTING
from provisioner.domain.values import FrozenModel
from provisioner.errors import InputError, NotFoundError, TransitionError
from provisioner.power import registry
from provisioner.settings import sentences
from provisioner.site.site import Site
from provisioner.state import image_files, image_folders, inventory, iso_files
from provisioner.state.secrets import put_bmc_login
from provisioner.web.request import after, await_news, routes_for_operators
from provisioner.web.request import answer as _answer
from provisioner.web.request import read as _body
from provisioner.web.request import the_site as _site

routes = routes_for_operators("api")
STAGE_PATTERN = r"^(|powering|netbooting|writing|restarting|verifying|sealing)$"
HIDDEN = {"nonce", "token_hash", "phone_hash", "agent_boot_id"}


@routes.get("/service")
def service() -> Response:
    """Who answers: version, settings that matter to a client, counts."""
    site = _site()
    return _answer(
        version=__version__,
        interface=site.settings.interface,
        url=site.settings.url,
        state=str(site.settings.state),
        hosts=len(site.database.hosts.all()),
        under_way=len(site.database.deployments.under_way()),
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
    hosts = [inventory.make_host(item, registry.DRIVERS) for item in body.hosts]
    profiles = [inventory.make_profile(item) for item in body.profiles]
    known = {profile.name for profile in [*profiles, *site.database.profiles.all()]}
    inventory.check(hosts, known, site.database.hosts.all())
    before = {host.name: host for host in site.database.hosts.all()}
    # a lock is the operator's word, not the inventory's: applying a file never opens it
    hosts = [
        h.model_copy(update={"locked": h.locked or before[h.name].locked}) if h.name in before else h
        for h in hosts
    ]
    site.database.put_inventory(hosts, profiles, site.settings.hosts_range)
    return _answer(hosts=[host.name for host in hosts], profiles=[profile.name for profile in profiles])


@routes.get("/hosts")
def hosts() -> Response:
    """Every host with its last deployment."""
    return _answer(hosts=[_host_row(host) for host in _site().database.hosts.all()])


@routes.get("/hosts/<path:text>")
def host(text: str) -> Response:
    """One host by name, serial or MAC, with what its last hello said of its hardware."""
    site = _site()
    found = plan.find_host(site, text)
    seen = [row for mac in found.macs if (row := site.database.sightings.get(mac))]
    hardware = site.database.hosts.hardware(found.name)
    return _answer(host=_host_row(found), facts=hardware or {}, seen=seen)


def _host_row(found: Host) -> dict[str, Any]:
    database = _site().database
    last = database.deployments.last_of(found.name)
    row = database.macs.get(found.macs[0])
    return found.model_dump(mode="json") | {
        "address": row.address if row else "",
        "deployment": public(last) if last else None,
    }


@routes.post("/hosts/<path:text>/<any(lock, unlock):verb>")
def lock(text: str, verb: str) -> Response:
    """A locked host is never armed."""
    site = _site()
    found = plan.find_host(site, text).model_copy(update={"locked": verb == "lock"})
    site.database.hosts.put(found)
    return _answer(host=_host_row(found))


@routes.get("/sightings")
def sightings() -> Response:
    """Every MAC that asked by DHCP; `host` is null for unknown ones."""
    return _answer(sightings=_site().database.sightings.all())


class NewImage(FrozenModel):
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
    with image_folders.changing(state):
        image = _add_iso(site, body) if body.iso else image_files.add_pack(state, body.path, now)
        site.database.images.put(image)
    return _answer(image=image.model_dump(mode="json") | {"id": image.id})


def _add_iso(site: Site, body: NewImage) -> Image:
    said = iso_files.describe_iso(Path(body.path))
    name, version = body.name or said[0], body.version or said[1]
    if not (name and version):
        raise InputError(f"{body.path} does not say what it is", hint="give --name and --version", code=329)
    try:
        return iso_files.add_iso(
            site.settings.state, body.path, site.clock(), name=name, version=version, sha256=body.sha256
        )
    except ValidationError as fault:
        raise InputError(f"the image cannot be called so: {sentences(fault)}") from fault


@routes.get("/images")
def images() -> Response:
    """The catalogue."""
    return _answer(images=[i.model_dump(mode="json") | {"id": i.id} for i in _site().database.images.all()])


@routes.get("/images/garbage")
def image_garbage() -> Response:
    """Files beside the images that belong to none of them."""
    site = _site()
    return _answer(
        garbage=image_folders.garbage(site.settings.state, [i.id for i in site.database.images.all()])
    )


class Garbage(FrozenModel):
    """What was shown and may go."""

    names: tuple[str, ...]


@routes.post("/images/garbage")
def remove_image_garbage() -> Response:
    """Remove it, as far as it still belongs to no image."""
    site, names = _site(), _body(Garbage).names
    state = site.settings.state
    with image_folders.changing(state, alone=True):
        gone = image_folders.remove_garbage(state, [i.id for i in site.database.images.all()], names)
    return _answer(garbage=gone)


@routes.post("/images/<path:text>/verify")
def verify_image(text: str) -> Response:
    """Read every chunk of the stored pack again. An error names the first bad one."""
    site = _site()
    image = plan.find_image(site, text)
    if image.kind == "iso":
        return _answer(image=image.id, chunks=iso_files.verify_iso(site.settings.state, image))
    return _answer(image=image.id, chunks=image_files.verify_pack(site.settings.state, image.id))


class NewDeployment(FrozenModel):
    """An order. Without `arm` only the plan is answered."""

    host: str
    image: str = ""
    by: str = Field("operator", max_length=80, pattern=r"^[\w.@ -]+$")
    arm: bool = False
    yes: bool = False
    confirmation: str = ""
    stop_after: str = Field("", pattern=STAGE_PATTERN)
    terms: Terms = Terms()


@routes.post("/deployments")
def order() -> Response:
    """The plan; and, with `arm` and the confirmation, the armed deployment."""
    site, body = _site(), _body(NewDeployment)
    found = plan.find_host(site, body.host)
    image = plan.choose_image(site, found, body.image)
    proposal = plan.make(site, found, image)
    if not body.arm:
        return _answer(plan=proposal)
    admission.check(site, found, image, body.terms)  # said before "not confirmed"; arming looks again
    plan.confirm(proposal, body.confirmation, yes=body.yes)
    iso = plan.choose_iso(site, found, image)
    row = arm(site, found, image, by=body.by, stop_after=body.stop_after, iso=iso, terms=body.terms)
    return _answer(plan=proposal, deployment=public(row))


@routes.get("/deployments")
def deployments() -> Response:
    """The newest hundred, newest first."""
    return _answer(deployments=[public(row) for row in _site().database.deployments.newest()])


@routes.get("/deployments/<path:ident>")
def deployment(ident: str) -> Response:
    """One deployment by id, or the last one of a host by name, serial or MAC."""
    return _answer(deployment=whole(find_deployment(ident)), now=_site().clock())


@routes.get("/deployments/<path:ident>/events")
def events(ident: str) -> Response:
    """Events with an id above `after`, at once or as soon as there are some within `wait` seconds."""
    database, row = _site().database, find_deployment(ident)
    last = after()
    found = await_news(
        lambda: database.events.of(row.id, last),
        lambda news: bool(news) or database.deployments.get(row.id).stage in RESTING,
    )
    return _answer(
        events=[event.model_dump(mode="json") for event in found],
        deployment=whole(database.deployments.get(row.id)),
        now=_site().clock(),
    )


@routes.post("/deployments/<path:ident>/cancel")
def cancel(ident: str) -> Response:
    """End it. The agent stops writing at its next word with us; the host is not powered off."""
    row = find_deployment(ident)
    try:
        row = record(_site(), row.id, OrderCancelled(by="operator"), source="operator")
    except TransitionError as late:
        ended = _site().database.deployments.get(row.id)
        raise TransitionError(
            f"{row.id} of {row.host} is {ended.stage} already", hint=f"again: provision retry {row.host}"
        ) from late
    return _answer(deployment=public(row))


def find_deployment(text: str) -> Deployment:
    """One by id, or a host's last one. Raises NotFoundError."""
    database = _site().database
    if text.startswith("d-"):
        return database.deployments.get(text)
    found = plan.find_host(_site(), text)
    row = database.deployments.last_of(found.name)
    if row is None:
        raise NotFoundError(
            f"{found.name} was never deployed", hint=f"provision deploy {found.name}", code=123
        )
    return row


def public(row: Deployment) -> dict[str, Any]:
    """A deployment without what only machines may know."""
    return row.model_dump(mode="json", exclude=HIDDEN)


def whole(row: Deployment) -> dict[str, Any]:
    """A deployment for people; where it has failed, with the last words of its `console`."""
    last = _site().database.events.last_of(row.id) if row.stage in RESTING else None
    return public(row) | {"console": last.data.console if last and isinstance(last.data, Failure) else []}


class BmcRequest(FrozenModel):
    """What the worker shall ask of a BMC."""

    host: str
    action: str = Field(pattern=r"^(test|power|boot)$")
    argument: str = Field("", pattern=r"^(|on|off|reset|state|network|disk)$")


@routes.post("/bmc")
def bmc() -> Response:
    """Put a request to the worker, which alone knows the BMCs' secrets."""
    site, body = _site(), _body(BmcRequest)
    found = plan.find_host(site, body.host)
    if not registry.find(found.bmc.driver, found.name).has_bmc:
        raise InputError(f"{found.name} has no BMC", hint="its profile is powered by hand", code=204)
    return _answer(request=site.database.requests.ask(found.name, body.action, body.argument, site.clock()))


@routes.get("/bmc/<int:ident>")
def bmc_result(ident: int) -> Response:
    """The request, once it is answered or `wait` seconds have passed."""
    database = _site().database
    found = await_news(lambda: database.requests.get(ident), lambda request: request.state == "done")
    return _answer(request=found.model_dump(mode="json", exclude_unset=True))


class Secret(BaseModel):
    """The login of a BMC."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user: str = Field(min_length=1, max_length=16)
    password: str = Field(min_length=1, max_length=20)


@routes.put("/secrets/<path:name>")
def put_secret(name: str) -> Response:
    """Keep a BMC's login in the state folder; it is never given back."""
    body = _body(Secret)
    put_bmc_login(_site().settings.state, name, body.user, body.password)
    return _answer(secret=name)
