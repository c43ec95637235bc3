"""The list of machines that nobody knows: sightings and inventories of one machine joined into one row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from provisioner.discovery import vendors
from provisioner.discovery.owners import Owners
from provisioner.domain import identity
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import MachineIdentity, Match, uuid_key
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError
from provisioner.site.site import Site
from provisioner.state.sightings import Sighting
from provisioner.state.surveys import SurveyRow
from provisioner.system.units import named


@dataclass(frozen=True)
class _Group:
    """What was heard of one machine: its cards' sightings, the last first, and its survey."""

    sightings: tuple[Sighting, ...] = ()
    survey: SurveyRow | None = None

    def without(self, shared: frozenset[str]) -> "_Group":
        """The same, whose survey names no card that others have too."""
        return replace(self, survey=self.survey.without(shared)) if self.survey else self


def unknown(site: Site) -> list[UnknownMachine]:
    """One row per machine, the last seen first."""
    owners = Owners(site.database)
    surveys = [survey for survey in site.database.surveys.all() if survey.hardware]
    groups = _join(site.database.sightings.unknown(), surveys)
    namesakes = _by_uuid(groups)
    machines = [_machine(group, owners, namesakes) for group in groups]
    return sorted(machines, key=lambda machine: machine.last_seen, reverse=True)


def find(site: Site, text: str) -> UnknownMachine:
    """By any of its MACs, its UUID or its serial.

    Raises NotFoundError (PV-129), InputError where it is not the number of one machine alone.
    """
    found = [machine for machine in unknown(site) if _has(machine, text)]
    if not found:
        raise NotFoundError(
            f"no unknown machine with {text} was seen",
            hint="provision host list --unknown shows who asked; power it on with network boot enabled",
            code=129,
        )
    if len(found) > 1:
        hint = f"name one by its own MAC: {', '.join(machine.mac for machine in found)}"
        raise InputError(f"{len(found)} unknown machines have {text}", hint=hint)
    return found[0]


def _has(machine: UnknownMachine, text: str) -> bool:
    """Whether a text is a number of the machine."""
    try:
        return parse_mac(text) in machine.macs
    except InputError:
        same = identity.compare_uuids(machine.uuid, text), identity.compare_serials(machine.serial, text)
        return Match.SAME in same


def _join(sightings: Sequence[Sighting], surveys: Sequence[SurveyRow]) -> list[_Group]:
    """Groups by the MACs that an inventory names. A UUID (DHCP option 97) joins none: boards may share it."""
    shared = identity.shared((survey.mac, *survey.macs) for survey in surveys)
    by_mac = _by_mac(surveys, shared)
    groups: dict[str | int, _Group] = {}
    for sighting in sightings:
        survey = by_mac.get(sighting.mac)
        key = survey.id if survey else sighting.mac
        group = groups.get(key, _Group(survey=survey))
        groups[key] = _Group((*group.sightings, sighting), group.survey)
    for survey in surveys:  # its sightings may be older than what is listed
        groups.setdefault(survey.id, _Group(survey=survey))
    return [group.without(shared) for group in groups.values()]


def _by_mac(surveys: Sequence[SurveyRow], shared: frozenset[str]) -> dict[str, SurveyRow]:
    named = {mac: survey for survey in surveys for mac in survey.macs}
    named |= {survey.mac: survey for survey in surveys}
    return {mac: survey for mac, survey in named.items() if mac not in shared}


def _by_uuid(groups: Sequence[_Group]) -> dict[str, list[str]]:
    """The cards that nothing but their UUID tells of, by that: those of one machine, or of several."""
    cards: dict[str, list[str]] = {}
    for group in groups:
        if group.survey is None and (key := uuid_key(group.sightings[0].data.uuid)):
            cards.setdefault(key, []).append(group.sightings[0].mac)
    return cards


def _same_uuid(mac: str, uuid: str, namesakes: Mapping[str, Sequence[str]]) -> str:
    """In words, where other cards have it too."""
    others = [other for other in namesakes.get(uuid_key(uuid), ()) if other != mac]
    if not mac or not others:
        return ""
    return f"{named(others, 1)} has its UUID too: another card of it, or another machine"


def _machine(group: _Group, owners: Owners, namesakes: Mapping[str, Sequence[str]]) -> UnknownMachine:
    sightings, survey = group.sightings, group.survey or SurveyRow("")
    hardware = survey.hardware or HardwareFacts()
    packets = [sighting.data for sighting in sightings]
    macs = tuple(dict.fromkeys([*(sighting.mac for sighting in sightings), *survey.macs])) or (survey.mac,)
    uuid = survey.uuid or _first(identity.uuid(packet.uuid) for packet in packets)
    card = "" if group.survey else macs[0]  # all that is known of it
    return UnknownMachine(
        mac=macs[0],
        macs=macs,
        vendor=vendors.maker(macs[0]),
        architecture=_first(vendors.architecture(packet.arch) for packet in packets),
        uuid=uuid,
        address=_first(sighting.address for sighting in sightings) or survey.address,
        hostname=_first(packet.hostname for packet in packets),
        port=_first(packet.circuit for packet in packets),
        note=_first(packet.note for packet in packets) or _same_uuid(card, uuid, namesakes),
        host=owners.by_uuid(MachineIdentity(hardware.serial, uuid, survey.macs), card),
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
