"""What lists are made of by one query each: the last of each host, the newest runs, how many are how."""

from collections.abc import Mapping

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.runs import arm_run
from provisioner.domain import run_totals
from provisioner.domain.deployment import Deployment, Verdict
from provisioner.domain.run import Run
from provisioner.domain.run_report import UNREADABLE
from provisioner.domain.stage import Stage
from provisioner.errors import UnreadableError
from provisioner.site.site import Site
from provisioner.state.deployments import LARGE
from tests import pagelab
from tests.pagelab import fill


def put(site: Site, row: Deployment, **changes: object) -> Deployment:
    changed = row.model_copy(update=changes)
    with site.database.writing():
        site.database.deployments.put(changed)
    return changed


def put_runs(site: Site, made: Mapping[str, float]) -> None:
    with site.database.writing():
        for ident, created in made.items():
            site.database.runs.put(Run(id=ident, created=created, by="ann", select=""))


def damage(site: Site, table: str, ident: str, column: str, value: str) -> None:
    site.database.db.conn.execute("PRAGMA ignore_check_constraints=ON")
    sql = f"UPDATE {table} SET {column} = ? WHERE id = ?"
    assert site.database.db.conn.execute(sql, [value, ident]).rowcount == 1


class TestLastOfEach:
    """As `last_readable` of each host, by one query."""

    def test_the_newest_of_each_host_and_nobody_else(self, site: Site) -> None:
        rows = {row.host: row.id for row in fill(site)}
        host = site.database.hosts.get("vc-0008")
        again = arm(site, host, pagelab.image(), by="ann")
        found = site.database.deployments.last_of_each()
        assert {name: row.id for name, row in found.items()} == {**rows, "vc-0008": again.id}
        for name, row in found.items():
            assert row == site.database.deployments.last_readable(name)

    def test_without_what_no_list_shows(self, site: Site) -> None:
        row = put(site, fill(site)[0], verdict=Verdict(result="passed"), host_keys=("ssh-ed25519 AAAA",))
        whole = site.database.deployments.last_of_each()[row.host]
        brief = site.database.deployments.last_of_each(brief=True)[row.host]
        assert whole == row and brief.verdict == Verdict() and not brief.host_keys
        assert brief.model_dump(exclude=set(LARGE)) == whole.model_dump(exclude=set(LARGE))

    @pytest.mark.parametrize("brief", [False, True])
    def test_in_place_of_one_that_cannot_be_read_the_one_before_is(self, site: Site, brief: bool) -> None:
        first = next(row for row in fill(site) if row.stage is Stage.READY)
        newer = arm(site, site.database.hosts.get(first.host), pagelab.image(), by="ann")
        damage(site, "deployments", newer.id, "progress", "{")
        others = len(site.database.deployments.last_of_each(brief=brief))
        assert site.database.deployments.last_of_each(brief=brief)[first.host].id == first.id and others == 12

    def test_a_host_that_is_not_known_any_more_has_none(self, site: Site) -> None:
        row = fill(site)[0]
        site.database.db.conn.execute("DELETE FROM hosts WHERE name = ?", [row.host])
        assert row.host not in site.database.deployments.last_of_each()


class TestCountsOfRuns:
    """How many of each run are how, as a count of its rows tells."""

    def test_each_is_counted_as_its_row_is_told(self, site: Site) -> None:
        fill(site)
        run = Run(id="r-1", created=1, by="ann", select="")
        hosts = [site.database.hosts.get(name) for name in ("vc-0013", "vc-0014", "vc-1")]
        image = site.database.images.all()[0]
        rows = arm_run(site, run, [(host, image) for host in hosts])
        put(site, rows[0], stage=Stage.FAILED, code=210, reason="no DHCP packet")
        put(site, rows[1], stage=Stage.WRITING)
        put_runs(site, {"r-2": 2})
        found = site.database.deployments.counts_of_runs(["r-1", "r-2", "r-9"])
        assert found == {"r-1": {"failed": 1, "moving": 1, "waiting": 1}, "r-2": {}, "r-9": {}}
        assert found["r-1"] == run_totals.counts(site.database.deployments.of_run("r-1"))
        damage(site, "deployments", rows[2].id, "stage", "teleporting")
        found = site.database.deployments.counts_of_runs(["r-1"])
        assert found["r-1"] == {UNREADABLE: 1, "failed": 1, "moving": 1}

    def test_of_no_run_there_is_nothing(self, site: Site) -> None:
        assert site.database.deployments.counts_of_runs([]) == {}


class TestRuns:
    """The newest, and how many."""

    def test_the_newest_is_first_and_no_more_than_wanted(self, site: Site) -> None:
        assert site.database.runs.newest(5) == [] and site.database.runs.count() == 0
        put_runs(site, {"r-1": 30, "r-2": 10, "r-3": 20, "r-4": 20})
        assert [run.id for run in site.database.runs.newest(3)] == ["r-1", "r-4", "r-3"]
        assert site.database.runs.count() == 4

    def test_one_that_cannot_be_read_is_counted_and_hides_no_other(self, site: Site) -> None:
        put_runs(site, {"r-1": 1, "r-2": 2})
        damage(site, "runs", "r-2", "body", "{")
        assert [run.id for run in site.database.runs.newest(5)] == ["r-1"]
        assert site.database.runs.count() == 2
        with pytest.raises(UnreadableError):
            site.database.runs.get("r-2")
