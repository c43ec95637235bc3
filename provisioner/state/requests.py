"""What the worker is asked to do at a BMC, and its answers."""

import json
from typing import Literal

from provisioner.domain.audit import Entry
from provisioner.domain.values import FrozenModel
from provisioner.errors import NotFoundError
from provisioner.state import audit
from provisioner.state.connection import Row, Table, first_of, key_of


class BmcFault(FrozenModel):
    """An error of ours as JSON carries it (`ProvisionError.as_json`)."""

    message: str
    hint: str
    code: int
    exit: int


class BmcSensor(FrozenModel):
    """One sensor: its value in `unit`, or its `states` in words; `health`: ok, warning, critical, unknown."""

    name: str
    kind: str = ""
    value: float | None = None
    unit: str = ""
    health: str = "unknown"
    states: tuple[str, ...] = ()


class BmcResult(FrozenModel):
    """What a BMC answered: only what was asked is set, or `error` alone.

    `state` is the power (`on`, `off`, …), `boot` the next boot device, `suite` IPMI's cipher suite,
    `light` the identification light, `user` whose password was changed. Of a proven boot: the `host_key` and
    `address` of the system that came up, `seconds` after its power was on.
    """

    state: str = ""
    boot: str = ""
    suite: int = 0
    light: str = ""
    sensors: tuple[BmcSensor, ...] = ()
    confirmed: bool = False
    note: str = ""
    user: str = ""
    host_key: str = ""
    address: str = ""
    seconds: float = 0
    error: BmcFault | None = None


class BmcRequest(FrozenModel):
    """One request to the worker; `created` in seconds since 1970."""

    id: int
    created: float
    host: str
    action: str  # test, power, boot, identify, sensors, rotate, prove-boot
    argument: str = ""
    state: Literal["open", "done"] = "open"
    result: BmcResult = BmcResult()


def changes(action: str, argument: str) -> bool:
    """Whether a request of this kind does more than to look; then it belongs to the audit."""
    return action in ("identify", "rotate", "prove-boot") or (
        action in ("power", "boot") and argument not in ("", "state")
    )


class Requests(Table):
    """Requests by number."""

    NOUN = "the request"
    HINT = "ask again: provision bmc test HOST"

    def ask(self, host: str, action: str, argument: str, now: float, entry: Entry | None = None) -> int:
        """Put a request to the worker; its id. `entry` is its line in the audit, if it has one."""
        sql = """INSERT INTO requests (created, host, action, argument, state, result)
                 VALUES (?, ?, ?, ?, 'open', '{}')"""
        with self._connection.writing() as db:
            if entry:
                audit.record(self._connection, entry)
            return key_of(db.conn.execute(sql, [now, host, action, argument]).lastrowid)

    def get(self, ident: int) -> BmcRequest:
        """The request of this id. Raises NotFoundError (PV-124), UnreadableError (PV-612)."""
        row = self._connection.fetch_one("SELECT * FROM requests WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no request {ident}", code=124)
        return self._read(row, _request, ident)

    def open(self) -> list[BmcRequest]:
        """What the worker has not answered yet, oldest first."""
        rows = self._connection.rows("SELECT * FROM requests WHERE state = 'open' ORDER BY id")
        return self._readable(rows, _request, first_of)

    def open_of(self, host: str, action: str) -> BmcRequest | None:
        """The one of this kind that the worker has not answered yet."""
        return next((row for row in self.open() if (row.host, row.action) == (host, action)), None)

    def answer(self, ident: int, result: BmcResult, entry: Entry | None = None) -> None:
        """Store the worker's answer to a request and mark it done; `entry` as in `ask`."""
        body = result.model_dump_json(exclude_unset=True)
        with self._connection.writing() as db:
            if entry:
                audit.record(self._connection, entry)
            db.execute("UPDATE requests SET state = 'done', result = ? WHERE id = ?", [body, ident])

    def prune(self, before: float, most: int) -> int:
        """Forget at most so many that were made before then (seconds since 1970); how many."""
        sql = "SELECT id FROM requests WHERE created < ? ORDER BY id LIMIT ?"
        return self._forget("requests", self._connection.tuples(sql, before, most))


def _request(row: Row) -> BmcRequest:
    return BmcRequest.model_validate({**row, "result": json.loads(str(row["result"]))})
