"""Observations that tests make up, and the codes that are named by them."""

from provisioner.diagnosis.judges import judge
from provisioner.diagnosis.observations import Observations
from provisioner.diagnosis.siblings import Sibling
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.payload import Payload
from provisioner.domain.lifecycle import ROWS
from provisioner.domain.stage import Stage
from provisioner.state.sightings import ClientPacket, Sighting
from provisioner.state.transfers import Transfer
from provisioner.state.values import RogueServer
from tests.unit.conftest import MAC

START = 1_800_000_000.0
ADDRESS = "10.77.0.64"
ROGUE = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", offer="10.77.0.99", heard=START)


def seen_at(row: Deployment, seconds: float, stage: Stage, *events: tuple[float, Payload]) -> Observations:
    """What is known `seconds` after the power-on; an event is preceded by its second."""
    told = tuple(Event.of(row, data, source="worker", now=START + when) for when, data in events)
    limit = START + ROWS[stage].deadline if stage in ROWS else 0.0
    begun = row.changed(stage=stage, stage_since=START, deadline=limit)
    return Observations(now=START + seconds, row=begun, events=told)


def sighting(mac: str, first: float, last: float, **packet: str) -> Sighting:
    """A card whose firmware asked; `packet` says more of what it said."""
    data = ClientPacket(mac, "discover", START + last, boots=True, **packet)  # type: ignore[arg-type]
    return Sighting(mac, START + first, START + last, 3, "", data)


def asked(when: float, message: str = "discover", **packet: object) -> Sighting:
    """The host's own card, whose firmware asked last `when`."""
    data = ClientPacket(MAC, message, START + when, **{"boots": True, **packet})  # type: ignore[arg-type]
    return Sighting(MAC, START, START + when, 3, ADDRESS, data)


def system_asked(when: float, name: str = "") -> Sighting:
    """The host's own card, by which a system asked last `when`."""
    data = ClientPacket(MAC, "request", START + when, hostname=name, boots=False)
    return Sighting(MAC, START, START + when, 3, ADDRESS, data)


def sibling(mac: str, first: float, last: float, *, is_certain: bool = False, place: str = "") -> Sibling:
    return Sibling(sighting(mac, first, last), "its MAC is next to this host's", is_certain, place)


def transfer(result: str, time: float = 30.0) -> Transfer:
    return Transfer(ADDRESS, START + time, 1, "snponly.efi", result, 512)


def codes(seen: Observations) -> list[int]:
    """The codes of all causes that are named, and that each says on what and what to do."""
    causes = judge(seen)
    for cause in causes:
        assert cause.sentence and cause.evidence and cause.actions and all(cause.actions), cause
        assert all(sight.sentence and 0 < sight.time <= seen.now for sight in cause.evidence), cause
    return [cause.code for cause in causes]
