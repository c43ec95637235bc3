"""What can be asked of the service and told it, as typed calls; each raises what the service refuses."""

from collections.abc import Sequence

from provisioner.api.answer import EventQuery, Removal
from provisioner.api.hosts import (
    HistoryQuery,
    HostAnswer,
    HostDetails,
    HostHistory,
    HostList,
    HostMove,
    HostRename,
    HostRendering,
    HostStatus,
    InventoryApplied,
    InventoryUpdate,
)
from provisioner.api.machines import Adoption, HostAdopted, MachineList, MachineQuery
from provisioner.api.net import AddressLease, LeaseList, NetworkStatus, ServerConfiguration
from provisioner.api.service import ServiceChecks, ServiceStatus
from provisioner.api.sightings import DhcpSighting, SightingList
from provisioner.client.audit import AuditCalls
from provisioner.client.bmc import BmcCalls
from provisioner.client.catalogue import CatalogueCalls
from provisioner.client.orders import OrderCalls
from provisioner.client.people import PeopleCalls
from provisioner.client.request import request
from provisioner.client.transport import PATIENCE, quoted
from provisioner.client.verifications import VerificationCalls
from provisioner.domain.check_line import CheckLine
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile


class Client(OrderCalls, CatalogueCalls, BmcCalls, VerificationCalls, AuditCalls, PeopleCalls):
    """One service. `wait` is always in seconds, `after` the id of the last event that is known."""

    def service(self) -> ServiceStatus:
        """Version, interface, URL, counts."""
        return self.get(ServiceStatus, "/service")

    def checks(self) -> tuple[CheckLine, ...]:
        """What the service finds of itself and its machine."""
        return self.get(ServiceChecks, "/check").checks

    def hosts(self) -> tuple[HostStatus, ...]:
        """Every host with its last deployment."""
        return self.get(HostList, "/hosts").hosts

    def host(self, text: str) -> HostDetails:
        """One host by name, serial or MAC, with its hardware."""
        return self.get(HostDetails, f"/hosts/{quoted(text)}")

    def apply(
        self,
        hosts: Sequence[Host],
        profiles: Sequence[Profile],
        *,
        remove_hosts: Sequence[str] = (),
        remove_profiles: Sequence[str] = (),
        dry_run: bool = False,
        only_new: bool = False,
        shown: Sequence[HostStatus] | None = None,
    ) -> InventoryApplied:
        """Add or replace hosts and profiles, and remove others, all or none; only what was set is sent.

        With `dry_run` the service checks it only; with `only_new` a host that is known is refused.
        `shown` are the hosts as they were when it was made out of them: it is refused (PV-146) where one that
        is named is otherwise by now.
        """
        named = {host.name for host in hosts} | set(remove_hosts)
        update = InventoryUpdate(
            hosts=tuple(hosts),
            profiles=tuple(profiles),
            remove_hosts=tuple(remove_hosts),
            remove_profiles=tuple(remove_profiles),
            dry_run=dry_run,
            only_new=only_new,
            shown=None if shown is None else tuple(one.as_host() for one in shown if one.name in named),
        )
        return self.post(InventoryApplied, "/hosts", update)

    def lock(self, text: str, *, locked: bool) -> HostStatus:
        """Lock or unlock a host."""
        path = f"/hosts/{quoted(text)}/{'lock' if locked else 'unlock'}"
        return self.post(HostAnswer, path).host

    def remove_host(self, text: str, *, dry_run: bool = False) -> HostStatus:
        """Forget a host; what was known of it. With `dry_run` it is only asked whether that can be."""
        body = Removal(dry_run=dry_run)
        return self.post(HostAnswer, f"/hosts/{quoted(text)}/remove", body).host

    def rename_host(self, text: str, name: str) -> HostStatus:
        """Call a host otherwise."""
        body = request(HostRename, name=name)
        return self.post(HostAnswer, f"/hosts/{quoted(text)}/rename", body).host

    def move_host(self, shown: tuple[Host, Host], *, dry_run: bool = False) -> HostStatus:
        """Let the second host be the machine of the first, which is no more; refused if one was changed.

        With `dry_run` it is only asked whether that can be.
        """
        source, target = shown
        body = request(HostMove, to=target.name, shown=shown, dry_run=dry_run)
        return self.post(HostAnswer, f"/hosts/{quoted(source.name)}/move", body).host

    def history(self, text: str, limit: int) -> HostHistory:
        """A host's orders and changes, the newest first."""
        return self.get(HostHistory, f"/hosts/{quoted(text)}/history", request(HistoryQuery, limit=limit))

    def render(self, text: str) -> HostRendering:
        """Boot script and seed of a host, as they would be served now and as they were last."""
        return self.get(HostRendering, f"/hosts/{quoted(text)}/render")

    def sightings(self) -> tuple[DhcpSighting, ...]:
        """The MACs that asked by DHCP."""
        return self.get(SightingList, "/sightings").sightings

    def machines(self, after: float = 0, wait: float = 0) -> MachineList:
        """Machines that nobody knows; waits for one that was seen later than `after` (seconds since 1970)."""
        query = MachineQuery(after=after, wait=wait)
        return self.get(MachineList, "/machines", query, patience=PATIENCE + wait)

    def adopt(self, text: str, adoption: Adoption) -> Host:
        """Make a host of an unknown machine."""
        return self.post(HostAdopted, f"/machines/{quoted(text)}/adopt", adoption).host

    def net(self, after: int = 0, wait: float = 0) -> NetworkStatus:
        """The deployment LAN; waits for an event of it above `after`."""
        return self.get(NetworkStatus, "/net", EventQuery(after=after, wait=wait), patience=PATIENCE + wait)

    def leases(self) -> tuple[AddressLease, ...]:
        """Whose each address of the deployment LAN is."""
        return self.get(LeaseList, "/net/leases").leases

    def net_print(self, kind: str) -> ServerConfiguration:
        """Configuration for the site's own `dnsmasq`, `kea`, `isc` or `chrony`."""
        return self.get(ServerConfiguration, f"/net/print/{quoted(kind)}")
