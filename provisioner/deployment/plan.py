"""What a deployment would do, before it is armed: host, image, the disk it erases, the question."""

import re
from dataclasses import asdict
from typing import Any

from provisioner.agent import disks, protocol
from provisioner.discovery.hardware import agent_disk
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Hints
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError, RefusedError
from provisioner.power import registry
from provisioner.site.site import Site


def find_host(site: Site, text: str) -> Host:
    """A host by name, serial, or MAC in any notation. Raises NotFoundError or, for a bad MAC, InputError."""
    hosts = site.database.hosts.all()
    for host in hosts:
        if text in (host.name, host.serial):
            return host
    # a host's name has no colon and no dot, but may have dashes
    looks_like_mac = bool(re.fullmatch(r"\w+([:.]\w+)+|\w{1,2}(-\w{1,2}){4,}|[0-9a-fA-F-]{11,17}", text))
    mac = ""
    try:
        mac = parse_mac(text)
    except InputError:
        if looks_like_mac:
            raise
    for host in hosts:
        if mac and mac in host.macs:
            return host
    raise NotFoundError(
        f"no host has the {'MAC' if mac else 'name or serial'} {text}", hint="provision host list", code=121
    )


def find_image(site: Site, text: str) -> Image:
    """An image as `name@version`, or the newest added one of a name. Raises NotFoundError."""
    found = [image for image in site.database.images.all() if text in (image.id, image.name)]
    if not found:
        known = ", ".join(image.id for image in site.database.images.all()) or "none was added yet"
        raise NotFoundError(f"no image is called {text!r}", hint=f"known images: {known}", code=125)
    return max(found, key=lambda image: image.added)


def choose_image(site: Site, host: Host, text: str) -> Image:
    """What was asked for, else what the profile names. Raises NotFoundError, InputError."""
    profile = site.database.profiles.get(host.profile)
    wanted = text or profile.image
    if not wanted:
        raise InputError(
            f"no image is named for {host.name}", hint="provision deploy --image NAME[@VERSION]", code=126
        )
    image = find_image(site, wanted)
    installs = profile.method == "autoinstall" and profile.installer.flavour == "subiquity"
    _check_kind(image, "iso" if installs else "pack", f"the profile {profile.name}")
    return image


def choose_iso(site: Site, host: Host, image: Image) -> str:
    """The id of the installer that boots instead of the ramdisk, as the profile says; else empty.

    Raises NotFoundError, InputError.
    """
    profile = site.database.profiles.get(host.profile)
    if profile.method != "autoinstall":
        return ""
    if profile.installer.flavour == "subiquity":
        return image.id
    iso = find_image(site, profile.installer.iso)
    _check_kind(iso, "iso", f"autoinstall.iso of the profile {profile.name}")
    return iso.id


def _check_kind(image: Image, kind: str, who: str) -> None:
    words = {"pack": "a packed image", "iso": "an installer's ISO"}
    if image.kind != kind:
        raise InputError(
            f"{image.id} is {words[image.kind]}, {who} wants {words[kind]}",
            hint="provision image list shows the kinds; see method and autoinstall in profiles.yml",
            code=127,
        )


def make(site: Site, host: Host, image: Image) -> dict[str, Any]:
    """The plan as people see it: `host`, `image`, `erases`, `question`, `challenge`, `power`, `locked`."""
    profile = site.database.profiles.get(host.profile)
    hints = host.disk or profile.disks[0]
    hardware = site.database.hosts.hardware(host.name)
    serial = host.serial or (hardware.serial if hardware else "")
    last = site.database.deployments.last_of(host.name)
    return {
        "host": host.model_dump(mode="json"),
        "image": image.model_dump(mode="json") | {"id": image.id},
        "erases": _disk(site, host, hints),
        "holds": _holds(last),
        "challenge": (serial or host.macs[0].replace(":", ""))[-4:],
        "question": f"the last 4 of the {'serial' if serial else 'MAC'}",
        "serial": serial,
        "power": _power(host),
        "installer": choose_iso(site, host, image),
        "locked": host.locked,
    }


def check_foreign(plan: dict[str, Any], terms: Terms) -> None:
    """Raises RefusedError (PV-139) where the disk was last seen to hold what is not ours, without consent."""
    if plan["erases"]["foreign"] and not terms.erase_foreign:
        raise RefusedError(
            f"{plan['host']['name']}: {plan['erases']['name']} holds what is not ours to erase: "
            f"{plan['erases']['foreign']}",
            hint="is it the right disk? Then order with --erase-foreign",
            code=139,
        )


def confirm(plan: dict[str, Any], answer: str, *, yes: bool) -> None:
    """Raises RefusedError (PV-133) unless the operator's answer is the plan's challenge, or `yes`."""
    if yes or answer.strip().lower() == str(plan["challenge"]).lower():
        return
    raise RefusedError(
        f"{plan['host']['name']}: not confirmed, nothing was changed",
        hint=f"type {plan['question']}, or give --yes in a script",
        code=133,
    )


def _power(host: Host) -> str:
    return registry.find(host.bmc.driver, host.name).sentence(host.bmc)


def _holds(last: Deployment | None) -> str:
    return f"last deployed: {last.image}, {last.stage}" if last else ""


def _disk(site: Site, host: Host, hints: Hints) -> dict[str, Any]:
    """The disk last inventoried that fits the hints, else the hints and `seen: false`."""
    wanted = hints.model_dump(exclude_defaults=True)
    hardware = site.database.hosts.hardware(host.name)
    chosen = [disk for disk in (hardware.disks if hardware else ()) if _fits(hints, disk)]
    if len(chosen) == 1:
        foreign = disks.foreign_content(agent_disk(chosen[0]), host.name)
        return {"seen": True, "hints": wanted, **asdict(chosen[0]), "foreign": foreign}
    return {"seen": False, "hints": wanted, "foreign": ""}


def _fits(hints: Hints, disk: DiskInfo) -> bool:
    """A preview only: the agent decides, on the machine itself, by the same rule."""
    wanted = protocol.DiskHints(**hints.model_dump())
    return not disks.mismatches(agent_disk(disk), wanted)
