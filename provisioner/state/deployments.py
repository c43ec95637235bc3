"""Deployments: their rows."""

import json
from collections.abc import Sequence

from provisioner.domain import run_totals
from provisioner.domain.deployment import Deployment, Verdict, stop_reason
from provisioner.domain.purpose import Purpose
from provisioner.domain.run_report import UNREADABLE
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.state import salvage
from provisioner.state.connection import Row, SqlValue, Table, first_of, insertion, key_of

MODEL_COLUMNS = ("progress", "disk", "verdict", "target", "script")
JSON_COLUMNS = (*MODEL_COLUMNS, "host_keys", "hints")
EXCLUDED = set(JSON_COLUMNS)
# a table's upsert asks the schema first, many times; a storm of machines comes through here
UPSERT = (
    f"{insertion('deployments', Deployment.model_fields)} ON CONFLICT(id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in Deployment.model_fields if name != "id")
)  # fmt: skip
RESTING_MARKS = ", ".join("?" for _ in RESTING)
RECENT = f"(coalesce(stage_since, 0) >= ? OR stage NOT IN ({RESTING_MARKS}))"  # changed since, or under way
_PROFILE = "CASE WHEN json_valid(body) THEN json_extract(body, '$.profile') END"
OF_ITS_PROFILE = f"""host IN (SELECT name FROM hosts WHERE {_PROFILE} =
                     (SELECT {_PROFILE} FROM hosts WHERE name = ?))"""  # noqa: S608  our own words
# as `ended_as_ordered` of a deployment, of those at rest
AS_ORDERED = f"""coalesce(stop_after, '') != ''
                 AND coalesce(reason, '') = '{stop_reason("' || stop_after || '")}'"""
OF_HOST = "host = ? AND NOT of_former_host"
DEPLOYS = f"{OF_HOST} AND purpose = '{Purpose.DEPLOY}'"  # what writes a disk, and no verification
LARGE = ("verdict", "host_keys", "hints", "target", "script")  # columns that no list of hosts shows
BRIEF = ", ".join(name for name in Deployment.model_fields if name not in LARGE)
NO_VERDICT = Verdict()  # one for all: a default that has a dict in it is copied for each
LOOKED_THROUGH = 1000  # of the newest, for the list of what cannot be read: they are kept for years


class Deployments(Table):
    """Deployments by id; their order is that in which they were armed, whatever a clock said.

    One that cannot be read is left out of lists, for its host boots its disk then. `last_of` raises for it,
    unless it is at rest: whoever would order the next one must know of it. A host's are those since it is
    known by its name: those of a machine that was removed are found by their ids, run or boot only.
    """

    NOUN = "the deployment"
    HINT = "restore a backup, or set it aside: provision cancel {}"

    def get(self, ident: str) -> Deployment:
        """The deployment of an id. Raises NotFoundError (PV-123), UnreadableError (PV-612)."""
        return self._read(self._row(ident), to_deployment, ident)

    def _row(self, ident: str) -> Row:
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no deployment is called {ident!r}", hint="provision status", code=123)
        return row

    def salvage(self, ident: str) -> Deployment:
        """What can be read of one that cannot be read as a whole; the rest is as nobody had said it.

        Raises NotFoundError (PV-123).
        """
        return salvage.deployment(self._row(ident), to_deployment)

    def has(self, ident: str) -> bool:
        """Whether this id is taken."""
        return self._connection.fetch_one("SELECT 1 FROM deployments WHERE id = ?", ident) is not None

    def last_of(self, host: str) -> Deployment | None:
        """The newest deployment of a host. Raises UnreadableError for one neither readable nor at rest."""
        return self._newest_of(DEPLOYS, host, strict=True)

    def last_order_of(self, host: str) -> Deployment | None:
        """The newest deployment or verification of a host, which decides what it boots. Raises likewise."""
        return self._newest_of(OF_HOST, host, strict=True)

    def last_readable_order(self, host: str) -> Deployment | None:
        """The newest deployment or verification of a host that can be read."""
        return self._newest_of(OF_HOST, host, strict=False)

    def last_readable(self, host: str) -> Deployment | None:
        """The newest deployment of a host that can be read: for lists, which decide nothing."""
        return self._newest_of(DEPLOYS, host, strict=False)

    def last_of_each(self, *, brief: bool = False) -> dict[str, Deployment]:
        """The newest deployment of each known host that can be read, by one query; as `last_readable`.

        `brief`: without what no list shows (LARGE), which is as nobody had said it.
        """
        columns = BRIEF if brief else ", ".join(Deployment.model_fields)
        newest = f"SELECT max(rowid) FROM deployments WHERE {DEPLOYS.replace('?', 'hosts.name')}"  # noqa: S608  ours
        sql = f"""SELECT {columns} FROM deployments
                  WHERE rowid IN (SELECT ({newest}) FROM hosts)"""  # noqa: S608  ours
        found: dict[str, Deployment] = {}
        for row in self._connection.rows(sql):
            last = self._unless_lost(row, strict=False) or self.last_readable(str(row["host"]))
            if last is not None:
                found[last.host] = last
        return found

    def last_written(self, host: str) -> Deployment | None:
        """The newest deployment of a host that has written its disk to the end, and can be read."""
        return self._newest_of(f"{DEPLOYS} AND disk NOT IN ('', '{{}}')", host, strict=False)

    def last_consumed(self, host: str) -> Deployment | None:
        """The newest deployment of a host whose machine was let write, and can be read."""
        return self._newest_of(f"{DEPLOYS} AND consumed > 0", host, strict=False)

    def by_boot(self, boot_id: str) -> Deployment | None:
        """The newest deployment of any host that this boot of an agent or installer worked on."""
        return self._newest_of("agent_boot_id = ?", boot_id, strict=False)

    def _newest_of(self, which: str, value: str, *, strict: bool) -> Deployment | None:
        sql = f"SELECT * FROM deployments WHERE {which} ORDER BY rowid DESC"  # noqa: S608  ours
        for limit in ("LIMIT 1", "LIMIT -1 OFFSET 1"):  # hardly ever is the second needed
            for row in self._connection.rows(f"{sql} {limit}", value):
                if (found := self._unless_lost(row, strict=strict)) is not None:
                    return found
        return None

    def _unless_lost(self, row: Row, *, strict: bool) -> Deployment | None:
        """None for what cannot be read; where `strict`, only if it is at rest: lost history."""
        try:
            return self._read(row, to_deployment, row["id"])
        except UnreadableError as fault:
            if strict and row["stage"] not in RESTING:
                raise
            self._connection.warn([fault])
            return None

    def by_token(self, token_hash: str) -> Deployment | None:
        """The deployment that an agent's token belongs to."""
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE token_hash = ?", token_hash)
        return self._read(row, to_deployment, row["id"]) if row else None

    def by_nonce(self, nonce_hash: str) -> Deployment | None:
        """The deployment whose present boot has this nonce."""
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE nonce_hash = ?", nonce_hash)
        return self._read(row, to_deployment, row["id"]) if row else None

    def under_way(self) -> list[Deployment]:
        """All deployments that are not at rest, oldest first."""
        return self._list(f"WHERE stage NOT IN ({RESTING_MARKS}) ORDER BY rowid", *RESTING)

    def images_on_disks(self) -> dict[str, str]:
        """Host → id of the image that its disk holds: of its newest deployment that was let write.

        A host is left out while that has not written all of it, or has ended before.
        """
        sql = f"""SELECT host, image FROM deployments WHERE disk NOT IN ('', '{{}}') AND rowid IN (
                  SELECT max(rowid) FROM deployments
                  WHERE NOT of_former_host AND purpose = '{Purpose.DEPLOY}'
                  AND (consumed > 0 OR disk NOT IN ('', '{{}}')) GROUP BY host)"""  # noqa: S608  our own words
        return {str(host): str(image) for host, image in self._connection.tuples(sql)}

    def orders(self) -> list[tuple[str, str, Stage]]:
        """MAC, id and stage of all deployments that are not at rest: quick enough to ask all the time."""
        sql = f"SELECT id, mac, stage FROM deployments WHERE stage NOT IN ({RESTING_MARKS}) ORDER BY rowid"  # noqa: S608  marks only
        return self._readable(self._connection.tuples(sql, *RESTING), _order, first_of)

    def newest(self, limit: int = 100, since: float = 0.0) -> list[Deployment]:
        """The `limit` newest that have changed since then or are under way, the newest first."""
        return self._list(f"WHERE {RECENT} ORDER BY rowid DESC LIMIT ?", since, *RESTING, limit)

    def ended(self, limit: int, since: float) -> list[Deployment]:
        """The `limit` newest that have come to rest since then, the newest first."""
        where = f"WHERE stage IN ({RESTING_MARKS}) AND stage_since >= ? ORDER BY rowid DESC LIMIT ?"
        return self._list(where, *RESTING, since, limit)

    def count(self, since: float = 0.0) -> int:
        """How many there are of these, those included that cannot be read."""
        sql = f"SELECT count(*) FROM deployments WHERE {RECENT}"  # noqa: S608  marks only
        return int(self._connection.tuples(sql, since, *RESTING)[0][0] or 0)

    def by_stage(self) -> dict[str, int]:
        """How many there are at each stage, those that cannot be read included."""
        found = self._connection.tuples("SELECT stage, count(*) FROM deployments GROUP BY stage")
        return {str(stage): key_of(number) for stage, number in found}

    def of_run(self, ident: str) -> list[Deployment]:
        """The deployments of a run, in the order in which they were armed.

        One that cannot be read has its place, too: what can be read of it, and why (PV-612) as its failure.
        """
        rows = self._connection.rows("SELECT * FROM deployments WHERE run = ? ORDER BY rowid", ident)
        return [self._or_salvaged(row) for row in rows]

    def counts_of_runs(self, idents: Sequence[str]) -> dict[str, dict[str, int]]:
        """How many of each run are of each kind (domain/run_totals.py): one query for all of them."""
        marks = ", ".join("?" for _ in idents)
        sql = f"""SELECT run, stage, {AS_ORDERED}, count(*) FROM deployments WHERE run IN ({marks})
                  GROUP BY 1, 2, 3"""  # noqa: S608  marks only
        found: dict[str, dict[str, int]] = {ident: {} for ident in idents}
        for run, stage, as_ordered, number in self._connection.tuples(sql, *idents):
            kind = _kind(stage, as_ordered=bool(as_ordered))
            found[str(run)][kind] = found[str(run)].get(kind, 0) + key_of(number)
        return found

    def _or_salvaged(self, row: Row) -> Deployment:
        try:
            return self._read(row, to_deployment, row["id"])
        except UnreadableError as fault:
            self._connection.warn([fault])
            saved = salvage.deployment(row, to_deployment)
            return saved.changed(code=fault.code, reason=str(fault), hint=fault.hint)

    def later_than(self, row: Deployment) -> list[Deployment]:
        """All deployments of its host that were armed after this one, oldest first, as `of_run` has them."""
        sql = """SELECT * FROM deployments WHERE host = ? AND purpose = ?
                 AND rowid > (SELECT rowid FROM deployments WHERE id = ?) ORDER BY rowid"""
        rows = self._connection.rows(sql, row.host, Purpose.DEPLOY, row.id)
        return [self._or_salvaged(found) for found in rows]

    def before(self, row: Deployment) -> Deployment | None:
        """The deployment of its host that was armed last before this one, if it can be read."""
        sql = f"""SELECT * FROM deployments WHERE {OF_HOST}
                  AND rowid < (SELECT rowid FROM deployments WHERE id = ?) ORDER BY rowid DESC LIMIT 1"""  # noqa: S608  ours
        rows = self._connection.rows(sql, row.host, row.id)
        return next((self._unless_lost(found, strict=False) for found in rows), None)

    def open_of_run(self, ident: str) -> set[str]:
        """The ids of those of a run that are not at rest, or of which nobody knows."""
        sql = f"SELECT id FROM deployments WHERE run = ? AND coalesce(stage, '') NOT IN ({RESTING_MARKS})"  # noqa: S608  marks only
        return {str(found) for (found,) in self._connection.tuples(sql, ident, *RESTING)}

    def completed(self, host: str, most: int = 3) -> list[str]:
        """The ids of a host's newest deployments that ended well."""
        sql = f"SELECT id FROM deployments WHERE {DEPLOYS} AND stage = ? ORDER BY rowid DESC LIMIT ?"  # noqa: S608  ours
        return [str(ident) for (ident,) in self._connection.tuples(sql, host, Stage.READY, most)]

    def completed_alike(self, row: Deployment, most: int) -> list[str]:
        """The ids of the newest of its profile that ended well at their first attempt, by the same means."""
        sql = f"""SELECT id FROM deployments WHERE stage = ? AND attempt = 1 AND (iso = '') = ?
                  AND purpose = ? AND {OF_ITS_PROFILE} ORDER BY rowid DESC LIMIT ?"""  # noqa: S608  our own words
        found = self._connection.tuples(sql, Stage.READY, int(not row.iso), row.purpose, row.host, most)
        return [str(ident) for (ident,) in found]

    def peers(self, row: Deployment, most: int = 20) -> list[Deployment]:
        """The newest others of its profile, and of its run if it has one, that got the same image alike."""
        alike = "WHERE image = ? AND run = ? AND write_mode = ? AND iso = ? AND id != ?"
        alike += f" AND purpose = ? AND {OF_ITS_PROFILE}"
        values = (row.image, row.run, row.write_mode, row.iso, row.id, row.purpose, row.host, most)
        return self._list(f"{alike} ORDER BY rowid DESC LIMIT ?", *values)

    def unreadable(self) -> list[UnreadableError]:
        """Why those that cannot be read are left out: of all that may be under way, and of the newest."""
        sql = f"""SELECT * FROM deployments WHERE stage NOT IN ({RESTING_MARKS})
                  OR rowid > (SELECT max(rowid) FROM deployments) - ?"""  # noqa: S608  marks only
        return self._sift(self._connection.rows(sql, *RESTING, LOOKED_THROUGH), to_deployment, first_of)[1]

    def unreadable_orders(self, host: str) -> list[UnreadableError]:
        """Likewise of those that may be under way, and are this host's, or nobody's that is known."""
        sql = f"""SELECT * FROM deployments WHERE stage NOT IN ({RESTING_MARKS})
                  AND (host = ? OR host NOT IN (SELECT name FROM hosts))"""  # noqa: S608  marks only
        return self._sift(self._connection.rows(sql, *RESTING, host), to_deployment, first_of)[1]

    def ended_before(self, when: float, idents: list[str]) -> set[str]:
        """Those of the ids that are unknown, or at rest since before `when` (seconds since 1970)."""
        marks = ", ".join("?" for _ in idents)
        sql = f"""SELECT id FROM deployments WHERE id IN ({marks})
                  AND NOT (stage IN ({RESTING_MARKS}) AND stage_since < ?)"""  # noqa: S608  marks only
        return set(idents) - {str(row[0]) for row in self._connection.tuples(sql, *idents, *RESTING, when)}

    def prune(self, before: float, most: int) -> int:
        """Forget at most so many that ended before then (seconds since 1970), with their events; how many.

        The last one of each host stays, and the last that was let write: they say what the host holds.
        """
        sql = f"""SELECT id FROM deployments WHERE stage IN ({RESTING_MARKS}) AND stage_since < ?
                  AND rowid NOT IN (SELECT max(rowid) FROM deployments GROUP BY host, of_former_host, purpose)
                  AND rowid NOT IN (SELECT max(rowid) FROM deployments
                                    WHERE consumed > 0 AND purpose = '{Purpose.DEPLOY}'
                                    GROUP BY host, of_former_host)
                  ORDER BY rowid LIMIT ?"""  # noqa: S608  marks only
        with self._connection.writing() as db:
            found = self._connection.tuples(sql, *RESTING, before, most)
            db.conn.executemany("DELETE FROM events WHERE deployment = ?", found)
            db.conn.executemany("DELETE FROM deployments WHERE id = ?", found)
        return len(found)

    def _list(self, tail: str, *parameters: SqlValue) -> list[Deployment]:
        rows = self._connection.rows(f"SELECT * FROM deployments {tail}", *parameters)  # noqa: S608  our own words
        return self._readable(rows, to_deployment, first_of)

    def put(self, row: Deployment) -> None:
        """Insert or update, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        body = row.model_dump(mode="json", exclude=EXCLUDED)
        body["host_keys"] = json.dumps(row.host_keys)
        body["hints"] = row.hints.model_dump_json(exclude_defaults=True) if row.hints else None
        for name in MODEL_COLUMNS:
            body[name] = getattr(row, name).model_dump_json(exclude_defaults=True)
        self._connection.db.conn.execute(UPSERT, body)


def to_deployment(row: Row) -> Deployment:
    """A row of the table as the model; null columns have the model's defaults."""
    values: dict[str, object] = {key: value for key, value in row.items() if value is not None}
    for name in JSON_COLUMNS:
        if name in values:
            values[name] = json.loads(str(values[name]))
    return Deployment.model_validate({"verdict": NO_VERDICT, **values})


def _kind(stage: SqlValue, *, as_ordered: bool) -> str:
    """A stage that is none is that of a damaged row."""
    try:
        return run_totals.kind_of(Stage(str(stage)), as_ordered=as_ordered)
    except ValueError:
        return UNREADABLE


def _order(row: tuple[SqlValue, ...]) -> tuple[str, str, Stage]:
    ident, mac, stage = row
    if not isinstance(ident, str) or not isinstance(mac, str):
        raise TypeError("its id or MAC is no text")
    return mac, ident, Stage(str(stage))
