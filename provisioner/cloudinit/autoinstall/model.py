"""The part of Ubuntu's autoinstall format, version 1, that we emit; nothing else can be said.

Source: the JSON schema that subiquity publishes (autoinstall-schema.json), which a test holds against this.
"""

from typing import Annotated, Literal

from pydantic import Field

from provisioner.cloudinit.cloud_config import (
    Command,
    Commands,
    NetplanConfig,
    PlainSection,
    Section,
    WriteFile,
)
from provisioner.domain.values import Name, Package, Url

Key = Annotated[
    str, Field(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+) [A-Za-z0-9+/=]+( [^\x00-\x1f]*)?$")
]


class DiskMatch(PlainSection):
    """Which disk, by its path: of several that fit anything else the installer would take any."""

    path: Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9/_-]+$")]


class DirectLayout(PlainSection):
    """subiquity's guided layout `direct`: one root file system on the whole disk."""

    name: Literal["direct"] = "direct"
    match: DiskMatch


class StorageSection(PlainSection):
    """The section `storage`, guided."""

    layout: DirectLayout


class IdentitySection(PlainSection):
    """The deployment's user; its password is locked, so nothing here is secret."""

    hostname: Name
    username: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
    realname: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f:,]*$")] = ""
    password: Literal["!"] = "!"  # noqa: S105  no hash of anything: the account is locked, shadow(5)


class SshSection(Section):
    """The section `ssh`: a server with one key and no password."""

    install_server: Literal[True] = True
    allow_pw: Literal[False] = False
    authorized_keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=1)]


class PrimaryMirror(PlainSection):
    """An archive of packages by its URL."""

    uri: Url


class MirrorSelection(PlainSection):
    """`apt.mirror-selection`: the archives that are tried, in order."""

    primary: Annotated[tuple[PrimaryMirror, ...], Field(min_length=1)]


class AptSection(PlainSection):
    """A site has its own mirror or none: without one only what the ISO holds is installed."""

    fallback: Literal["offline-install"] = "offline-install"
    geoip: Literal[False] = False
    mirror_selection: Annotated[MirrorSelection | None, Field(alias="mirror-selection")] = None


class Webhook(PlainSection):
    """A handler of `reporting`: events are posted to `endpoint` as JSON."""

    type: Literal["webhook"] = "webhook"
    endpoint: Url
    level: Literal["DEBUG"] = "DEBUG"


class KeyboardSection(PlainSection):
    """The section `keyboard`: nobody types, so the installer's own default."""

    layout: Literal["us"] = "us"


class RefreshInstaller(PlainSection):
    """The section `refresh-installer`: the installer of the ISO, not a newer one."""

    update: Literal[False] = False


class InstallSource(PlainSection):
    """Which of the ISO's systems; the ISO's own choice without an id."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")] | None = None
    search_drivers: Literal[False] = False


class FirstBootConfig(PlainSection):
    """cloud-config of the installed system's first boot: new host keys, no updates, one phone-home."""

    ssh_deletekeys: Literal[True] = True
    ssh_genkeytypes: tuple[Literal["ed25519"], ...] = ("ed25519",)
    package_update: Literal[False] = False
    package_upgrade: Literal[False] = False
    write_files: Annotated[tuple[WriteFile, ...], Field(min_length=1)]
    runcmd: Commands


class AutoinstallSection(Section):
    """The section `autoinstall`. No section is interactive: the field does not exist here."""

    version: Literal[1] = 1
    refresh_installer: RefreshInstaller = RefreshInstaller()
    locale: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$")] = "C.UTF-8"
    keyboard: KeyboardSection = KeyboardSection()
    source: InstallSource = InstallSource()
    network: NetplanConfig
    apt: AptSection = AptSection()
    storage: StorageSection
    identity: IdentitySection
    ssh: SshSection
    packages: tuple[Package, ...] = ()
    updates: Literal["security"] = "security"  # the least that the format can say; offline it is nothing
    reporting: dict[Literal["provisioner"], Webhook] | None = None
    early_commands: Commands
    late_commands: tuple[Command, ...] = ()
    error_commands: tuple[Command, ...] = ()
    user_data: FirstBootConfig | None = None
    shutdown: Literal["reboot"] = "reboot"


class UserData(PlainSection):
    """The whole cloud-config that the live installer reads: its own files, and the answers."""

    write_files: Annotated[tuple[WriteFile, ...], Field(min_length=1)]
    autoinstall: AutoinstallSection
