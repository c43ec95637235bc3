"""The networks that are served: which one a request belongs to, and the lease book of each."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.domain.bootfiles import USUAL
from provisioner.services.dhcp.leases import Leases
from provisioner.services.dhcp.loop import Came, Door
from provisioner.services.dhcp.memory import Memory
from provisioner.services.dhcp.packet import NOWHERE, Packet
from provisioner.services.dhcp.policy import DhcpConfig, link
from provisioner.settings import Network as Wanted
from provisioner.site.site import Site
from provisioner.state import boot_files
from provisioner.state.leases import LeaseRow


@dataclass(frozen=True, eq=False)
class Network:
    """One network; without an `interface` it is behind a relay."""

    interface: str
    config: DhcpConfig
    leases: Leases


class Networks:
    """The main network, where known hosts have fixed addresses, and further ones."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self.main = Network(site.settings.interface, main_config(site), _main_leases(site, memory))
        files, server = self.main.config.files, self.main.config.server
        further = [_further(site, one, memory, files, server) for one in site.settings.networks]
        self._all = [self.main, *further]
        rows = site.database.leases.all()
        for one in self._all:
            one.leases.load(row for row in rows if IPv4Address(row.address) in one.config.network)

    @property
    def direct(self) -> list[Network]:
        """Those at an interface of ours."""
        return [one for one in self._all if one.interface]

    def of_door(self, door: Door) -> Network:
        """The network of an interface."""
        return next(one for one in self._all if one.interface == door.interface)

    def containing(self, address: IPv4Address) -> Network | None:
        """The network that an address lies in."""
        return next((one for one in self._all if address in one.config.network), None)

    def choose(self, request: Packet, came: Came) -> Network | None:
        """The network of the client: what its relay says, else that of the door; None for none of ours."""
        if request.giaddr == NOWHERE:
            return self.of_door(came.door)
        return self.containing(link(request))

    @property
    def changed(self) -> bool:
        """Whether a lease has changed since it was last taken."""
        return any(one.leases.changed for one in self._all)

    def take_changes(self, now: float) -> tuple[list[LeaseRow], list[str]]:
        """Rows and forgotten MACs of all lease books. A machine that has moved has its newest lease."""
        rows: dict[str, LeaseRow] = {}
        gone: set[str] = set()
        for one in self._all:
            if one.leases.changed:
                one.leases.expire(now)
                given, forgotten = one.leases.take_changes()
                rows |= {row.mac: row for row in given}
                gone.update(forgotten)
        return list(rows.values()), [mac for mac in gone if mac not in rows and not self._holds(mac)]

    def _holds(self, mac: str) -> bool:
        return any(one.leases.lease(mac) for one in self._all)


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


def _main_leases(site: Site, memory: Memory) -> Leases:
    """Fixed addresses of known MACs, the discovery range for everybody else."""
    pool = site.settings.discovery_range
    return Leases(pool.first, pool.last, memory.reservation, memory.is_reserved)


def _further(site: Site, wanted: Wanted, memory: Memory, files: frozenset[str], main: IPv4Address) -> Network:
    """Everybody there gets an address of its range; nothing in it is fixed."""
    server = wanted.address.ip if wanted.address else main
    config = DhcpConfig(
        server=server,
        network=wanted.net,
        url=site.settings.url_for(str(server)),
        lease_seconds=wanted.lease_seconds,
        router=wanted.router,
        domain=wanted.domain,
        time_server=wanted.time_server,
        files=files,
        name_servers=(server,) if site.settings.name_servers else (),
    )
    return Network(wanted.interface, config, Leases(wanted.range.first, wanted.range.last))
