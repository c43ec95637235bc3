"""The list of machines that nobody knows: sightings and inventories of one machine joined into one row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from provisioner.discovery import vendors
from provisioner.discovery.owners import Owners
from provisioner.domain import identity
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import MachineIdentity, uuid_key
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError
from provisioner.site.site import Site
from provisioner.state.sightings import Sighting
from provisioner.state.surveys import SurveyRow


@dataclass(frozen=True)
class _Group:
    """What was heard of one machine: its cards' sightings, the last first, and its survey."""

    sightings: tuple[Sighting, ...] = ()
    survey: SurveyRow | None = None

    def without(self, shared: frozenset[str]) -> "_Group":
        """The same, whose survey names no card that others have too; its own boot card stays."""
        if self.survey is None:
            return self
        macs = tuple(mac for mac in self.survey.macs if mac not in shared - {self.survey.mac})
        return replace(self, survey=replace(self.survey, macs=macs))


def unknown(site: Site) -> list[UnknownMachine]:
    """One row per machine, the last seen first."""
    owners = Owners(site.database)
    surveys = [survey for survey in site.database.surveys.all() if survey.hardware]
    groups = _join(site.database.sightings.unknown(), surveys)
    machines = [_machine(group, owners) for group in groups]
    return sorted(machines, key=lambda machine: machine.last_seen, reverse=True)


def find(site: Site, text: str) -> UnknownMachine:
    """By any of its MACs, its UUID or its serial. Raises NotFoundError (PV-129)."""
    try:
        mac = parse_mac(text)
    except InputError:
        mac = ""
    for machine in unknown(site):
        if mac in machine.macs or text.lower() in (machine.uuid, machine.serial.lower()):
            return machine
    raise NotFoundError(
        f"no unknown machine with {text} was seen",
        hint="provision host list --unknown shows who asked; power it on with network boot enabled",
        code=129,
    )


def _join(sightings: Sequence[Sighting], surveys: Sequence[SurveyRow]) -> list[_Group]:
    """Groups by the MACs that an inventory names, else by UUID (DHCP option 97)."""
    shared = identity.shared((survey.mac, *survey.macs) for survey in surveys)
    by_mac = _by_mac(surveys, shared)
    inventoried = Counter(uuid_key(survey.uuid) for survey in surveys)
    groups: dict[str, _Group] = {}
    for sighting in sightings:
        key = uuid_key(sighting.data.uuid)
        survey = by_mac.get(sighting.mac)
        if survey:
            key = survey.mac
        elif not key or inventoried[key]:  # who was inventoried has named all of its cards
            key = sighting.mac
        group = groups.get(key, _Group(survey=survey))
        groups[key] = _Group((*group.sightings, sighting), group.survey)
    for survey in surveys:  # its sightings may be older than what is listed
        groups.setdefault(survey.mac, _Group(survey=survey))
    return [group.without(shared) for group in groups.values()]


def _by_mac(surveys: Sequence[SurveyRow], shared: frozenset[str]) -> dict[str, SurveyRow]:
    named = {mac: survey for survey in surveys for mac in survey.macs if mac not in shared}
    return named | {survey.mac: survey for survey in surveys}


def _machine(group: _Group, owners: Owners) -> UnknownMachine:
    sightings, survey = group.sightings, group.survey or SurveyRow("")
    hardware = survey.hardware or HardwareFacts()
    packets = [sighting.data for sighting in sightings]
    macs = tuple(dict.fromkeys([*(sighting.mac for sighting in sightings), *survey.macs])) or (survey.mac,)
    uuid = survey.uuid or _first(identity.uuid(packet.uuid) for packet in packets)
    return UnknownMachine(
        mac=macs[0],
        macs=macs,
        vendor=vendors.maker(macs[0]),
        architecture=_first(vendors.architecture(packet.arch) for packet in packets),
        uuid=uuid,
        address=_first(sighting.address for sighting in sightings) or survey.address,
        hostname=_first(packet.hostname for packet in packets),
        port=_first(packet.circuit for packet in packets),
        note=_first(packet.note for packet in packets),
        host=owners.by_uuid(MachineIdentity(hardware.serial, uuid, survey.macs)),
        first_seen=min((sighting.first_seen for sighting in sightings), default=survey.reported),
        last_seen=max((sighting.last_seen for sighting in sightings), default=survey.reported),
        count=sum(sighting.count for sighting in sightings),
        inventoried=survey.reported,
        serial=hardware.serial,
        maker=hardware.maker,
        product=hardware.product,
        cpu=hardware.cpu,
        cpus=hardware.cpus,
        memory=hardware.memory,
        firmware=hardware.firmware,
        disks=hardware.disks,
        nics=hardware.nics,
        devices=hardware.devices,
    )


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
