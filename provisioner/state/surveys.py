"""Surveys: when a machine that nobody knows was sent to look at itself, reported, was given its disk."""

from dataclasses import dataclass

from provisioner.domain import identity
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import MachineIdentity, Match
from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types

NOTHING = MachineIdentity()
MOST = 500  # rows; beyond it the oldest go, first those that never reported


@dataclass(frozen=True)
class SurveyRow:
    """One machine, by its boot card's `mac`. Times in seconds since 1970, 0 for never.

    `served`: it was sent to look; `released`: it was given its disk; `hardware`: what it reported, if it did.
    """

    mac: str
    uuid: str = ""
    macs: tuple[str, ...] = ()
    address: str = ""
    served: float = 0.0
    released: float = 0.0
    reported: float = 0.0
    hardware: HardwareFacts | None = None

    @property
    def looked(self) -> float:
        """When it was last sent to its survey or reported, in seconds since 1970."""
        return max(self.served, self.reported)

    @property
    def identity(self) -> MachineIdentity:
        """What it says of itself; its cards only where it has reported."""
        serial = self.hardware.serial if self.hardware else ""
        return MachineIdentity(serial, self.uuid, self.macs if self.hardware else ())


SELECT = "SELECT mac, uuid, macs, address, served, released, reported, body FROM surveys"
NUMBER = (int, float)
KINDS = (str, str, str, str, NUMBER, NUMBER, NUMBER, str)


class Surveys(Table):
    """Surveys by MAC; one that cannot be read is left out of lists."""

    NOUN = "the survey of"

    def all(self) -> list[SurveyRow]:
        """All of them, the last reported first."""
        return self._readable(self._connection.tuples(f"{SELECT} ORDER BY reported DESC"), _survey, first_of)

    def find(self, mac: str, said: MachineIdentity = NOTHING) -> SurveyRow | None:
        """That of the machine which has the MAC on any of its cards, or the UUID; None for a new one.

        A UUID finds nothing that another number contradicts, nor where several machines have it.
        """
        where = f"{SELECT} WHERE mac = ? OR instr(macs, ?) ORDER BY reported DESC"
        named = self._readable(self._connection.tuples(where, mac, mac), _survey, first_of)
        if named:
            return named[0]
        rows = [row for row in self.all() if identity.compare_uuids(row.uuid, said.uuid) is Match.SAME]
        if len([row for row in rows if row.hardware]) > 1:
            return None
        return next((row for row in rows if row.identity.compare(said) is not Match.DIFFERENT), None)

    def put(self, survey: SurveyRow) -> None:
        """Insert or replace; the table stays bounded."""
        body = survey.hardware.model_dump_json() if survey.hardware else ""
        times = (survey.served, survey.released, survey.reported)
        row = [survey.mac, survey.uuid, " ".join(survey.macs), survey.address, *times, body]
        with self._connection.writing() as db:
            db.execute("INSERT OR REPLACE INTO surveys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute(
                """DELETE FROM surveys WHERE mac NOT IN
                   (SELECT mac FROM surveys ORDER BY mac = ? DESC, body != '' DESC,
                    max(served, reported) DESC LIMIT ?)""",
                [survey.mac, MOST],
            )

    def forget(self, macs: tuple[str, ...]) -> None:
        """Delete the surveys of the machine with these MACs: it is a known host now.

        A MAC that several machines name says nothing of whose survey it is, and is taken out of them.
        """
        with self._connection.writing() as db:
            rows = self.all()
            shared = identity.shared((row.mac, *row.macs) for row in rows)
            for row in rows:
                if row.mac not in macs and not set(row.macs) & set(macs) - shared:
                    own = " ".join(mac for mac in row.macs if mac == row.mac or mac not in shared)
                    db.execute("UPDATE surveys SET macs = ? WHERE mac = ?", [own, row.mac])
                    continue
                db.execute("DELETE FROM surveys WHERE mac = ?", [row.mac])
            for mac in macs:  # that of one that cannot be read
                db.execute("DELETE FROM surveys WHERE mac = ?", [mac])


def _survey(row: tuple[SqlValue, ...]) -> SurveyRow:
    check_types(row, KINDS)
    mac, uuid, macs, address, served, released, reported, body = row
    return SurveyRow(
        str(mac),
        str(uuid),
        tuple(str(macs).split()),
        str(address),
        float(served or 0),
        float(released or 0),
        float(reported or 0),
        HardwareFacts.model_validate_json(str(body)) if body else None,
    )
