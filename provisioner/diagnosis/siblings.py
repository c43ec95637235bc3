"""Which other card asks by DHCP in place of a host's own: its other port, as far as that can be told.

That two MACs are near each other says little: racks have hosts with neighbouring MACs, and a BMC's is often
the next one. So what a packet says of its machine and its switch port counts first.
"""

from collections.abc import Collection
from dataclasses import dataclass

from provisioner.domain import identity
from provisioner.domain.deployment import Deployment
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.state.database import Database
from provisioner.state.macs import MacRow
from provisioner.state.sightings import Sighting

NEAR = 8  # cards of one machine have MACs that differ by less
MOST_STRANGERS = 50  # that asked last


@dataclass(frozen=True)
class Sibling:
    """Another card that asked since the power-on, why it is thought to be the host's, and its switch port.

    `is_certain`: not by its MAC alone, so that it is no neighbour's.
    """

    sighting: Sighting
    reason: str
    is_certain: bool
    place: str = ""


def find(database: Database, row: Deployment, since: float) -> tuple[Sibling, ...]:
    """Those that asked since then (seconds since 1970), the most certain first."""
    host = database.hosts.known([row.host]).get(row.host)
    if host is None:
        return ()
    own = [database.sightings.get(mac) for mac in host.macs if mac != row.mac]
    asked = [each for each in own if each and each.last_seen >= since]
    strangers = database.sightings.unknown(MOST_STRANGERS, since=since)
    # a BMC, a system boots nothing; who has reported another machine's cards is that machine
    strangers = [each for each in strangers if each.data.boots and not _is_another(database, each.mac, row)]
    if not asked and not strangers:
        return ()
    before = database.sightings.get(row.mac)
    hardware = database.hosts.hardware(row.host)
    places = {switch_port(before)} if before else set()
    found = [
        Sibling(each, "the inventory names it as this host's", True, switch_port(each)) for each in asked
    ]
    known = database.macs.all() if strangers else []
    found += [s for each in strangers if (s := judge(each, row, host, hardware, places, known))]
    return tuple(sorted(found, key=lambda each: not each.is_certain))


def _is_another(database: Database, mac: str, row: Deployment) -> bool:
    survey = database.surveys.find(mac)
    return survey is not None and survey.hardware is not None and row.mac not in survey.macs


def judge(
    stranger: Sighting,
    row: Deployment,
    host: Host,
    hardware: HardwareFacts | None,
    places: Collection[str],
    known: Collection[MacRow],
) -> Sibling | None:
    """Whether a card that nobody knows is the host's; `places` are switch ports at which that was seen."""
    place = switch_port(stranger)
    uuids = [text for text in (row.uuid, host.uuid, hardware.uuid if hardware else "") if text]
    matches = {identity.compare_uuids(text, stranger.data.uuid) for text in uuids}
    if Match.DIFFERENT in matches:
        return None
    if Match.SAME in matches:
        return Sibling(stranger, "it names this host's system UUID", True, place)
    if hardware and stranger.mac in (*hardware.macs, *(nic.mac for nic in hardware.nics)):
        return Sibling(stranger, "this host has reported it as its own", True, place)
    if place and (place in places or _is_heard_at(stranger, hardware)):
        return Sibling(stranger, f"it asks at this host's switch port {place}", True, place)
    if _is_nearest(stranger.mac, row, known):
        return Sibling(stranger, "its MAC is next to this host's", False, place)
    return None


def switch_port(sighting: Sighting) -> str:
    """Switch and port as option 82 names them (RFC 3046); empty where no relay says it."""
    return " ".join(filter(None, (sighting.data.remote, sighting.data.circuit)))


def _is_heard_at(stranger: Sighting, hardware: HardwareFacts | None) -> bool:
    """Whether the host's own card was heard by LLDP at the switch port that option 82 names now."""
    circuit, remote = stranger.data.circuit, stranger.data.remote
    if not circuit or not remote or not hardware:
        return False
    heard = hardware.neighbours
    return any(remote in (each.system, each.chassis) and circuit == each.port for each in heard)


def _is_nearest(mac: str, row: Deployment, known: Collection[MacRow]) -> bool:
    """Whether it is near a card of this host, and not as near to what is another's, or a BMC's."""
    gaps = [(_distance(mac, each.mac), each.host == row.host and each.role == "host") for each in known]
    near = [(gap, is_own) for gap, is_own in gaps if 0 < gap < NEAR]
    least = min((gap for gap, _ in near), default=0)
    return bool(near) and all(is_own for gap, is_own in near if gap == least)


def _distance(mac: str, other: str) -> int:
    return abs(int(mac.replace(":", ""), 16) - int(other.replace(":", ""), 16))
