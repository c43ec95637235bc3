"""Surveys: when a machine that nobody knows was sent to look at itself, reported, was given its disk."""

from dataclasses import dataclass

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.values import machine_uuid
from provisioner.state.connection import Table

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


class Surveys(Table):
    """Surveys by MAC."""

    def all(self) -> list[SurveyRow]:
        """All of them, the last reported first."""
        rows = self._connection.db.execute(f"{SELECT} ORDER BY reported DESC")
        return [_survey(*row) for row in rows]

    def find(self, mac: str, uuid: str = "") -> SurveyRow | None:
        """That of the machine which has the MAC on any of its cards, or the UUID; None for a new one."""
        where = "mac = :mac OR instr(macs, :mac) OR (:uuid != '' AND uuid = :uuid)"
        row = self._connection.db.execute(
            f"{SELECT} WHERE {where} ORDER BY reported DESC LIMIT 1", {"mac": mac, "uuid": machine_uuid(uuid)}
        ).fetchone()
        return _survey(*row) if row else None

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


def _survey(
    mac: str,
    uuid: str,
    macs: str,
    address: str,
    served: float,
    released: float,
    reported: float,
    body: str,
) -> SurveyRow:
    hardware = HardwareFacts.model_validate_json(body) if body else None
    return SurveyRow(mac, uuid, tuple(macs.split()), address, served, released, reported, hardware)
