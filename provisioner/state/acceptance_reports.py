"""Acceptance reports, each as the very text that was signed, with its signature beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from provisioner.domain.acceptance import Level, VerdictStatus
from provisioner.errors import NotFoundError
from provisioner.state.connection import SqlValue, Table, first_of, insertion
from provisioner.state.reading import check_types

COLUMNS = ("id", "host", "deployment", "created", "level", "verdict", "body", "signature")
TABLE = "acceptance_reports"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"  # noqa: S608  our own words
NEWEST = "WHERE host = ? AND NOT of_former_host ORDER BY created DESC, id"
VERDICT: TypeAdapter[VerdictStatus] = TypeAdapter(VerdictStatus)
NUMBER = (int, float)
KINDS = (str, str, str, NUMBER, str, str, str, str)


@dataclass(frozen=True)
class StoredReport:
    """One report. `body` is its canonical JSON, `signature` minisign's text for it; `created` since 1970."""

    id: str
    host: str
    deployment: str
    created: float
    level: Level
    verdict: VerdictStatus
    body: str
    signature: str


class AcceptanceReports(Table):
    """Reports by id; none is ever changed."""

    NOUN = "the acceptance report"
    HINT = "restore a backup; the host can be verified again"

    def add(self, report: StoredReport) -> None:
        """Keep one, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        row = {column: getattr(report, column) for column in COLUMNS}
        self._connection.db.conn.execute(insertion(TABLE, COLUMNS), row)

    def get(self, ident: str) -> StoredReport:
        """The report of an id. Raises NotFoundError (PV-147), UnreadableError (PV-612)."""
        rows = self._connection.tuples(f"{SELECT} WHERE id = ?", ident)
        if not rows:
            raise NotFoundError(
                f"no acceptance report is called {ident!r}", hint="provision certificate list HOST", code=147
            )
        return self._read(rows[0], _report, ident)

    def of_host(self, host: str) -> list[StoredReport]:
        """Those of a host, the newest first; none of a machine that had its name before."""
        return self._found(NEWEST, host)

    def from_newest(self, host: str) -> Iterator[StoredReport]:
        """Likewise, each read when it is asked for: a report may be large, and mostly one is enough."""
        known = self._connection.tuples(f"SELECT id FROM {TABLE} {NEWEST}", host)  # noqa: S608  likewise
        for number in range(len(known)):
            yield from self._found(f"{NEWEST} LIMIT 1 OFFSET ?", host, number)

    def newest_of(self, hosts: Sequence[str]) -> list[StoredReport]:
        """The newest of each of these hosts, the newest first."""
        newest = [report for host in hosts for report in self._found(f"{NEWEST} LIMIT 1", host)]
        return sorted(newest, key=lambda report: -report.created)

    def _found(self, where: str, *parameters: SqlValue) -> list[StoredReport]:
        rows = self._connection.tuples(f"{SELECT} {where}", *parameters)
        return self._readable(rows, _report, first_of)


def _report(row: tuple[SqlValue, ...]) -> StoredReport:
    check_types(row, KINDS)
    ident, host, deployment, created, level, verdict, body, signature = row
    return StoredReport(
        str(ident),
        str(host),
        str(deployment),
        float(created or 0),
        Level(str(level)),
        VERDICT.validate_python(verdict),
        str(body),
        str(signature),
    )
