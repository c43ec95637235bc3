"""The deployment LAN: who gives addresses, who else answers, what can be booted."""

from pydantic import ConfigDict, Field

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.domain.bootfiles import TftpFile
from provisioner.domain.event import Event

# `dhcp.mode` of the settings, in words
MODES = {
    "authoritative": "this service gives the addresses",
    "proxy": "another server gives the addresses, this service the boot files",
    "external": "another server gives addresses and boot files",
}


class BootFileOffer(Resource):
    """What an architecture (option 93, RFC 4578) is given: a file's `name`, by HTTP or else by TFTP."""

    arch: int
    name: str
    http: bool


class OtherDhcpServer(Resource):
    """A DHCP server that is not ours.

    `offer` is the address that it offered last, `boots` what it named to boot; each empty for none.
    `since` and `heard` in seconds since 1970.
    """

    address: str
    mac: str
    interface: str
    offer: str = ""
    boots: str = ""
    since: float = 0
    heard: float = 0


class NetworkStatus(ServiceAnswer):
    """The LAN as the service sees it.

    `watched` says whether DHCP listens at all, `deaf` names the interfaces on which it cannot; `alone`
    whether no other server forbids deployments. The newest of `events` comes first.
    """

    mode: str
    interface: str
    address: str
    network: str
    url: str
    time_server: str
    watched: bool
    deaf: tuple[str, ...]
    alone: bool
    files: tuple[BootFileOffer, ...]
    tftp_files: tuple[TftpFile, ...]
    servers: tuple[OtherDhcpServer, ...]
    events: tuple[Event, ...]


class AddressLease(Resource):
    """Whose an address is.

    `kind`: `fixed` (a known card's or BMC's), `leased`, `offered` (not taken yet), or `seen`, where another
    server gives the addresses. `host` and `role` (`host`, `bmc`) are empty for strangers; `expires` and
    `last_seen` in seconds since 1970, 0 for never.
    """

    address: str
    mac: str
    kind: str
    host: str = ""
    role: str = ""
    expires: float = 0
    last_seen: float = 0


class LeaseList(ServiceAnswer):
    """The addresses that are somebody's now, by address, and the service's time `now`."""

    leases: tuple[AddressLease, ...]
    now: float


class ServerConfiguration(ServiceAnswer):
    """Configuration for the site's own server of that `kind`, as text."""

    kind: str
    text: str


class BootAnswer(Resource):
    """What a server named to boot: from where (`from` in JSON) and what."""

    model_config = ConfigDict(populate_by_name=True)

    server: str
    place: str = Field(alias="from")
    what: str


class ProbedClient(Resource):
    """One kind of machine: its name and option 93, what it was offered by each server, and what is wrong."""

    machine: str
    architecture: int
    addresses: dict[str, str]
    boots: tuple[BootAnswer, ...]
    fault: str = ""


class TftpFetch(Resource):
    """How a boot file was fetched: bytes, seconds, what is wrong (empty: it is the service's), what to do."""

    file: str
    size: int
    seconds: float
    fault: str = ""
    hint: str = ""


class NetworkCheck(NetworkStatus):
    """What the service says, and what was seen from the machine of `provision net check`.

    `note` says why nobody was `asked` or nothing `fetched` from there, `time_fault` what is wrong with the
    time server.
    """

    asked: tuple[ProbedClient, ...] = ()
    fetched: tuple[TftpFetch, ...] = ()
    note: str = ""
    time_fault: str = ""
