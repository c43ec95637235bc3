"""Profiles: what kinds of hosts there are, and how one is learned from a machine."""

from pydantic import ConfigDict, StrictBool

from provisioner.api.answer import ServiceAnswer
from provisioner.domain.profile import Profile
from provisioner.domain.values import FrozenModel


class ProfileStatus(Profile):
    """A profile with the names of its hosts."""

    model_config = ConfigDict(extra="ignore")

    hosts: tuple[str, ...] = ()


class ProfileList(ServiceAnswer):
    """Every profile by name."""

    profiles: tuple[ProfileStatus, ...]


class ProfileAnswer(ServiceAnswer):
    """One profile."""

    profile: ProfileStatus


class ProfileLesson(FrozenModel):
    """From which machine a profile is learned, under which name.

    `devices` are PCI ids that count besides its GPUs; `report` is one of the host's acceptance reports, its
    newest unless given; `apply` stores it, `replace` allows to change one.
    """

    machine: str
    name: str = ""
    devices: tuple[str, ...] = ()
    report: str = ""
    apply: StrictBool = False
    replace: StrictBool = False


class ProfileLearned(ServiceAnswer):
    """The profile, as inventory/profiles.yml has it in `yaml`, and whether it was stored.

    `report` taught what it says of GPUs; where none did, `note` says why if the host has one.
    """

    profile: Profile
    yaml: str
    stored: bool
    report: str = ""
    note: str = ""
