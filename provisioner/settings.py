"""The settings of one service: what the TOML file may say, checked and complete."""

import re
import tomllib
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from provisioner.errors import SettingsError
from provisioner.validation import sentences

SERVICES = ("dhcp", "tftp", "dns", "web", "worker")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddressRange(_Section):
    """First and last address, both included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last


class Dhcp(_Section):
    """Who gives the addresses, and what the DHCP service gives away."""

    mode: Literal["authoritative", "proxy", "external"] = Field(
        default="authoritative",
        description="this service gives addresses · another server gives them and this one the boot files"
        " · another server gives both",
    )
    hosts: AddressRange | None = Field(default=None, description="fixed addresses of known hosts")
    discovery: AddressRange | None = Field(default=None, description="addresses of unknown machines")
    lease_seconds: int = Field(default=3600, ge=120)
    router: IPv4Address | None = None
    domain: str = Field(default="vaultcube.local", pattern=r"^[a-z0-9.-]+$")
    time_server: IPv4Address | None = Field(default=None, description="who tells hosts the time, by NTP")
    probe: bool = Field(
        default=True,
        description="ask by ARP (ICMP behind a relay) whether an address is used before a stranger gets it",
    )


class Network(_Section):
    """A further network: at an interface of ours, with our address there, or `subnet`, behind a relay."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    interface: str = Field(default="", pattern=r"^([\w.@-]{1,15})?$")
    address: IPv4Interface | None = None
    subnet: IPv4Network | None = None
    range: AddressRange = Field(description="the addresses that are given there")
    router: IPv4Address | None = None
    lease_seconds: int = Field(default=3600, ge=120)
    domain: str = Field(default="vaultcube.local", pattern=r"^[a-z0-9.-]+$")
    time_server: IPv4Address | None = None

    @model_validator(mode="after")
    def _is_direct_or_relayed(self) -> Self:
        if bool(self.interface) != bool(self.address) or bool(self.interface) == bool(self.subnet):
            raise ValueError(f"{self.name}: give interface and address, or subnet where it is behind a relay")
        if self.range.first not in self.net or self.range.last not in self.net:
            raise ValueError(f"{self.name}: range does not lie in {self.net}")
        if self.range.first > self.range.last or (self.address and self.address.ip in self.range):
            raise ValueError(f"{self.name}: range is empty, or contains the service's own address")
        return self

    @property
    def net(self) -> IPv4Network:
        """The network itself."""
        net = self.address.network if self.address else self.subnet
        assert net is not None  # noqa: S101  the validator has seen to it
        return net


class Tftp(_Section):
    """How much TFTP does at once, and where."""

    per_address: int = Field(default=16, ge=1, le=4096, description="transfers of one address")
    at_once: int = Field(default=4096, ge=1, le=32768, description="transfers in all")
    also: tuple[IPv4Address | IPv6Address, ...] = Field(
        default=(), description="more of our own addresses to answer on"
    )


class Dns(_Section):
    """The names of the site: provision, apt, images, every host, below dhcp.domain."""

    names: dict[str, tuple[IPv4Address | IPv6Address, ...]] = Field(
        default={}, description="more names below the domain, each with its addresses"
    )
    also: tuple[IPv4Address | IPv6Address, ...] = Field(
        default=(), description="more of our own addresses to answer on; the service's names have them too"
    )
    forward: IPv4Address | IPv6Address | None = Field(
        default=None, description="the server that is asked for names of others; none: they are refused"
    )

    @model_validator(mode="after")
    def _names_are_names(self) -> Self:
        for name in self.names:
            if not re.fullmatch(r"(?=.{1,190}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name):
                raise ValueError(f"names: {name!r} is no name; lower case, without the domain")
        return self


class Orders(_Section):
    """How long an order lives and how much runs at once."""

    expire_seconds: int = Field(
        4 * 3600, ge=60, description="a deployment that is not done by then has failed"
    )
    stagger_seconds: float = Field(default=2, ge=0, description="between two hosts that are powered on")
    at_once: int = Field(default=4, ge=1, description="deployments between powering and sealing at one time")


class Discovery(_Section):
    """What a machine that nobody knows is given."""

    boot: bool = Field(default=False, description="start the ramdisk there, for the inventory only")


class Mirror(_Section):
    """The site mirror, read by whoever is on the LAN: at the root of its own name, and below /mirror/."""

    name: str = Field(
        default="apt.vaultcube.local", pattern=r"^[a-z0-9.-]+$", description="the Host that means it"
    )
    path: Path | None = Field(default=None, description="the folder of provision mirror make; none: off")


class Images(_Section):
    """How the bytes of images reach the hosts."""

    streams: int = Field(default=8, ge=1, le=64, description="hosts that fetch at one time; the others wait")
    url: str = Field(
        default="",
        pattern=r"^(http://[A-Za-z0-9.-]+(:\d{1,5})?)?$",
        description="where hosts fetch packs, where that is not this service",
    )
    accel: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9_/-]*[A-Za-z0-9_-])?$",
        description="nginx's internal location of STATE/images: its sendfile gives the bytes",
    )


class Acceptance(_Section):
    """How hosts are accepted, beside what their profiles say."""

    checks: Path = Field(
        default=Path("/etc/provisioner/checks"),
        description="the folder of the site's own checks; a profile approves each by its SHA-256",
    )


class Secrets(_Section):
    """What opens the site's secrets, where no credential of systemd does: a passphrase, else a file."""

    key_file: Path | None = Field(None, description="the key; none: secrets.key in STATE-keys beside STATE")
    passphrase_file: Path | None = Field(None, description="its first line is a passphrase")
    ask: bool = Field(False, description="ask for the passphrase on the terminal at each start")


class Retention(_Section):
    """For how many days what has ended is kept; orders and verdicts for ever, unless set."""

    logs_days: int = Field(
        90, ge=1, le=36500, description="logs, consoles and Ansible's files of what has ended; BMC requests"
    )
    events_days: int = Field(
        365, ge=1, le=36500, description="their events that led to no other stage, and events of the network"
    )
    deployments_days: int = Field(default=0, ge=0, le=36500, description="deployments; 0 for ever")
    audit_days: int = Field(default=0, ge=0, le=36500, description="lines of the audit; 0 for ever")


class Settings(_Section):
    """All settings. `state` and `keys` are folders; `address` carries the prefix length."""

    state: Path = Path("/var/lib/provisioner")
    interface: str = Field(pattern=r"^[\w.@-]{1,15}$")
    address: IPv4Interface
    http_port: int = Field(default=80, ge=1, le=65535)
    services: tuple[str, ...] = SERVICES
    dhcp: Dhcp = Dhcp()
    tftp: Tftp = Tftp()
    dns: Dns = Dns()
    orders: Orders = Orders()
    discovery: Discovery = Discovery()
    mirror: Mirror = Mirror()
    images: Images = Images()
    acceptance: Acceptance = Acceptance()
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
    networks: tuple[Network, ...] = ()

    @model_validator(mode="after")
    def _ranges_lie_in_the_network(self) -> Self:
        network = self.address.network
        if network.num_addresses < 16:
            raise ValueError(f"address: {network} is too small, take /28 or larger")
        for name, pool in (("hosts", self.hosts_range), ("discovery", self.discovery_range)):
            if pool.first not in network or pool.last not in network or pool.first > pool.last:
                raise ValueError(f"dhcp.{name}: {pool.first}-{pool.last} does not lie in {network}")
            if self.address.ip in pool:
                raise ValueError(f"dhcp.{name}: contains the service's own address {self.address.ip}")
        if self.hosts_range.first <= self.discovery_range.last and (
            self.discovery_range.first <= self.hosts_range.last
        ):
            raise ValueError("dhcp.hosts and dhcp.discovery overlap")
        self._check_networks()
        unknown = set(self.services) - set(SERVICES)
        if unknown:
            raise ValueError(f"services: {', '.join(sorted(unknown))} unknown; one of {', '.join(SERVICES)}")
        return self

    def _check_networks(self) -> None:
        earlier = {"the main one": self.address.network}
        for network in self.networks:
            for name, net in earlier.items():
                if net.overlaps(network.net) or name == network.name:
                    raise ValueError(f"networks: {network.name} ({network.net}) overlaps {name} ({net})")
            if network.interface == self.interface:
                raise ValueError(f"networks: {network.name} is at the main interface {network.interface}")
            earlier[network.name] = network.net

    @property
    def hosts_range(self) -> AddressRange:
        """Where known hosts live: the network's second quarter unless set."""
        return self.dhcp.hosts or self._quarter(1)

    @property
    def discovery_range(self) -> AddressRange:
        """Where unknown machines live: the network's third quarter unless set."""
        return self.dhcp.discovery or self._quarter(2)

    def _quarter(self, number: int) -> AddressRange:
        network = self.address.network
        size = network.num_addresses // 4
        first = network.network_address + size * number
        return AddressRange(first=first, last=first + size - 1)

    @property
    def name_servers(self) -> tuple[IPv4Address, ...]:
        """What hosts are given as name server: ourselves, where the service runs."""
        return (self.address.ip,) if "dns" in self.services else ()

    @property
    def url(self) -> str:
        """Where hosts of the main network find the service; no path."""
        return self._url(self.address.ip)

    def url_for(self, address: str) -> str:
        """Where whoever has this address finds the service: at our address in his own network, if any."""
        try:
            asker = IPv4Address(address)
        except AddressValueError:
            return self.url
        ours = (
            network.address.ip
            for network in self.networks
            if network.address and asker in network.address.network
        )
        return self._url(next(ours, self.address.ip))

    def is_ours(self, address: str) -> bool:
        """Whether an address lies in a network that is served."""
        try:
            asker = IPv4Address(address)
        except AddressValueError:
            return False
        return any(
            asker in net for net in (self.address.network, *(network.net for network in self.networks))
        )

    def is_front(self, address: str) -> bool:
        """Whether who hands requests for images on to us may have this address: ours, or its own."""
        own = {"127.0.0.1", *map(str, self.addresses), urlsplit(self.images.url).hostname or ""}
        return bool(self.images.url) and address in own

    def _url(self, address: IPv4Address) -> str:
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return f"http://{address}{port}"

    @property
    def addresses(self) -> tuple[IPv4Address, ...]:
        """The service's own addresses, that of the main network first."""
        return (self.address.ip, *(network.address.ip for network in self.networks if network.address))

    @property
    def processes(self) -> tuple[str, ...]:
        """The services, each of which is a process; the operators' socket is one of its own beside `web`."""
        return (*self.services, "api") if "web" in self.services else self.services

    @property
    def socket(self) -> Path:
        """The Unix socket that the command line on the same machine uses."""
        return self.state / "api.sock"


# sockets and files are open by then
FIXED = ("state", "secrets", "interface", "address", "http_port", "services", "dhcp", "networks")


def successor(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """What holds after the file was read again, and the keys that need a start to hold."""
    unchanged = {name: getattr(old, name) for name in FIXED if getattr(old, name) != getattr(new, name)}
    changes: dict[str, object] = dict(unchanged)
    for section in ("tftp", "dns"):
        before, after = getattr(old, section), getattr(new, section)
        if before.also != after.also:
            unchanged[f"{section}.also"] = before.also
            changes[section] = after.model_copy(update={"also": before.also})
    return new.model_copy(update=changes), list(unchanged)


def load(path: Path, **overrides: object) -> Settings:
    """Settings from a TOML file; values given on the command line win.

    Raises:
        SettingsError: not readable, not TOML, unknown keys, values out of range; each named.
    """
    try:
        body = tomllib.loads(path.read_text())
    except OSError as fault:
        raise SettingsError(f"{path}: {fault.strerror}", hint="provision serve --settings FILE") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path}: not TOML: {fault}") from fault
    return check({**body, **overrides}, source=str(path))


def check(body: Mapping[str, object], *, source: str) -> Settings:
    """Settings from plain data with the keys of the TOML file; `source` names it in the error.

    Raises SettingsError (PV-610) that names every fault.
    """
    try:
        return Settings.model_validate(body)
    except ValidationError as fault:
        raise SettingsError(f"{source}: {sentences(fault)}", hint="see systemd/provisioner.toml") from fault
