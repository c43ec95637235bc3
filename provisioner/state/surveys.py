"""Surveys: when a machine that nobody knows was sent to look at itself, reported, was given its disk."""

from dataclasses import dataclass

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.values import machine_uuid
from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types

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


SELECT = "SELECT mac, uuid, macs, address, served, released, reported, body FROM surveys"
NUMBER = (int, float)
KINDS = (str, str, str, str, NUMBER, NUMBER, NUMBER, str)


class Surveys(Table):
    """Surveys by MAC; one that cannot be read is left out of lists."""

    NOUN = "the survey of"

    def all(self) -> list[SurveyRow]:
        """All of them, the last reported first."""
        return self._readable(self._connection.tuples(f"{SELECT} ORDER BY reported DESC"), _survey, first_of)

    def find(self, mac: str, uuid: str = "") -> SurveyRow | None:
        """That of the machine which has the MAC on any of its cards, or the UUID; None for a new one."""
        where = "mac = ?1 OR instr(macs, ?1) OR (?2 != '' AND uuid = ?2)"
        rows = self._connection.tuples(
            f"{SELECT} WHERE {where} ORDER BY reported DESC", mac, machine_uuid(uuid)
        )
        return next(iter(self._readable(rows, _survey, first_of)), None)

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
        """Delete the surveys of the machine with these MACs: it is a known host now."""
        with self._connection.writing() as db:
            for mac in macs:
                db.execute("DELETE FROM surveys WHERE mac = ? OR instr(macs, ?)", [mac, mac])


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
