"""What a deployment would do, before it is armed: host, image, the disk it erases, what stands against it."""

import re
from contextlib import suppress
from dataclasses import asdict

from provisioner.agent import disks
from provisioner.deployment import admission, target_disk
from provisioner.domain import identity
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.domain.image import Image
from provisioner.domain.plan import CatalogueImage, ErasedDisk, Plan
from provisioner.domain.profile import Hints
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError, RefusedError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.verify import check


def find_host(site: Site, text: str) -> Host:
    """A host by name, serial, or MAC in any notation.

    Raises NotFoundError; InputError for a bad MAC, and for a serial that several hosts have.
    """
    hosts = site.database.hosts.all()
    for host in [host for host in hosts if host.name == text] or _having_serial(hosts, text):
        return host
    mac = _mac(text)
    for host in hosts:
        if mac and mac in host.macs:
            return host
    if not mac:
        with suppress(NotFoundError):
            return site.database.hosts.get(text)  # raises where it is there, and cannot be read
    raise NotFoundError(
        f"no host has the {'MAC' if mac else 'name or serial'} {text}", hint="provision host list", code=121
    )


def _having_serial(hosts: list[Host], text: str) -> list[Host]:
    found = [host for host in hosts if identity.compare_serials(host.serial, text) is Match.SAME]
    if len(found) > 1:
        names = ", ".join(host.name for host in found)
        raise InputError(f"several hosts have the serial {text}: {names}", hint="name the one that is meant")
    return found


def _own_serial(site: Site, host: Host) -> str:
    """What a person can tell the machine by; empty where it has none, or shares it with another host."""
    hardware = site.database.hosts.hardware(host.name)
    serial = identity.serial(host.serial) or identity.serial(hardware.serial if hardware else "")
    others = set(site.database.hosts.names_by_serial(serial)) - {host.name}
    return "" if others else serial


def _mac(text: str) -> str:
    """As parsed; empty for what is none. Raises InputError for what was meant to be one."""
    # a host's name has no colon and no dot, but may have dashes
    looks_like_mac = re.fullmatch(r"\w+([:.]\w+)+|\w{1,2}(-\w{1,2}){4,}|[0-9a-fA-F-]{11,17}", text)
    try:
        return parse_mac(text)
    except InputError:
        if looks_like_mac:
            raise
        return ""


def find_image(site: Site, text: str) -> Image:
    """An image as `name@version`, or the newest added one of a name. Raises NotFoundError."""
    matching = [image for image in site.database.images.all() if text in (image.id, image.name)]
    if not matching:
        site.database.images.require_readable(text)
        known = ", ".join(image.id for image in site.database.images.all()) or "none was added yet"
        raise NotFoundError(f"no image is called {text!r}", hint=f"known images: {known}", code=125)
    return max(matching, key=lambda image: image.added)


def choose_image(site: Site, host: Host, text: str) -> Image:
    """What was asked for, else what the profile names. Raises NotFoundError, InputError (PV-126).

    Whether it is of the right kind is admission's to say.
    """
    wanted = text or site.database.profiles.get(host.profile).image
    if not wanted:
        raise InputError(
            f"no image is named for {host.name}", hint="provision deploy --image NAME[@VERSION]", code=126
        )
    return find_image(site, wanted)


def choose_iso(site: Site, host: Host, image: Image) -> str:
    """The id of the installer that boots instead of the ramdisk, as the profile says; else empty.

    Raises NotFoundError, InputError (PV-127) where the profile's `autoinstall.iso` is no installer.
    """
    profile = site.database.profiles.get(host.profile)
    if profile.method != "autoinstall":
        return ""
    if profile.installer.flavour == "subiquity":
        return image.id
    iso = find_image(site, profile.installer.iso)
    if refusal := admission.wrong_kind(iso, "iso", f"autoinstall.iso of the profile {profile.name}"):
        raise admission.error(refusal)
    return iso.id


def make(site: Site, host: Host, image: Image, terms: Terms) -> Plan:
    """The plan of one host, with every refusal. Raises NotFoundError, InputError for the profile's ISO."""
    serial = _own_serial(site, host)
    return Plan(
        host=host,
        image=CatalogueImage.model_validate(image),
        erases=_erased_disk(site, host, image),
        holds=_last_deployed(site.database.deployments.last_readable(host.name)),
        challenge=(serial or host.macs[0].replace(":", ""))[-4:],
        question=f"the last 4 of the {'serial' if serial else 'MAC'}",
        serial=serial,
        power=_power(host),
        installer=choose_iso(site, host, image),
        locked=host.locked,
        deviations=_deviations(site, host),
        refusals=tuple(admission.refusals(site, host, image, terms)),
    )


def confirm(plan: Plan, confirmation: str, *, yes: bool) -> None:
    """Raises RefusedError (PV-133) unless the operator's confirmation is the plan's challenge, or `yes`."""
    if yes or confirmation.strip().lower() == plan.challenge.lower():
        return
    raise RefusedError(
        f"{plan.host.name}: not confirmed, nothing was changed",
        hint=f"type {plan.question}, or give --yes in a script",
        code=133,
    )


def _power(host: Host) -> str:
    return registry.find(host.bmc.driver, host.name).sentence(host.bmc)


def _last_deployed(last: Deployment | None) -> str:
    return f"last deployed: {last.image}, {last.stage}" if last else ""


def _deviations(site: Site, host: Host) -> tuple[str, ...]:
    hardware = site.database.hosts.hardware(host.name)
    return check.foresee(hardware, site.database.profiles.get(host.profile)) if hardware else ()


def _erased_disk(site: Site, host: Host, image: Image) -> ErasedDisk:
    """The disk last inventoried that fits the hints, else the hints alone, and what the host will say."""
    hints = Hints(**target_disk.hints(site, host).model_dump(exclude_defaults=True))
    hardware = site.database.hosts.hardware(host.name)
    if hardware is None:
        return ErasedDisk(seen=False, hints=hints, foreign="")
    disk, doubt = target_disk.preview(site, host, image)
    told = asdict(disk) | {"foreign": disks.foreign_content(disk, host.name)} if disk else {"foreign": ""}
    return ErasedDisk(
        **told,
        seen=disk is not None,
        hints=hints,
        seen_at=site.database.hosts.hardware_at(host.name),
        seen_by="deployment" if hardware.boot_id else "inventory",
        doubt=doubt,
    )
