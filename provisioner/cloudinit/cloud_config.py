"""What cloud-init is told, as models: the parts of cloud-config, NoCloud and netplan that we emit."""

from collections.abc import Mapping
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from provisioner.domain.values import Mac

Argument = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00\n\r]*$")]
Command = Annotated[tuple[Argument, ...], Field(min_length=1)]  # an argv list, never a line for a shell
Commands = Annotated[tuple[Command, ...], Field(min_length=1)]
FilePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")]
HEAD = "#cloud-config\n"  # the first line by which cloud-init knows the format


class Section(BaseModel):
    """Frozen, strict about kinds and unknown keys; an underscore is a dash in the file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class PlainSection(Section):
    """A section whose keys have underscores upstream too."""

    model_config = ConfigDict(alias_generator=lambda name: name)


class MetaData(Section):
    """NoCloud's meta-data: a new `instance_id` makes cloud-init run as at a first boot."""

    instance_id: str
    local_hostname: str | None = None


class WriteFile(PlainSection):
    """A file that cloud-init writes (its module write_files)."""

    path: FilePath
    permissions: Literal["0600", "0700"]
    content: str


class User(PlainSection):
    """An account without a password (its module users-groups); keys are OpenSSH public keys, a line each."""

    name: str
    gecos: str
    shell: Literal["/bin/sh"] = "/bin/sh"
    lock_passwd: Literal[True] = True
    sudo: str
    ssh_authorized_keys: tuple[str, ...]


class HostConfig(PlainSection):
    """cloud-config of a host that was just written: its name, our account, new host keys, one phone-home."""

    hostname: str
    users: Annotated[tuple[User, ...], Field(min_length=1)]
    ssh_deletekeys: Literal[True] = True
    ssh_genkeytypes: tuple[Literal["ed25519"], ...] = ("ed25519",)
    write_files: Annotated[tuple[WriteFile, ...], Field(min_length=1)]
    runcmd: Commands


class MacMatch(PlainSection):
    """netplan's `match`: a network interface by its MAC."""

    macaddress: Mac


class NameServers(PlainSection):
    """netplan's `nameservers`: systemd-resolved asks DNS for names under `.local` only if `search` has it."""

    search: Annotated[tuple[str, ...], Field(min_length=1)]


class DeployEthernet(Section):
    """The deployment LAN's interface; the DHCP client says the same id as its firmware did."""

    match: MacMatch
    dhcp4: Literal[True] = True
    dhcp_identifier: Literal["mac"] = "mac"
    nameservers: NameServers | None = None


class NetplanConfig(PlainSection):
    """netplan's format, version 2, which NoCloud's network-config and autoinstall both take."""

    version: Literal[2] = 2
    ethernets: Annotated[dict[Literal["deploy"], DeployEthernet], Field(min_length=1)]


def deploy_network(mac: Mac, domain: str = "") -> NetplanConfig:
    """The one interface with this MAC, by DHCP; names below the site's `domain` are asked of its DNS."""
    names = NameServers(search=(domain,)) if domain else None
    deploy = DeployEthernet(match=MacMatch(macaddress=mac), nameservers=names)
    return NetplanConfig(ethernets={"deploy": deploy})


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that people can read what a host was given."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def dump(section: Section | Mapping[str, object]) -> str:
    """A section, or plain data that was read from YAML, as YAML in its own order; None is left out."""
    data = (
        section.model_dump(mode="json", by_alias=True, exclude_none=True)
        if isinstance(section, Section)
        else dict(section)
    )
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000)
