"""What Ubuntu's installer is told when it installs the golden image itself (packer/http/ubuntu.yml)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from provisioner.cloudinit.autoinstall.model import (
    AptSection,
    IdentitySection,
    InstallSource,
    KeyboardSection,
    RefreshInstaller,
    SshSection,
)
from provisioner.cloudinit.cloud_config import Commands, PlainSection, Section
from provisioner.domain.values import Package

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[MG]$")]
ROLES = ("bios", "esp", "cidata", "root")  # in the order that every image has
STOPPED = frozenset({"ssh.service", "ssh.socket"})


class LargestDisk(PlainSection):
    """A match for the largest disk: the build machine has one."""

    size: Literal["largest"]


class DiskAction(PlainSection):
    """curtin's action `disk`: the whole disk, with a new GPT; a BIOS finds GRUB on it."""

    type: Literal["disk"]
    id: Id
    ptable: Literal["gpt"]
    wipe: Literal["superblock-recursive"]
    match: LargestDisk
    grub_device: Literal[True]


class PartitionAction(PlainSection):
    """curtin's action `partition`; a size of -1 is the rest of the disk."""

    type: Literal["partition"]
    id: Literal["bios", "esp", "cidata", "root"]
    device: Id
    number: Annotated[int, Field(ge=1, le=4)]
    size: Size | Literal[-1]
    flag: Literal["bios_grub", "boot", ""]
    partition_name: Literal["bios", "esp", "cidata", "root"]


class FormatAction(PlainSection):
    """curtin's action `format`: a file system in a partition."""

    type: Literal["format"]
    id: Id
    volume: Id
    fstype: Literal["fat32", "ext4"]
    label: Literal["VAULTESP", "vault-root"]


class MountAction(PlainSection):
    """curtin's action `mount`: where a file system is mounted."""

    type: Literal["mount"]
    id: Id
    device: Id
    path: Literal["/", "/boot/efi"]


class Swap(PlainSection):
    """`storage.swap`: no swap file, for it would be in the image."""

    size: Literal[0] = 0


Action = Annotated[DiskAction | PartitionAction | FormatAction | MountAction, Field(discriminator="type")]


class StorageConfig(PlainSection):
    """The section `storage` as curtin's storage configuration: its actions, in their order."""

    swap: Swap = Swap()
    config: Annotated[tuple[Action, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _root_is_last(self) -> Self:
        partitions = [step for step in self.config if isinstance(step, PartitionAction)]
        if tuple(step.id for step in partitions) != ROLES:
            raise ValueError(f"the partitions must be {', '.join(ROLES)}, in this order")
        if any(step.id != step.partition_name for step in partitions) or partitions[-1].size != -1:
            raise ValueError("a partition is named like its id, and the root takes the rest of the disk")
        return self


class NameMatch(PlainSection):
    """netplan's `match`: every wired interface, by its predictable name."""

    name: Literal["en*"]


class BuildEthernet(PlainSection):
    """The build machine's interface, by DHCP."""

    match: NameMatch
    dhcp4: Literal[True]


class BuildNetplanConfig(PlainSection):
    """The section `network` of an image build: netplan's format, version 2."""

    version: Literal[2]
    ethernets: dict[Literal["build"], BuildEthernet]


class ImageAnswers(Section):
    """The section `autoinstall`, as in the file but for the build's key."""

    version: Literal[1]
    refresh_installer: RefreshInstaller
    locale: Annotated[str, Field(pattern=r"^[A-Za-z_]{1,20}(\.[A-Za-z0-9-]{1,20})?$")]
    keyboard: KeyboardSection
    source: InstallSource
    network: BuildNetplanConfig
    apt: AptSection
    storage: StorageConfig
    identity: IdentitySection
    ssh: SshSection
    packages: tuple[Package, ...] = ()
    updates: Literal["security"]
    early_commands: Commands
    late_commands: Commands
    shutdown: Literal["reboot"]

    @model_validator(mode="after")
    def _live_installer_is_silent(self) -> Self:
        stopped = {word for command in self.early_commands if "stop" in command for word in command}
        if not stopped >= STOPPED:
            raise ValueError(
                "early-commands must stop ssh.service and ssh.socket, or Packer logs in too early"
            )
        return self


class ImageUserData(PlainSection):
    """The whole cloud-config that the live installer reads when it installs the golden image."""

    autoinstall: ImageAnswers
