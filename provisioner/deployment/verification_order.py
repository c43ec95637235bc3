"""Orders a verification by the ramdisk: a host that is at rest is restarted, and nothing is written."""

from provisioner.deployment import admission, order
from provisioner.domain import identity
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.purpose import Purpose
from provisioner.domain.stage import Stage
from provisioner.errors import NotFoundError
from provisioner.site.site import Site


def arm(site: Site, host: Host, *, by: str) -> Deployment:
    """Order it: one-shot, expiring, bound to one machine as a deployment is, and to no disk.

    Raises RefusedError (PV-131 locked, PV-132 under way, PV-570 verified over SSH, PV-670 another DHCP
    server), NotFoundError (PV-577: nothing of ours is on it).
    """
    with site.database.writing():
        admission.raise_first(admission.refusals_of_verification(site, host))
        deployed = site.database.deployments.last_written(host.name)
        if deployed is None:
            raise NotFoundError(
                f"{host.name} was never deployed, so nobody knows which disk is its own",
                hint="provision verify --local on the host itself needs no deployment",
                code=577,
            )
        return _write(site, host, deployed, by)


def _write(site: Site, host: Host, deployed: Deployment, by: str) -> Deployment:
    now = site.clock()
    hardware = site.database.hosts.hardware(host.name) or HardwareFacts()
    expires = now + site.settings.orders.expire_seconds
    row = Deployment(
        id=order.free_id(site, now),
        host=host.name,
        mac=host.macs[0],
        image=deployed.image,
        stage=Stage.QUEUED,
        stage_since=now,
        created=now,
        deadline=expires,
        expires=expires,
        armed_by=by,
        serial=identity.serial(host.serial) or identity.serial(hardware.serial),
        uuid=identity.uuid(host.uuid) or identity.uuid(hardware.uuid),
        erase=False,
        last_event_at=now,
        purpose=Purpose.VERIFY,
    )
    site.database.deployments.put(row)
    armed = OrderArmed(
        by=by,
        image=row.image,
        mac=row.mac,
        serial=row.serial,
        uuid=row.uuid,
        expires=expires,
        purpose=Purpose.VERIFY,
    )
    site.database.events.add(Event.of(row, armed, source=by, now=now))
    return row
