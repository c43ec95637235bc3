"""Acceptance reports, each as the very text that was signed, with its signature beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import dumps

from pydantic import TypeAdapter

from provisioner.domain.acceptance import Level, VerdictStatus
from provisioner.errors import NotFoundError
from provisioner.state.connection import SqlValue, Table, first_of, insertion, key_of
from provisioner.state.reading import check_types

COLUMNS = ("id", "host", "deployment", "created", "level", "verdict", "body", "signature")
TABLE = "acceptance_reports"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"  # noqa: S608  our own words
NEWEST = "WHERE host = ? AND NOT of_former_host ORDER BY created DESC, id"
SUMMARIES = f"""
WITH found AS (
  SELECT * FROM {TABLE}
  WHERE NOT of_former_host
    AND (?1 IS NULL OR host IN (SELECT value FROM json_each(?1)))
    AND (?2 = '' OR instr(host, ?2)) AND (?3 = '' OR verdict = ?3)
  ORDER BY created DESC, id LIMIT ?4 OFFSET ?5
), whole AS (SELECT *, CASE WHEN json_valid(body) THEN body ELSE '{{}}' END AS json FROM found)
SELECT id, host, deployment, created, level, verdict,
  coalesce(json_extract(json, '$.subject.profile'), ''),
  coalesce(json_extract(json, '$.baseline.siblings'), 0),
  coalesce(json_array_length(json, '$.baseline.outliers'), 0),
  coalesce(json_array_length(json, '$.baseline.regressions'), 0)
FROM whole ORDER BY created DESC, id
"""  # noqa: S608  our own words
VERDICTS = f"""
SELECT id, host, verdict, max(created) FROM {TABLE} WHERE NOT of_former_host GROUP BY host
"""  # noqa: S608  our own words; a bare column is that of the greatest row (sqlite.org/lang_select.html, 2.5)
VERDICT: TypeAdapter[VerdictStatus] = TypeAdapter(VerdictStatus)
NUMBER = (int, float)
KINDS = (str, str, str, NUMBER, str, str, str, str)
SUMMARY_KINDS = (str, str, str, NUMBER, str, str, str, int, int, int)


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


@dataclass(frozen=True)
class ReportFilter:
    """Which reports are wanted, all where nothing is said; `host` is a part of a name, `hosts` are names."""

    host: str = ""
    verdict: str = ""
    hosts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ReportVerdict:
    """What a report comes to; `created` in seconds since 1970."""

    id: str
    created: float
    verdict: VerdictStatus


@dataclass(frozen=True)
class ReportSummary:
    """One report without its body; `outliers` and `regressions` are how many sentences it has of each.

    `siblings` is with how many hosts of its profile it was compared.
    """

    id: str
    host: str
    deployment: str
    created: float
    level: Level
    verdict: VerdictStatus
    profile: str
    siblings: int
    outliers: int
    regressions: int


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

    def newest(self, wanted: ReportFilter, limit: int, skip: int = 0) -> list[ReportSummary]:
        """The newest of all hosts that are wanted, but for the first `skip`; none of a host of before."""
        names = None if wanted.hosts is None else dumps(wanted.hosts)
        rows = self._connection.tuples(SUMMARIES, names, wanted.host, wanted.verdict, limit, skip)
        return self._readable(rows, _summary, first_of)

    def newest_verdicts(self) -> dict[str, ReportVerdict]:
        """Of each host that has a report what the newest one comes to."""
        rows = self._connection.tuples(VERDICTS)
        return dict(self._readable(rows, _verdict, first_of))

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


def _verdict(row: tuple[SqlValue, ...]) -> tuple[str, ReportVerdict]:
    check_types(row, (str, str, str, NUMBER))
    ident, host, verdict, created = row
    return str(host), ReportVerdict(str(ident), float(created or 0), VERDICT.validate_python(verdict))


def _summary(row: tuple[SqlValue, ...]) -> ReportSummary:
    check_types(row, SUMMARY_KINDS)
    ident, host, deployment, created, level, verdict, profile, siblings, outliers, regressions = row
    return ReportSummary(
        str(ident),
        str(host),
        str(deployment),
        float(created or 0),
        Level(str(level)),
        VERDICT.validate_python(verdict),
        str(profile),
        key_of(siblings),
        key_of(outliers),
        key_of(regressions),
    )
