"""Arms a deployment: one-shot, expiring, bound to one machine."""

import secrets

from provisioner.deployment import admission, plan, ssh_keys, target_disk
from provisioner.domain import identity
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.image import Image
from provisioner.domain.profile import Hints
from provisioner.domain.stage import Stage
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
    shown: str = "",
) -> Deployment:
    """Order one deployment of `image` on `host`: one-shot, expiring, bound to one machine and one disk.

    MAC, serial, UUID and disk are frozen in it as far as they are known: what the inventory or the last hello
    says. What becomes known later is compared with them.

    `iso` is the id of the installer that boots instead of the ramdisk, if any. `shown` is the digest of the
    plan that was shown, empty where none was.

    Raises what `admission.check` raises; RefusedError (PV-146) where the plan has another digest by now.
    Nothing was ordered then.
    """
    with site.database.writing():
        return write_order(
            site, host, image, by=by, stop_after=stop_after, iso=iso, run=run, terms=terms, shown=shown
        )


def write_order(
    site: Site,
    host: Host,
    image: Image,
    *,
    by: str,
    stop_after: str = "",
    iso: str = "",
    run: str = "",
    terms: Terms = AS_USUAL,
    shown: str = "",
) -> Deployment:
    """As `arm`, inside the caller's transaction; the order of another host may follow."""
    site.database.require_transaction()
    now = site.clock()
    admission.check(site, host, image, terms)
    if shown:
        host, image = site.database.hosts.get(host.name), plan.find_image(site, image.id)
        plan.require_shown(plan.make(site, host, image, terms), shown)
    hardware = site.database.hosts.hardware(host.name) or HardwareFacts()
    expires = now + site.settings.orders.expire_seconds
    row = Deployment(
        id=free_id(site, now),
        host=host.name,
        mac=host.macs[0],
        image=image.id,
        stage=Stage.QUEUED,
        stage_since=now,
        created=now,
        deadline=expires,
        expires=expires,
        armed_by=by,
        serial=identity.serial(host.serial) or identity.serial(hardware.serial),
        uuid=identity.uuid(host.uuid) or identity.uuid(hardware.uuid),
        hints=target_disk.hints(site, host),
        target=target_disk.shown(site, host),
        last_event_at=now,
        stop_after=stop_after,
        run=run,
        iso=iso,
        write_mode=terms.write_mode,
        erase_foreign=terms.erase_foreign,
        restart=site.database.profiles.get(host.profile).restart,
    )
    ssh_keys.make(site, row.id, row.host)
    site.database.deployments.put(row)
    site.database.events.add(Event.of(row, _armed(row, terms), source=by, now=now))
    return row


def free_id(site: Site, now: float) -> str:
    """An id that nobody has: a rack ordered at once draws many in one second."""
    ident = make_id(now)
    while site.database.deployments.has(ident):
        ident = make_id(now)
    return ident


def _armed(row: Deployment, terms: Terms) -> OrderArmed:
    return OrderArmed(
        by=row.armed_by,
        image=row.image,
        mac=row.mac,
        serial=row.serial,
        uuid=row.uuid,
        target=row.target,
        hints=row.hints or Hints(),
        expires=row.expires,
        **terms.model_dump(exclude_defaults=True),
    )
