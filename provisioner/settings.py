"""The settings of one service: what the TOML file may say, checked and complete."""

import re
import tomllib
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from provisioner.errors import SettingsError
from provisioner.setting_sections import (
    MOST_WEBHOOKS,
    Acceptance,
    Access,
    Images,
    Logs,
    Mirror,
    Rehearsals,
    Retention,
    Secrets,
    Section,
    Webhook,
)
from provisioner.validation import sentences

SERVICES = ("dhcp", "tftp", "dns", "web", "worker")


class AddressRange(Section):
    """First and last address, both included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last


class Dhcp(Section):
    """Who gives the addresses, and what the DHCP service gives away."""

    mode: Literal["authoritative", "proxy", "external"] = Field(
        default="authoritative",
        description="this service gives addresses · another server gives them and this one the boot files"
        " · another server gives both",
    )
    hosts: AddressRange | None = Field(default=None, description="fixed addresses of known hosts")
    discovery: AddressRange | None = Field(default=None, description="addresses of unknown machines")
    lease_seconds: int = Field(default=3600, ge=120, description="for which an address is given")
    router: IPv4Address | None = Field(default=None, description="the way out; none: hosts have none")
    domain: str = Field(default="vaultcube.local", pattern=r"^[a-z0-9.-]+$", description="of all names")
    time_server: IPv4Address | None = Field(default=None, description="who tells hosts the time, by NTP")
    probe: bool = Field(
        default=True,
        description="ask by ARP (ICMP behind a relay) whether an address is used before a stranger gets it",
    )


class Network(Section):
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


class Tftp(Section):
    """How much TFTP does at once, and where."""

    per_address: int = Field(default=16, ge=1, le=4096, description="transfers of one address")
    at_once: int = Field(default=4096, ge=1, le=32768, description="transfers in all")
    also: tuple[IPv4Address | IPv6Address, ...] = Field(
        default=(), description="more of our own addresses to answer on"
    )


class Dns(Section):
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


class Orders(Section):
    """How long an order lives and how much runs at once."""

    expire_seconds: int = Field(
        4 * 3600, ge=60, description="a deployment that is not done by then has failed"
    )
    stagger_seconds: float = Field(default=2, ge=0, description="between two hosts that are powered on")
    at_once: int = Field(default=4, ge=1, description="deployments between powering and sealing at one time")


class Discovery(Section):
    """What a machine that nobody knows is given."""

    boot: bool = Field(default=False, description="start the ramdisk there, for the inventory only")


class Settings(Section):
    """All settings. `state` and `keys` are folders; `address` carries the prefix length."""

    state: Path = Field(default=Path("/var/lib/provisioner"), description="all that the service writes")
    interface: str = Field(pattern=r"^[\w.@-]{1,15}$", description="at the deployment LAN")
    address: IPv4Interface = Field(description="the service's own at that interface, with the prefix length")
    http_port: int = Field(default=80, ge=1, le=65535, description="of machines")
    https_port: int = Field(
        default=443, ge=0, le=65535, description="of people and programs; 0: by Unix sockets alone"
    )
    services: tuple[str, ...] = Field(default=SERVICES, description="those that are started")
    dhcp: Dhcp = Dhcp()
    tftp: Tftp = Tftp()
    dns: Dns = Dns()
    orders: Orders = Orders()
    discovery: Discovery = Discovery()
    mirror: Mirror = Mirror()
    images: Images = Images()
    access: Access = Access()
    acceptance: Acceptance = Acceptance()
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
    rehearsals: Rehearsals = Rehearsals()
    logs: Logs = Logs()
    networks: tuple[Network, ...] = ()
    webhooks: tuple[Webhook, ...] = Field(default=(), max_length=MOST_WEBHOOKS)

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
        if len({webhook.name for webhook in self.webhooks}) < len(self.webhooks):
            raise ValueError("webhooks: two have the same name")
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

    @property
    def api_url(self) -> str:
        """Where people and programs find the API over the network; no path."""
        return self.api_url_as(str(self.address.ip))

    def api_url_as(self, name: str) -> str:
        """Likewise, under one of `api_names`."""
        port = "" if self.https_port == 443 else f":{self.https_port}"
        return f"https://{name}{port}"

    @property
    def api_names(self) -> frozenset[str]:
        """What the Host header of a call over the network may say, without the port."""
        own = {"localhost", "127.0.0.1", f"provision.{self.dhcp.domain}"}
        return frozenset({*own, *map(str, self.addresses), *self.access.names})

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
FIXED = (
    "state",
    "secrets",
    "logs",
    "interface",
    "address",
    "http_port",
    "https_port",
    "services",
    "dhcp",
    "networks",
)


def successor(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """What holds after the file was read again, and the keys that need a start to hold."""
    unchanged = {name: getattr(old, name) for name in FIXED if getattr(old, name) != getattr(new, name)}
    changes: dict[str, object] = dict(unchanged)
    if old.access.socket != new.access.socket:
        unchanged["access.socket"] = old.access.socket
        changes["access"] = new.access.model_copy(update={"socket": old.access.socket})
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
