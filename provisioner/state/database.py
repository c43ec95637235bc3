"""What the service remembers: a table for each noun behind one database.

To add a table: write a migration in `state/schema.py` that creates it, and raise SCHEMA_VERSION there;
write `state/NOUN.py`: a frozen dataclass for its row, and a `Table` whose methods give and take it;
add that class to `Database` below; give it rows in `tests/golden/state` and a line in
`tests/unit/state/test_migration.py`, which counts the tables. Statements of one transaction stand within
`with database.writing():`; what must not stand alone calls `require_transaction` first.
"""

from pathlib import Path

from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.errors import UnreadableError
from provisioner.settings import AddressRange
from provisioner.state.acceptance_reports import AcceptanceReports
from provisioner.state.access_tokens import AccessTokens
from provisioner.state.audit import Audit
from provisioner.state.clock import ClockTable
from provisioner.state.connection import Connection
from provisioner.state.deployments import Deployments
from provisioner.state.events import Events
from provisioner.state.hosts import Hosts
from provisioner.state.images import Images
from provisioner.state.leases import Leases
from provisioner.state.macs import Macs
from provisioner.state.profiles import Profiles
from provisioner.state.requests import Requests
from provisioner.state.rotations import Rotations
from provisioner.state.runs import Runs
from provisioner.state.sealed_secrets import Secrets
from provisioner.state.sightings import Sightings
from provisioner.state.surveys import Surveys
from provisioner.state.transfers import Transfers
from provisioner.state.users import Users
from provisioner.state.values import Values
from provisioner.state.verifications import Verifications


class Database(Connection):
    """The one way to the database: `database.hosts.get(name)`, `with database.writing(): …`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.hosts = Hosts(self)
        self.macs = Macs(self)
        self.profiles = Profiles(self)
        self.images = Images(self)
        self.deployments = Deployments(self)
        self.events = Events(self)
        self.runs = Runs(self)
        self.sightings = Sightings(self)
        self.surveys = Surveys(self)
        self.transfers = Transfers(self)
        self.leases = Leases(self)
        self.requests = Requests(self)
        self.values = Values(self)
        self.clock = ClockTable(self)
        self.acceptance_reports = AcceptanceReports(self)
        self.verifications = Verifications(self)
        self.audit = Audit(self)
        self.secrets = Secrets(self)
        self.rotations = Rotations(self)
        self.users = Users(self)
        self.access_tokens = AccessTokens(self)

    def put_inventory(self, hosts: list[Host], profiles: list[Profile], pool: AddressRange) -> None:
        """Add or replace hosts and profiles in one transaction; each MAC gets a fixed address of `pool`.

        Raises RefusedError (PV-614) where the pool is full; then nothing is changed.
        """
        with self.writing():
            self.write_inventory(hosts, profiles, pool)

    def write_inventory(self, hosts: list[Host], profiles: list[Profile], pool: AddressRange) -> None:
        """As `put_inventory`, inside the caller's transaction."""
        self.require_transaction()
        for profile in profiles:
            self.db.table("profiles").upsert(
                {"name": profile.name, "body": profile.model_dump_json()}, pk="name"
            )
        for host in hosts:
            self.db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")
            self.macs.put(host, pool)

    def unreadable(self) -> list[UnreadableError]:
        """What lists leave out, and why: everything but evidence, which is read as far as it can be."""
        tables = (self.hosts, self.macs, self.profiles, self.images, self.runs, self.deployments)
        return [fault for table in tables for fault in table.unreadable()]
