"""Notes when an unknown machine is sent to look at itself, and when it is given its disk."""

from dataclasses import replace

from provisioner.domain import identity
from provisioner.domain.identity import MachineIdentity
from provisioner.state.database import Database
from provisioner.state.surveys import SurveyRow


def note_served(database: Database, mac: str, uuid: str, address: str, now: float, serial: str = "") -> None:
    """A machine is sent to look; called before it is, for what is not noted could go round for ever."""
    known = database.surveys.find(mac, MachineIdentity(serial, uuid)) or SurveyRow(mac, identity.uuid(uuid))
    database.surveys.put(replace(known, served=now, address=address))


def note_released(database: Database, mac: str, uuid: str, now: float, serial: str = "") -> None:
    """A machine is given its disk; noted only where it had looked."""
    known = database.surveys.find(mac, MachineIdentity(serial, uuid))
    if known and known.released <= known.looked:
        database.surveys.put(replace(known, released=now))
