"""The DHCP service: the policy with the site's memory behind it; answers first, tells after."""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import IPv4Address
from typing import Any

from provisioner import catalogue, deploy
from provisioner.errors import TransitionError
from provisioner.model import Deployment, Stage
from provisioner.services.dhcp_leases import Leases
from provisioner.services.dhcp_loop import DhcpLoop
from provisioner.services.dhcp_packet import Packet
from provisioner.services.dhcp_policy import SERVER_PORT, DhcpConfig, Facts, Reply, Sighting, answer
from provisioner.services.router_advert import RouterAdvert
from provisioner.site import Site

log = logging.getLogger(__name__)
MOST_SIGHTINGS = 1000  # MACs kept between two writings; a flood of invented ones is counted, not kept


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer DHCP on the settings' interface until the process is ended. Raises ServiceError."""
    settings, evidence = site.settings, Evidence(site)
    leases = open_leases(site)
    config, facts = configure(site), Facts(is_bmc=lambda mac: _role(site, mac) == "bmc")

    def reply(request: Packet, now: float) -> Reply | None:
        return answer(request, config, leases, facts, now)

    def write_down() -> None:
        evidence.write()
        if leases.changed:
            leases.expire(site.clock())
            site.store.put_leases(leases.dump())

    loop = DhcpLoop(
        settings.interface, settings.address.ip, reply, evidence.saw, write_down, clock=site.clock
    )
    advert = RouterAdvert(settings.interface)
    threading.Thread(target=advert.run, name="router-advert", daemon=True).start()
    ready(f"dhcp: answering on {settings.interface}, {settings.address.ip}:{SERVER_PORT}/udp")
    loop.run()


def open_leases(site: Site) -> Leases:
    """The lease book: fixed addresses of known MACs, the discovery range for everybody else."""
    pool = site.settings.discovery_range

    def reservation(mac: str) -> IPv4Address | None:
        row = site.store.mac_row(mac)
        return IPv4Address(row["address"]) if row else None

    leases = Leases(pool.first, pool.last, reservation, lambda address: site.store.is_reserved(str(address)))
    leases.load(site.store.leases())
    return leases


def configure(site: Site) -> DhcpConfig:
    """What the settings let us give away."""
    settings = site.settings
    have = {name for name in catalogue.BOOT_FILES if catalogue.boot_file(settings.state, name)}
    return DhcpConfig(
        server=settings.address.ip,
        network=settings.address.network,
        url=settings.url,
        lease_seconds=settings.dhcp.lease_seconds,
        router=settings.dhcp.router,
        domain=settings.dhcp.domain,
        files=frozenset(have | {"snponly.efi", "undionly.kpxe"}),
    )


def _role(site: Site, mac: str) -> str:
    row = site.store.mac_row(mac)
    return str(row["role"]) if row else ""


class Evidence:
    """Who asked: the first packet of an armed MAC is told at once, everything else is written in batches."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waiting: dict[str, dict[str, Any]] = {}
        self._dropped = 0

    def saw(self, seen: Sighting) -> None:
        """Called after the reply has left."""
        row = self._waiting.get(seen.mac)
        if row is None and len(self._waiting) >= MOST_SIGHTINGS:
            self._dropped += 1
        else:
            count = row["count"] + 1 if row else 1
            data = asdict(seen)
            if row and not seen.boots:  # what its firmware said is worth more than what its system says
                data = row["data"] | {"hostname": seen.hostname}
            self._waiting[seen.mac] = {
                "mac": seen.mac,
                "time": seen.when,
                "count": count,
                "address": seen.ip,
                "data": data,
            }
        self._tell(seen)

    def _tell(self, seen: Sighting) -> None:
        host = self._site.store.host_by_mac(seen.mac) if seen.boots else None
        row = self._site.store.last_deployment(host.name) if host else None
        kind = event_kind(row, seen) if row else ""
        if row and kind:
            try:
                deploy.record(
                    self._site,
                    row.id,
                    kind,
                    source="dhcp",
                    address=seen.ip,
                    arch=seen.arch,
                    uuid=seen.uuid,
                    vendor_class=seen.vendor_class,
                )
            except TransitionError:
                log.debug("%s: %s came too late", row.id, kind)

    def write(self) -> None:
        """Write down what has gathered; called at most once a second."""
        if self._dropped:
            log.warning("%d requests of further MACs were not written down: a flood?", self._dropped)
        rows, self._waiting, self._dropped = list(self._waiting.values()), {}, 0
        if rows:
            self._site.store.put_sightings(rows)


def event_kind(row: Deployment, seen: Sighting) -> str:
    """What a boot request of the deployment's MAC means for it; empty when nothing."""
    if row.mac != seen.mac:
        return ""
    if row.stage == Stage.POWERING and row.nonce and seen.when >= row.power_on:
        return "dhcp.seen"
    if row.stage == Stage.WRITING and seen.boots:  # the ROM of a card under BIOS may itself be iPXE
        return "netboot.again"
    return ""
