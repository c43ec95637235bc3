"""What the history of a profile says of its stages, and how long the causes wait by it."""

from dataclasses import replace

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis import usual
from provisioner.diagnosis.observations import observe
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.profile import Profile
from provisioner.domain.stage import Stage
from provisioner.domain.waiting import UsualTime, usual_time
from provisioner.site.site import Site
from tests.unit.conftest import Clock, hello_of
from tests.unit.diagnosis.evidence import codes

ON = PowerOn(boot="network", confirmed=True)


def begin(site: Site) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    record(site, row.id, PowerBegan(nonce=f"n-{row.id}"), source="worker")
    return record(site, row.id, ON, source="bmc")


def complete(site: Site, clock: Clock, powering: float) -> Deployment:
    """One that ended well, and needed so long until its first packet."""
    row = begin(site)
    clock.now += powering
    record(site, row.id, DhcpSeen(), source="dhcp")
    clock.now += 60
    hello = hello_of(f"n-{row.id}", boot_id=row.id)
    for event in (
        hello,
        AgentWritten(disk=WrittenDisk(name="vda")),
        OsPhoned(),
        VerifyPassed(),
        SealDone(mode="full"),
    ):
        record(site, row.id, event, source="test")
        clock.now += 30
    return site.database.deployments.get(row.id)


def test_nothing_is_usual_before_three_have_ended_well(site: Site, clock: Clock) -> None:
    for _ in range(2):
        complete(site, clock, 300)
    row = begin(site)
    assert usual.times(site.database, row) == {}
    record(site, row.id, OrderCancelled(by="ann"), source="operator")
    complete(site, clock, 360)
    known = usual.times(site.database, begin(site))
    assert known[Stage.POWERING].describe() == "usually 5-6 min"
    assert known[Stage.NETBOOTING].median == 60 and known[Stage.POWERING].count == 3


def test_only_those_of_its_profile_count(site: Site, clock: Clock) -> None:
    for _ in range(3):
        complete(site, clock, 300)
    other = Profile(name="other", image="vault-os")
    host = site.database.hosts.get("vc-1").model_copy(update={"profile": "other"})
    before = begin(site)
    assert usual.times(site.database, before)
    site.database.put_inventory([host], [other], site.settings.hosts_range)
    assert usual.times(site.database, before)  # what they are now is compared
    cube = site.database.hosts.get("vc-1").model_copy(
        update={"name": "vc-2", "macs": ("52:54:00:00:00:02",), "profile": "cube"}
    )
    site.database.put_inventory([cube], [], site.settings.hosts_range)
    assert usual.times(site.database, before.model_copy(update={"host": "vc-2"})) == {}
    assert usual.times(site.database, before.model_copy(update={"iso": "ubuntu@1"})) == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((300, 320, 360), "usually 5-6 min"),
        ((300, 300, 300), "usually 5 min"),
        ((40, 45, 50, 55), "usually 42-53 s"),
        ((62, 62, 62), "usually 62 s"),
        ((100, 290, 310, 320, 3000), "usually 3-28 min"),
    ],
)
def test_the_usual_time_is_said_as_quartiles(seconds: tuple[float, ...], words: str) -> None:
    known = usual_time(seconds)
    assert known and known.describe() == words


def test_a_damaged_host_takes_nothing_from_the_others(site: Site, clock: Clock) -> None:
    for _ in range(3):
        complete(site, clock, 300)
    row = begin(site)
    site.database.db.execute("INSERT INTO hosts (name, body) VALUES ('x', '{')")
    assert usual.times(site.database, row)


def known(slowest: float) -> dict[Stage, UsualTime]:
    times = {"low": 100.0, "median": 120.0, "high": 150.0, "slowest": slowest, "count": 3}
    return {Stage.POWERING: UsualTime.model_validate(times)}


@pytest.mark.parametrize(("slowest", "limit"), [(60.0, 180.0), (360.0, 540.0), (800.0, 1200.0)])
def test_silence_is_named_by_what_the_profile_usually_needs(
    site: Site, clock: Clock, slowest: float, limit: float
) -> None:
    """A profile that starts quickly is not waited for as for the slowest server, one that is slower is."""
    row = begin(site)
    seen = replace(observe(site, row), usual=known(slowest))
    assert codes(replace(seen, now=clock.now + limit - 1)) == []
    assert codes(replace(seen, now=clock.now + limit + 1)) == [210]
