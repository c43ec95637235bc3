"""What a deployment would do, before it is armed: host, image, the disk it erases, what stands against it."""

import re
from contextlib import suppress
from typing import NoReturn

from provisioner.agent import disks
from provisioner.deployment import admission, disk_view, host_names, preflight, target_disk
from provisioner.domain import identity, plan_digest
from provisioner.domain.deployment import Terms
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.domain.image import Image
from provisioner.domain.plan import CatalogueImage, ErasedDisk, Plan
from provisioner.domain.profile import Hints
from provisioner.domain.values import parse_mac
from provisioner.errors import DiskError, InputError, NotFoundError, RefusedError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state import image_files
from provisioner.verify.judge import foresee


def find_host(site: Site, text: str) -> Host:
    """A host by name, serial, or MAC in any notation.

    Raises NotFoundError; InputError for a bad MAC, and for what means several hosts.
    """
    hosts = site.database.hosts.all()
    serials = [host for host in hosts if identity.compare_serials(host.serial, text) is Match.SAME]
    macs = _having_mac(hosts, text)
    found = {host.name: host for host in hosts if host.name == text or host in serials or host in macs}
    if len(found) > 1:
        _refuse_several(text, list(found), is_serial=len(serials) == len(found))
    for host in found.values():
        return host
    mac = _mac(text)
    if not mac:
        with suppress(NotFoundError):
            return site.database.hosts.get(text)  # raises where it is there, and cannot be read
    raise NotFoundError(
        f"no host has the {'MAC' if mac else 'name or serial'} {text}", hint="provision host list", code=121
    )


def _having_mac(hosts: list[Host], text: str) -> list[Host]:
    try:
        mac = parse_mac(text)
    except InputError:
        return []
    return [host for host in hosts if mac in host.macs]


def _refuse_several(text: str, names: list[str], *, is_serial: bool) -> NoReturn:
    if is_serial:
        words, hint = f"several hosts have the serial {text}", "name the one that is meant"
    else:
        words, hint = f"{text} is the name, serial or MAC of several hosts", "give the MAC of the one meant"
    raise InputError(f"{words}: {', '.join(names)}", hint=hint)


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
        raise NotFoundError(
            f"no image is called {text!r}",
            hint=f"known images: {known}; provision image add FILE adds one",
            code=125,
        )
    return max(matching, key=lambda image: image.added)


def in_catalogue(site: Site, image: Image) -> CatalogueImage:
    """An image as the catalogue lists it, and whether its key is trusted now."""
    trusted = image_files.is_trusted(site.settings.state, image)
    return CatalogueImage.model_validate(image).model_copy(update={"trusted": trusted})


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
    erased, fault = _erased_disk(site, host, image)
    made = Plan(
        host=host,
        image=in_catalogue(site, image),
        erases=erased,
        holds=erased.written.describe() if erased.written else erased.content,
        challenge=(serial or host.macs[0].replace(":", ""))[-4:],
        question=f"the last 4 of the {'serial' if serial else 'MAC'}",
        serial=serial,
        power=_power(host),
        installer=choose_iso(site, host, image),
        locked=host.locked,
        terms=terms,
        deviations=_deviations(site, host),
        refusals=tuple(admission.refusals(site, host, image, terms)),
        warnings=preflight.missing_logins(site, host) + preflight.unfit_disk(host, fault),
    )
    return made.model_copy(update={"digest": plan_digest.of_host(made)})


def require_shown(plan: Plan, shown: str) -> None:
    """Raises RefusedError (PV-146) where what was shown had another digest; an empty one is of nothing."""
    if shown in ("", plan.digest):
        return
    disk = plan.erases
    target = f"{disk.name} {disk.serial}".strip() if disk.seen else disk.hints.describe() or "the only disk"
    raise RefusedError(
        f"{plan.host.name} ({plan.host.macs[0]}): since it was shown, something is otherwise; now"
        f" {plan.image.id} would be written to {target}; nothing was ordered",
        hint=f"look again: provision deploy {plan.host.name} --dry-run",
        code=146,
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


def _deviations(site: Site, host: Host) -> tuple[str, ...]:
    hardware = site.database.hosts.hardware(host.name)
    return foresee(hardware, site.database.profiles.get(host.profile)) if hardware else ()


def _erased_disk(site: Site, host: Host, image: Image) -> tuple[ErasedDisk, DiskError | None]:
    """The disk last inventoried that fits the hints, else the hints alone, and what the host will say."""
    hints = Hints(**target_disk.hints(site, host).model_dump(exclude_defaults=True))
    view = disk_view.look(site, host.name)
    if view is None:
        return ErasedDisk(seen=False, hints=hints, foreign=""), None
    disk, fault = target_disk.preview(site, host, image)
    foreign = disks.foreign_content(disk, host_names.of(site, host)) if disk else ""
    told = (vars(disk) if disk else {}) | {"foreign": foreign}
    erased = ErasedDisk(
        **told,
        seen=disk is not None,
        hints=hints,
        seen_at=view.at,
        seen_by=view.seen_by,
        seen_in=view.seen_in.id if view.seen_in else "",
        written=view.writing_to(DiskInfo(**vars(disk))) if disk else None,
        doubt=f"{fault} (PV-{fault.code})" if fault else "",
    )
    return erased, fault
