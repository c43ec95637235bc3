"""Arms a deployment: one-shot, expiring, bound to one machine."""

import secrets
from typing import Any

from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.event import Event
from provisioner.domain.host import Host
from provisioner.domain.image import Image, version_key
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import RefusedError
from provisioner.site import lan
from provisioner.site.site import Site

AS_USUAL = Terms()

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, sorts by time


def make_id(now: float) -> str:
    """A deployment id that sorts by time: `d-` and ten characters."""
    number, text = (int(now) << 18) | secrets.randbits(18), ""
    while number:
        number, digit = divmod(number, 32)
        text = _ALPHABET[digit] + text
    return "d-" + text.rjust(10, "0")


def check_version(site: Site, host: Host, image: Image, terms: Terms) -> None:
    """Raises RefusedError (PV-141) where a newer version of the image was written last.

    The disk itself does not say its version before it has booted; what was written last is known here.
    """
    last = site.database.deployments.last_written(host.name)
    if last is None or terms.allow_downgrade:
        return
    name, _, version = last.image.partition("@")
    if name == image.name and version_key(image.version) < version_key(version):
        raise RefusedError(
            f"{host.name} has {last.image} ({last.id}): {image.id} is older",
            hint="an older version may have known holes; if it is meant: --allow-downgrade",
            code=141,
        )


def arm(
    site: Site,
    host: Host,
    image: Image,
    *,
    by: str,
    stop_after: str = "",
    iso: str = "",
    run: str = "",
    terms: Terms = AS_USUAL,
) -> Deployment:
    """Order one deployment of `image` on `host`: one-shot, expiring, bound to MAC and known serial.

    `iso` is the id of the installer that boots instead of the ramdisk, if any.

    Raises:
        RefusedError: the host is locked (PV-131), has a deployment under way (PV-132) or a newer version
            of the image (PV-141); another DHCP server answers (PV-670).
    """
    lan.check_sole_server(site)
    now = site.clock()
    hardware = site.database.hosts.hardware(host.name)
    row = Deployment(
        id=make_id(now),
        host=host.name,
        mac=host.macs[0],
        image=image.id,
        stage=Stage.QUEUED,
        stage_since=now,
        created=now,
        deadline=now + site.settings.orders.expire_seconds,
        expires=now + site.settings.orders.expire_seconds,
        armed_by=by,
        serial=host.serial or (hardware.serial if hardware else ""),
        last_sign=now,
        stop_after=stop_after,
        run=run,
        iso=iso,
        write_mode=terms.write_mode,
        erase_foreign=terms.erase_foreign,
    )
    with site.database.writing():
        fresh = site.database.hosts.get(host.name)
        if fresh.locked:
            raise RefusedError(f"{host.name} is locked", hint=f"provision host unlock {host.name}", code=131)
        previous = site.database.deployments.last_of(host.name)
        if previous and previous.stage not in RESTING:
            raise RefusedError(
                f"{host.name} is being deployed already ({previous.id}, {previous.stage})",
                hint=f"provision watch {host.name}, or provision cancel {host.name}",
                code=132,
            )
        check_version(site, host, image, terms)
        while site.database.deployments.has(row.id):  # a rack ordered at once draws many in one second
            row = row.model_copy(update={"id": make_id(now)})
        site.database.deployments.put(row)
        data = {"by": by, "image": image.id, "mac": row.mac, "serial": row.serial, "expires": row.expires}
        data |= terms.model_dump(exclude_defaults=True)
        site.database.events.add(_event(row, "order.armed", by, data, now))
    return row


def _event(row: Deployment, kind: str, source: str, data: dict[str, Any], now: float) -> Event:
    return Event(
        time=now,
        host=row.host,
        deployment=row.id,
        attempt=row.attempt,
        kind=kind,
        source=source,
        data=data,
    )
