"""The operators' API of what nobody knows yet: list, watch, adopt, learn a profile."""

import re
from typing import Any

from flask import Response, request

from provisioner.deployment import plan
from provisioner.discovery import learn, machines
from provisioner.domain.hardware import Hardware
from provisioner.domain.host import Bmc
from provisioner.domain.profile import Hints, Profile
from provisioner.domain.values import FrozenModel, Text
from provisioner.errors import InputError, NotFoundError, RefusedError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.web.request import answer as _answer
from provisioner.web.request import await_news, routes_for_operators
from provisioner.web.request import read as _body
from provisioner.web.request import the_site as _site

routes = routes_for_operators("discovery")
Row = dict[str, Any]


@routes.get("/machines")
def unknown() -> Response:
    """All of them, at once or as soon as one was seen after `after` or `wait` seconds have passed."""
    site, last = _site(), request.args.get("after", 0.0, type=float)
    rows = await_news(
        lambda: machines.unknown(site),
        lambda rows: any(max(row.last_seen, row.inventoried) > last for row in rows),
    )
    return _answer(machines=rows, now=site.clock())


@routes.get("/machines/<path:text>")
def one(text: str) -> Response:
    """By any of its MACs, its UUID or its serial."""
    return _answer(machine=machines.find(_site(), text))


class Adoption(FrozenModel):
    """What an inventory cannot say; without a profile the only one that is known is taken."""

    name: str
    profile: str = ""
    serial: Text = ""
    rack: Text = ""
    bmc: Bmc = Bmc()
    disk: Hints | None = None


@routes.post("/machines/<path:text>/adopt")
def adopt(text: str) -> Response:
    """Make a host of it: its MACs (the one that was named boots), serial and UUID as inventoried."""
    site, body = _site(), _body(Adoption)
    found = machines.find(site, text)
    if found.host:
        raise RefusedError(
            f"{found.mac} is a network card of {found.host}: they have the UUID {found.uuid}",
            hint=f"provision host show {found.host}; add the MAC to it in the inventory",
            code=137,
        )
    if any(host.name == body.name for host in site.database.hosts.all()):
        raise InputError(
            f"there is a host {body.name} already", hint="give another --name; provision host list", code=110
        )
    profiles = [profile.name for profile in site.database.profiles.all()]
    known = body.model_dump(mode="json", exclude_unset=True, exclude={"serial"})
    made = inventory.make_host(
        known
        | {"profile": body.profile or _only(profiles), "macs": _macs(found, text)}
        | {"serial": body.serial or found.serial, "uuid": found.uuid},
        registry.DRIVERS,
    )
    inventory.check([made], set(profiles), site.database.hosts.all())
    site.database.put_inventory([made], [], site.settings.hosts_range)
    if found.inventoried:
        site.database.hosts.put_hardware(made.name, found.hardware, site.clock())
    site.database.surveys.forget(made.macs)
    return _answer(host=made.model_dump(mode="json"))


def _only(profiles: list[str]) -> str:
    if len(profiles) == 1:
        return profiles[0]
    raise InputError(
        "which profile the host shall have is not said",
        hint=f"--profile, one of: {', '.join(profiles)}"
        if profiles
        else "provision profile learn MAC --apply",
        code=110,
    )


def _macs(found: machines.Machine, text: str) -> list[str]:
    """The MAC that was named comes first: it is the one that boots."""
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    return sorted(found.macs, key=lambda mac: mac.replace(":", "") != digits)


@routes.get("/profiles")
def profiles() -> Response:
    """Every profile with the names of its hosts."""
    return _answer(profiles=[_profile(found) for found in _site().database.profiles.all()])


@routes.get("/profiles/<name>")
def profile(name: str) -> Response:
    """One profile with the names of its hosts."""
    return _answer(profile=_profile(_site().database.profiles.get(name)))


def _profile(found: Profile) -> Row:
    used = [host.name for host in _site().database.hosts.all() if host.profile == found.name]
    return found.model_dump(mode="json") | {"hosts": used}


class Lesson(FrozenModel):
    """From which machine, under which name; `devices` are PCI ids that count besides its GPUs."""

    machine: str
    name: str = ""
    devices: tuple[str, ...] = ()
    apply: bool = False
    replace: bool = False


@routes.post("/profiles/learn")
def learn_profile() -> Response:
    """The profile that a machine fits, as data and as YAML; stored with `apply`."""
    site, body = _site(), _body(Lesson)
    hardware, usual = _hardware(site, body.machine)
    name = body.name or usual
    before = {found.name: found for found in site.database.profiles.all()}.get(name)
    if before and body.apply and not body.replace:
        raise RefusedError(
            f"there is a profile {name} already, it was not changed",
            hint="give --replace to change its hardware, or another --name",
            code=135,
        )
    made = learn.profile(hardware, name, devices=body.devices, base=before)
    if body.apply:
        site.database.put_inventory([], [made], site.settings.hosts_range)
    return _answer(profile=made.model_dump(mode="json"), yaml=learn.as_yaml(made), stored=body.apply)


def _hardware(site: Site, text: str) -> tuple[Hardware, str]:
    """What is known of the hardware, and the name that its profile would have."""
    try:
        host = plan.find_host(site, text)
    except NotFoundError:
        found = machines.find(site, text)
        words = f"{found.maker} {found.product}".lower()
        return found.hardware, re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:63].strip("-") or "learned"
    return site.database.hosts.hardware(host.name) or Hardware(), host.profile
