"""Surveys: when a machine that nobody knows was sent to look at itself, reported, was given its disk."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from provisioner.domain import identity
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.identity import MachineIdentity, Match
from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types

NOTHING = MachineIdentity()
MOST = 500  # rows; beyond it the oldest go, first those that never reported


@dataclass(frozen=True)
class SurveyRow:
    """One machine; `mac` is its boot card's, perhaps not its alone. Times in seconds since 1970, 0: never.

    `served`: it was sent to look; `released`: it was given its disk; `hardware`: what it reported, if it did.
    `id` is 0 until it is stored.
    """

    mac: str
    uuid: str = ""
    macs: tuple[str, ...] = ()
    address: str = ""
    served: float = 0.0
    released: float = 0.0
    reported: float = 0.0
    hardware: HardwareFacts | None = None
    id: int = 0

    @property
    def looked(self) -> float:
        """When it was last sent to its survey or reported, in seconds since 1970."""
        return max(self.served, self.reported)

    @property
    def identity(self) -> MachineIdentity:
        """What it says of itself; its cards only where it has reported."""
        serial = self.hardware.serial if self.hardware else ""
        return MachineIdentity(serial, self.uuid, self.macs if self.hardware else ())

    def without(self, shared: frozenset[str]) -> "SurveyRow":
        """The same, which names no card that others have too, unless it has no other."""
        own = tuple(mac for mac in self.macs if mac not in shared)
        if not own:
            return replace(self, macs=(self.mac,))
        return replace(self, mac=self.mac if self.mac in own else own[0], macs=own)


COLUMNS = "mac, uuid, macs, address, served, released, reported, body, id"
SELECT = f"SELECT {COLUMNS} FROM surveys"  # noqa: S608  our own words
REPLACE = f"INSERT OR REPLACE INTO surveys ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
NUMBER = (int, float)
KINDS = (str, str, str, str, NUMBER, NUMBER, NUMBER, str, int)


class Surveys(Table):
    """Surveys of machines that nobody knows; one that cannot be read is left out of lists."""

    NOUN = "the survey of"

    def all(self) -> list[SurveyRow]:
        """All of them, the last reported first."""
        return self._readable(self._connection.tuples(f"{SELECT} ORDER BY reported DESC"), _survey, first_of)

    def find(self, mac: str, said: MachineIdentity = NOTHING) -> SurveyRow | None:
        """That of the machine which has the MAC on any of its cards, or the UUID; None for a new one.

        Neither finds what the other numbers contradict, and a UUID nothing where several machines have it.
        """
        where = f"{SELECT} WHERE mac = ? OR instr(macs, ?) ORDER BY reported DESC"
        named = self._readable(self._connection.tuples(where, mac, mac), _survey, first_of)
        if own := [row for row in named if not row.identity.is_another(said)]:
            return own[0]
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
            if not survey.id:
                self._drop_unreadable([survey.mac])
            stored = db.execute(REPLACE, [*row, survey.id or None]).lastrowid
            db.execute(
                """DELETE FROM surveys WHERE id NOT IN
                   (SELECT id FROM surveys ORDER BY id = ? DESC, body != '' DESC,
                    max(served, reported) DESC LIMIT ?)""",
                [stored, MOST],
            )

    def forget(self, macs: tuple[str, ...], said: MachineIdentity) -> None:
        """Delete the surveys of the machine that `said` this, and has these MACs: it is a known host now.

        A MAC that several machines name says nothing of whose survey it is, and is taken out of them.
        """
        with self._connection.writing() as db:
            self._drop_unreadable(macs)
            rows = self.all()
            shared = identity.shared((row.mac, *row.macs) for row in rows)
            for row in rows:
                is_named = row.mac in macs or set(row.macs) & set(macs) - shared
                if is_named and not row.identity.is_another(said):
                    db.execute("DELETE FROM surveys WHERE id = ?", [row.id])
                    continue
                own = row.without(shared)
                db.execute(
                    "UPDATE surveys SET mac = ?, macs = ? WHERE id = ?", [own.mac, " ".join(own.macs), own.id]
                )

    def _drop_unreadable(self, macs: Collection[str]) -> None:
        """Delete those of these boot cards that nobody can read, inside the caller's transaction."""
        for mac in macs:
            rows = self._connection.tuples(f"{SELECT} WHERE mac = ?", mac)
            known = {row.id for row in self._sift(rows, _survey, first_of)[0]}
            for ident in {row[-1] for row in rows} - known:
                self._connection.db.execute("DELETE FROM surveys WHERE id = ?", [ident])


def _survey(row: tuple[SqlValue, ...]) -> SurveyRow:
    check_types(row, KINDS)
    mac, uuid, macs, address, served, released, reported, body, ident = row
    return SurveyRow(
        str(mac),
        str(uuid),
        tuple(str(macs).split()),
        str(address),
        float(served or 0),
        float(released or 0),
        float(reported or 0),
        HardwareFacts.model_validate_json(str(body)) if body else None,
        int(ident or 0),
    )
