"""Verifications that were asked for after a deployment, and what came of each; none has its SSH key in it."""

from typing import Literal, Self

from provisioner.domain.acceptance import Level
from provisioner.domain.values import FrozenModel, Words
from provisioner.errors import NotFoundError
from provisioner.state.connection import Row, Table, first_of, insertion

MOST_TASKS = 500  # of one that are kept: a check of each of 16 GPUs is less
SELECT = "SELECT id, body FROM verifications"


class VerificationTask(FrozenModel):
    """One check as it is told: `result` ok, warning, unproved or deviation; `time` in seconds since 1970."""

    time: float
    name: Words
    result: Literal["ok", "deviation", "unreachable", "warning", "unproved"]
    sentence: Words
    action: Words = ""


class BurnInStatus(FrozenModel):
    """How far a burn-in is: `done` of `of` in the test's own unit, `seconds_left` of everything."""

    test: Words = ""
    gpu: Words = ""
    done: float = 0
    of: float = 0
    seconds_left: float = 0


class Verification(FrozenModel):
    """One of them; `seconds` are those of a soak. `result`, `report` and so on are there once it is `done`.

    `address`: where the host is, if not where it was deployed. `code` is a PV code where the host was not
    accepted, or nothing came of it; times since 1970.
    """

    id: str
    host: str
    deployment: str
    created: float
    user: str
    by: str
    address: str = ""
    level: Level | None = None
    seconds: int = 0
    state: Literal["open", "done"] = "open"
    burnin: BurnInStatus = BurnInStatus()
    tasks: tuple[VerificationTask, ...] = ()
    result: Literal["", "passed", "rejected", "incomplete", "unreachable", "failed"] = ""
    report: str = ""
    sentence: Words = ""
    hint: Words = ""
    code: int = 0

    @property
    def folder(self) -> str:
        """Its own folder below `runs/` of the state folder, for its log and what its host printed."""
        return f"{self.deployment}.{self.id}"

    def ended(self, **update: object) -> Self:
        """As it is once it has ended so."""
        body = {**self.model_dump(), "state": "done", "burnin": BurnInStatus(), **update}
        return self.model_validate(body)

    def cancelled(self, by: str) -> Self:
        """As it is once somebody has ended it; nothing of it stays on the host."""
        hint = f"again: provision verify {self.host} --key FILE"
        return self.ended(result="failed", sentence=f"it was cancelled by {by}", hint=hint, code=578)


class Verifications(Table):
    """By id; the worker alone changes one that is open, but for who cancels it. One that has ended stays."""

    NOUN = "the verification"
    HINT = "ask again: provision verify HOST"

    def add(self, row: Verification) -> None:
        """Keep a new one, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        values = {"id": row.id, "created": row.created, "state": row.state, "body": row.model_dump_json()}
        self._connection.db.conn.execute(insertion("verifications", values), values)

    def put(self, row: Verification) -> bool:
        """What is known of it by now, inside the caller's transaction, likewise; False: it has ended before.

        Then it stays as it was: somebody cancelled it.
        """
        self._connection.require_transaction()
        kept = row.model_copy(update={"tasks": row.tasks[:MOST_TASKS]})
        sql = "UPDATE verifications SET state = ?, body = ? WHERE id = ? AND state = 'open'"
        done = self._connection.db.execute(sql, [row.state, kept.model_dump_json(), row.id])
        return bool(done.rowcount)

    def get(self, ident: str) -> Verification:
        """Raises NotFoundError (PV-575), UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE id = ?", ident)
        if not row:
            hint = "provision certificate list HOST shows what was signed"
            raise NotFoundError(f"no verification is called {ident!r}", hint=hint, code=575)
        return self._read(row, _verification, ident)

    def open(self) -> list[Verification]:
        """Those that have not ended, the oldest first."""
        rows = self._connection.rows(f"{SELECT} WHERE state = 'open' ORDER BY created, id")
        return self._readable(rows, _verification, first_of)

    def open_of(self, host: str) -> Verification | None:
        """The one of a host that has not ended."""
        return next((row for row in self.open() if row.host == host), None)

    def is_open(self, ident: str) -> bool:
        """Whether it has not ended, as far as it is known."""
        sql = "SELECT 1 FROM verifications WHERE id = ? AND state = 'open'"
        return bool(self._connection.tuples(sql, ident))

    def prune(self, before: float, most: int) -> int:
        """Forget at most so many that have ended and were asked for before then (since 1970); how many."""
        sql = "SELECT id FROM verifications WHERE created < ? AND state = 'done' ORDER BY created LIMIT ?"
        return self._forget("verifications", self._connection.tuples(sql, before, most))


def _verification(row: Row) -> Verification:
    return Verification.model_validate_json(str(row["body"]))
