"""What the history of a profile says of its stages, and how long the causes wait by it."""

from dataclasses import replace

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.diagnosis import usual
from provisioner.diagnosis.observations import observe
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentSilent, AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.power import PowerBegan, PowerOn
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.profile import Profile
from provisioner.domain.stage import Stage
from provisioner.domain.waiting import UsualTime, usual_time
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting
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


def limit(row: Deployment) -> float:
    """Seconds that it has at its stage."""
    return row.deadline - row.stage_since


def test_a_start_that_was_slow_once_is_given_the_time(site: Site, clock: Clock) -> None:
    """One of the host's own is evidence enough; a quick one takes nothing away."""
    complete(site, clock, 300)
    row = begin(site)
    assert limit(row) == 900
    record(site, row.id, OrderCancelled(by="ann"), source="operator")
    complete(site, clock, 800)
    row = begin(site)
    assert limit(row) == 800 * 1.5 + 60 and usual.times(site.database, row) == {}


def test_what_others_of_the_profile_needed_is_given_to_a_new_host(site: Site, clock: Clock) -> None:
    for _ in range(3):
        complete(site, clock, 1000)
    new = site.database.hosts.get("vc-1").model_copy(update={"name": "vc-2", "macs": ("52:54:00:00:00:02",)})
    site.database.put_inventory([new], [], site.settings.hosts_range)
    row = arm(site, new, site.database.images.all()[0], by="ann")
    assert limit(record(site, row.id, SlotGiven(), source="worker")) == 1560


def test_the_second_attempt_knows_the_first(site: Site, clock: Clock) -> None:
    row = begin(site)
    clock.now += 890
    record(site, row.id, DhcpSeen(), source="dhcp")
    record(site, row.id, hello_of(f"n-{row.id}", boot_id=row.id), source="agent")
    assert limit(record(site, row.id, AgentSilent(seconds=61), source="worker")) == 890 * 1.5 + 60


@pytest.mark.parametrize(
    ("after", "boots", "seconds"),
    [(1200, True, 1860), (1200, False, 900), (6000, True, 900), (None, True, 900)],
)
def test_firmware_that_asked_after_its_order_had_failed_is_waited_for_next_time(
    site: Site, clock: Clock, after: float | None, boots: bool, seconds: float
) -> None:
    """Not what a system asked, nor a start of hours later."""
    row = begin(site)
    began = clock.now
    clock.now += 901
    record(site, row.id, overdue(site, row), source="worker")
    if after:
        packet = ClientPacket(row.mac, "discover", began + after, boots=boots)
        site.database.sightings.put([NewSighting(row.mac, began + after, 1, "", packet)])
    clock.now = began + 7200
    assert limit(begin(site)) == seconds


def known(slowest: float) -> dict[Stage, UsualTime]:
    times = {"low": 100.0, "median": 120.0, "high": 150.0, "slowest": slowest, "count": 3}
    return {Stage.POWERING: UsualTime.model_validate(times)}


@pytest.mark.parametrize(("slowest", "limit"), [(60.0, 840.0), (360.0, 840.0), (800.0, 1200.0)])
def test_silence_is_named_by_what_the_profile_usually_needs(
    site: Site, clock: Clock, slowest: float, limit: float
) -> None:
    """A profile that is slower than others is waited for, and one that was quick so far is, too."""
    row = begin(site)
    seen = replace(observe(site, row), usual=known(slowest))
    assert codes(replace(seen, now=clock.now + limit - 1)) == []
    assert codes(replace(seen, now=clock.now + limit + 1)) == [210]
