"""What the DHCP service knows of hosts without asking the database for each packet: MACs and orders."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address

from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING, Stage
from provisioner.state.database import Database
from provisioner.state.macs import MacRow

REFRESH_SECONDS = 0.01  # for which the tables are believed without a look whether the database has changed
BOOT_STAGES = frozenset({Stage.POWERING, Stage.WRITING})  # stages for which a boot request means something


class HostCache:
    """The known MACs and the deployments under way, read again when another process has written.

    MACs are `aa:bb:cc:dd:ee:ff`; `clock` is monotonic, in seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._checked_at = -1.0
        self._version = -1
        self._rows: list[MacRow] = []
        self._macs: dict[str, tuple[IPv4Address, str]] = {}
        self._addresses: set[int] = set()  # by number: an address is slow to hash
        self._deployments: dict[str, tuple[str, Stage]] = {}  # by MAC: id and stage

    def refresh(self, *, now: bool = False) -> None:
        """Cheap enough for every packet; `now` after a write of our own, which is not seen otherwise."""
        moment = self._clock()
        if not now and moment - self._checked_at < REFRESH_SECONDS:
            return
        self._checked_at = moment
        version = self._database.data_version()
        if now or version != self._version:
            self._version = version
            rows = self._database.macs.all()
            if rows != self._rows:  # a storm of machines writes all the time, but not who they are
                self._rows = rows
                self._macs = {row.mac: (IPv4Address(row.address), row.role) for row in rows}
                self._addresses = {int(address) for address, _ in self._macs.values()}
            self._deployments = {
                mac: (ident, stage) for mac, ident, stage in self._database.deployments.orders()
            }

    def reservation(self, mac: str) -> IPv4Address | None:
        """The fixed address of a known MAC; None for others."""
        entry = self._macs.get(mac)
        return entry[0] if entry else None

    def is_reserved(self, address: IPv4Address) -> bool:
        """Whether the address is fixed for any MAC."""
        return int(address) in self._addresses

    def is_known(self, mac: str) -> bool:
        """Whether the MAC is that of a host or of a BMC."""
        return mac in self._macs

    def is_bmc(self, mac: str) -> bool:
        """Whether the MAC is that of a BMC."""
        entry = self._macs.get(mac)
        return entry is not None and entry[1] == "bmc"

    def is_under_way(self, mac: str) -> bool:
        """Whether a deployment of this MAC is not at rest."""
        return mac in self._deployments

    def order(self, mac: str) -> str:
        """The deployment for which a boot request of this MAC means something; empty for none."""
        ident, stage = self._deployments.get(mac, ("", Stage.QUEUED))
        return ident if stage in BOOT_STAGES else ""

    def set_stage(self, deployment: Deployment) -> None:
        """A stage that this service has just written: its own writing does not show as a change."""
        if deployment.stage in RESTING:
            self._deployments.pop(deployment.mac, None)
        else:
            self._deployments[deployment.mac] = (deployment.id, deployment.stage)
