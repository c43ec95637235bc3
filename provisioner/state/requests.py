"""What the worker is asked to do at a BMC, and its answers."""

import json
from typing import Literal

from provisioner.domain.values import FrozenModel
from provisioner.errors import NotFoundError
from provisioner.state.connection import Row, Table, key_of


class BmcFault(FrozenModel):
    """An error of ours as JSON carries it (`ProvisionError.as_json`)."""

    message: str
    hint: str
    code: int
    exit: int


class BmcResult(FrozenModel):
    """What a BMC answered: only what was asked is set, or `error` alone.

    `state` is the power (`on`, `off`, …), `boot` the next boot device, `suite` IPMI's cipher suite.
    """

    state: str = ""
    boot: str = ""
    suite: int = 0
    confirmed: bool = False
    note: str = ""
    error: BmcFault | None = None


class BmcRequest(FrozenModel):
    """One request to the worker; `created` in seconds since 1970."""

    id: int
    created: float
    host: str
    action: str  # test, power, boot
    argument: str = ""
    state: Literal["open", "done"] = "open"
    result: BmcResult = BmcResult()


class Requests(Table):
    """Requests by number."""

    def ask(self, host: str, action: str, argument: str, now: float) -> int:
        """Put a request to the worker; its id."""
        sql = """INSERT INTO requests (created, host, action, argument, state, result)
                 VALUES (?, ?, ?, ?, 'open', '{}')"""
        with self._connection.writing() as db:
            return key_of(db.conn.execute(sql, [now, host, action, argument]).lastrowid)

    def get(self, ident: int) -> BmcRequest:
        """The request of this id. Raises NotFoundError (PV-124)."""
        row = self._connection.fetch_one("SELECT * FROM requests WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no request {ident}", code=124)
        return _request(row)

    def open(self) -> list[BmcRequest]:
        """What the worker has not answered yet, oldest first."""
        return [
            _request(row)
            for row in self._connection.rows("SELECT * FROM requests WHERE state = 'open' ORDER BY id")
        ]

    def answer(self, ident: int, result: BmcResult) -> None:
        """Store the worker's answer to a request and mark it done."""
        body = result.model_dump_json(exclude_unset=True)
        with self._connection.writing() as db:
            db.execute("UPDATE requests SET state = 'done', result = ? WHERE id = ?", [body, ident])


def _request(row: Row) -> BmcRequest:
    return BmcRequest.model_validate({**row, "result": json.loads(str(row["result"]))})
