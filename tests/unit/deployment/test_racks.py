"""Racks: who is in which, in the order of places, and how each host ended."""

import pytest

from provisioner.deployment import racks
from provisioner.domain.host import Bmc, Host
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from tests import certificates, signed_reports
from tests.pagelab import STEPS, fill

PLACES = {"a-1": "B2/U12", "a-2": "B2/U2", "a-3": "B1/U1", "a-4": "", "a-5": "B3"}


@pytest.fixture
def placed(site: Site) -> Site:
    """Hosts in three racks, and two in none: a-4, and vc-1 that each site has."""
    made = [
        Host(
            name=name,
            macs=(f"52:54:00:02:00:0{number}",),
            profile="cube",
            rack=rack,
            bmc=Bmc(driver="manual"),
        )
        for number, (name, rack) in enumerate(PLACES.items())
    ]
    site.database.put_inventory(made, [], site.settings.hosts_range)
    return site


def test_racks_are_in_order_and_hosts_in_that_of_their_places(placed: Site) -> None:
    assert racks.names(placed) == ["B1", "B2", "B3"]
    found = {rack.name: [each.host.name for each in rack.hosts] for rack in racks.all_racks(placed)}
    assert found == {"B1": ["a-3"], "B2": ["a-2", "a-1"], "B3": ["a-5"], "": ["a-4", "vc-1"]}
    assert list(found)[-1] == "", "who has no rack comes last"
    assert set(racks.hosts_of(placed, "B2")) == {"a-1", "a-2"} and racks.hosts_of(placed, "B9") == ()
    places = {each.host.name: each.place for rack in racks.all_racks(placed) for each in rack.hosts}
    assert places["a-1"] == "U12" and places["a-4"] == places["a-5"] == ""


def test_each_host_has_its_newest_report(placed: Site) -> None:
    signed_reports.put(placed, certificates.rejected(), "a-1", "a-20261101-0001", created=1)
    signed_reports.put(placed, certificates.healthy(), "a-1", "a-20261102-0001", created=2)
    results = {one.host: one for one in racks.results(placed, racks.all_racks(placed))}
    assert set(results) == {*PLACES, "vc-1"}
    assert (results["a-1"].report, results["a-1"].rack) == ("a-20261102-0001", "B2")
    assert results["a-1"].verdict == certificates.healthy().verdict.status
    assert results["a-2"].report == "" and results["a-2"].result == racks.NEVER


def test_a_host_is_as_its_last_deployment_ended(site: Site) -> None:
    rows = {row.host: row for row in fill(site, len(STEPS) + 2)}
    results = {one.host: one for one in racks.results(site, racks.all_racks(site))}
    for name, row in rows.items():
        assert results[name].deployment == row.id
    failed = next(row for row in rows.values() if row.stage is Stage.FAILED)
    assert (results[failed.host].code, results[failed.host].reason) == (failed.code, failed.reason)
