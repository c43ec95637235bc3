"""Notes when an unknown machine is sent to look at itself, and when it is given its disk."""

from dataclasses import replace

from provisioner.domain.values import machine_uuid
from provisioner.state.database import Database
from provisioner.state.surveys import SurveyRow


def note_served(database: Database, mac: str, uuid: str, address: str, now: float) -> None:
    """A machine is sent to look; called before it is, for what is not noted could go round for ever."""
    known = database.surveys.find(mac, uuid) or SurveyRow(mac, machine_uuid(uuid))
    database.surveys.put(replace(known, served=now, address=address))


def note_released(database: Database, mac: str, uuid: str, now: float) -> None:
    """A machine is given its disk; noted only where it had looked."""
    known = database.surveys.find(mac, uuid)
    if known and known.released <= known.looked:
        database.surveys.put(replace(known, released=now))
