"""The part of Ubuntu's autoinstall format, version 1, that we emit; nothing else can be said.

Source: the JSON schema that subiquity publishes (autoinstall-schema.json), which a test holds against this.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.domain.values import Mac, Name, Package, Url

Argument = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00\n\r]*$")]
Command = Annotated[tuple[Argument, ...], Field(min_length=1)]  # an argv list, never a line for a shell
Commands = Annotated[tuple[Command, ...], Field(min_length=1)]
Key = Annotated[
    str, Field(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+) [A-Za-z0-9+/=]+( [^\x00-\x1f]*)?$")
]
Place = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")]


class Section(BaseModel):
    """Frozen, strict about kinds and unknown keys; an underscore is a dash in the file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class Plain(Section):
    """A section whose keys have underscores upstream too."""

    model_config = ConfigDict(alias_generator=lambda name: name)


class Match(Plain):
    """Which disk: all that is set must fit. Of several that fit the installer takes any, hence `path`."""

    path: Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9/_-]+$")]
    serial: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    ssd: bool | None = None
    size: Literal["largest", "smallest"] | None = None


class Layout(Plain):
    """One root file system on the whole disk."""

    name: Literal["direct"] = "direct"
    match: Match


class Storage(Plain):
    """Where to install."""

    layout: Layout


class Identity(Plain):
    """The deployment's user; its password is locked, so nothing here is secret."""

    hostname: Name
    username: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
    realname: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f:,]*$")] = ""
    password: Literal["!"] = "!"  # noqa: S105  no hash of anything: the account is locked, shadow(5)


class Ssh(Section):
    """A key and no password."""

    install_server: Literal[True] = True
    allow_pw: Literal[False] = False
    authorized_keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=1)]


class Mirror(Plain):
    """One archive of packages."""

    uri: Url


class Mirrors(Plain):
    """The archives that are tried, in order."""

    primary: Annotated[tuple[Mirror, ...], Field(min_length=1)]


class Apt(Plain):
    """A site has its own mirror or none: without one only what the ISO holds is installed."""

    fallback: Literal["offline-install"] = "offline-install"
    geoip: Literal[False] = False
    mirror_selection: Annotated[Mirrors | None, Field(alias="mirror-selection")] = None


class Webhook(Plain):
    """Events are posted there as JSON."""

    type: Literal["webhook"] = "webhook"
    endpoint: Url
    level: Literal["DEBUG"] = "DEBUG"


class Keyboard(Plain):
    """Nobody types."""

    layout: Literal["us"] = "us"


class Refresh(Plain):
    """The installer of the ISO, not a newer one."""

    update: Literal[False] = False


class Source(Plain):
    """Which of the ISO's systems; the ISO's own choice without an id."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")] | None = None
    search_drivers: Literal[False] = False


class CardMatch(Plain):
    """A network card by its address."""

    macaddress: Mac


class Card(Section):
    """The deployment LAN's card; the DHCP client says the same id as its firmware did."""

    match: CardMatch
    dhcp4: Literal[True] = True
    dhcp_identifier: Literal["mac"] = "mac"


class Network(Plain):
    """netplan, version 2."""

    version: Literal[2] = 2
    ethernets: Annotated[dict[Literal["deploy"], Card], Field(min_length=1)]


class File(Plain):
    """A file that cloud-init writes."""

    path: Place
    permissions: Literal["0600", "0700"]
    content: str


class FirstBoot(Plain):
    """cloud-config of the installed system's first boot: new host keys, no updates, one phone-home."""

    ssh_deletekeys: Literal[True] = True
    ssh_genkeytypes: tuple[Literal["ed25519"], ...] = ("ed25519",)
    package_update: Literal[False] = False
    package_upgrade: Literal[False] = False
    write_files: Annotated[tuple[File, ...], Field(min_length=1)]
    runcmd: Commands


class Autoinstall(Section):
    """The section `autoinstall`. No section is interactive: the field does not exist here."""

    version: Literal[1] = 1
    refresh_installer: Refresh = Refresh()
    locale: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$")] = "C.UTF-8"
    keyboard: Keyboard = Keyboard()
    source: Source = Source()
    network: Network
    apt: Apt = Apt()
    storage: Storage
    identity: Identity
    ssh: Ssh
    packages: tuple[Package, ...] = ()
    updates: Literal["security"] = "security"  # the least that the format can say; offline it is nothing
    reporting: dict[Literal["provisioner"], Webhook] | None = None
    early_commands: Commands
    late_commands: tuple[Command, ...] = ()
    error_commands: tuple[Command, ...] = ()
    user_data: FirstBoot | None = None
    shutdown: Literal["reboot"] = "reboot"


class UserData(Plain):
    """The whole cloud-config that the live installer reads: its own files, and the answers."""

    write_files: Annotated[tuple[File, ...], Field(min_length=1)]
    autoinstall: Autoinstall

    def as_data(self) -> dict[str, Any]:
        """Plain data for YAML, without what is not said."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
