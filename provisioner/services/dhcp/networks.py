"""The networks that are served: which one a request belongs to, and the lease pool of each."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.domain.bootfiles import USUAL
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.listener import PacketInfo
from provisioner.services.dhcp.packet import UNSPECIFIED, Packet
from provisioner.services.dhcp.policy import DhcpConfig, link_address
from provisioner.settings import Network
from provisioner.site.site import Site
from provisioner.state import boot_files
from provisioner.state.leases import LeaseRow


@dataclass(frozen=True, eq=False)
class ServedNetwork:
    """One network; without an `interface` it is behind a relay."""

    interface: str
    config: DhcpConfig
    leases: LeasePool


class ServedNetworks:
    """The main network, where known hosts have fixed addresses, and further ones."""

    def __init__(self, site: Site, hosts: HostCache) -> None:
        self.main = ServedNetwork(site.settings.interface, main_config(site), _main_leases(site, hosts))
        files, server = self.main.config.files, self.main.config.server
        further = [_further(site, network, hosts, files, server) for network in site.settings.networks]
        self._all = [self.main, *further]
        rows = site.database.leases.all()
        for network in self._all:
            network.leases.load(row for row in rows if IPv4Address(row.address) in network.config.network)

    @property
    def direct(self) -> list[ServedNetwork]:
        """Those at an interface of ours."""
        return [network for network in self._all if network.interface]

    def at_interface(self, name: str) -> ServedNetwork:
        """The network of one of our interfaces."""
        return next(network for network in self._all if network.interface == name)

    def containing(self, address: IPv4Address) -> ServedNetwork | None:
        """The network that an address lies in."""
        return next((network for network in self._all if address in network.config.network), None)

    def for_request(self, request: Packet, info: PacketInfo) -> ServedNetwork | None:
        """The network of the client: what its relay says, else the listener's; None for none of ours.

        Renewal, INFORM and RELEASE come by unicast past the relay (RFC 2131, 4.3.2 and 4.4.4): they belong to
        the network of the client's own address.
        """
        if request.giaddr != UNSPECIFIED:
            return self.containing(link_address(request))
        near = self.at_interface(info.listener.interface)
        if request.ciaddr == UNSPECIFIED or info.is_broadcast:
            return near
        return self.containing(request.ciaddr) or near

    def is_past_relay(self, request: Packet, info: PacketInfo) -> bool:
        """Whether a client of another network than the listener's speaks without a relay, by unicast."""
        near = self.at_interface(info.listener.interface)
        return request.giaddr == UNSPECIFIED and self.for_request(request, info) is not near

    @property
    def changed(self) -> bool:
        """Whether a lease has changed since it was last taken."""
        return any(network.leases.changed for network in self._all)

    def take_changes(self, now: float) -> tuple[list[LeaseRow], list[str]]:
        """Rows and forgotten MACs of all lease pools. A machine that has moved has its newest lease."""
        rows: dict[str, LeaseRow] = {}
        gone: set[str] = set()
        for network in self._all:
            if network.leases.changed:
                network.leases.expire(now)
                given, forgotten = network.leases.take_changes()
                rows |= {row.mac: row for row in given}
                gone.update(forgotten)
        return list(rows.values()), [mac for mac in gone if mac not in rows and not self._holds(mac)]

    def _holds(self, mac: str) -> bool:
        return any(network.leases.lease(mac) for network in self._all)


def main_config(site: Site) -> DhcpConfig:
    """What the settings let us give away on the main network."""
    settings = site.settings
    have = {name for name in boot_files.BOOT_FILES if boot_files.boot_file(settings.state, name)}
    return DhcpConfig(
        server=settings.address.ip,
        network=settings.address.network,
        url=settings.url,
        lease_seconds=settings.dhcp.lease_seconds,
        router=settings.dhcp.router,
        domain=settings.dhcp.domain,
        time_server=settings.dhcp.time_server,
        files=USUAL | have,
        name_servers=settings.name_servers,
    )


def _main_leases(site: Site, hosts: HostCache) -> LeasePool:
    """Fixed addresses of known MACs, the discovery range for everybody else."""
    pool = site.settings.discovery_range
    return LeasePool(pool.first, pool.last, hosts.reservation, hosts.is_reserved)


def _further(
    site: Site, further: Network, hosts: HostCache, files: frozenset[str], main: IPv4Address
) -> ServedNetwork:
    """Everybody there gets an address of its range; nothing in it is fixed."""
    server = further.address.ip if further.address else main
    config = DhcpConfig(
        server=server,
        network=further.net,
        url=site.settings.url_for(str(server)),
        lease_seconds=further.lease_seconds,
        router=further.router,
        domain=further.domain,
        search=(site.settings.dhcp.domain,),
        time_server=further.time_server,
        files=files,
        name_servers=(server,) if site.settings.name_servers else (),
    )
    return ServedNetwork(further.interface, config, LeasePool(further.range.first, further.range.last))
