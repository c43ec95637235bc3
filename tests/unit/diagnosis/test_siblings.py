"""Which card that asks is the host's other port, and which is a neighbour's."""

import pytest

from provisioner.deployment.order import arm
from provisioner.diagnosis import siblings
from provisioner.domain.deployment import Deployment
from provisioner.domain.hardware import HardwareFacts, NeighbourInfo, NicInfo
from provisioner.domain.host import Bmc
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import SurveyRow
from tests.unit.conftest import MAC, Clock

NEXT, FAR = "52:54:00:00:00:03", "ac:1f:6b:0a:42:11"
UUID, OTHER_UUID = "00112233-4455-6677-8899-aabbccddee01", "10112233-4455-6677-8899-aabbccddee01"
MIRRORED = "33221100-5544-7766-8899-aabbccddee01"


@pytest.fixture
def row(site: Site) -> Deployment:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")


def asks(site: Site, mac: str, *, boots: bool = True, **packet: str) -> None:
    data = ClientPacket(mac, "discover", site.clock(), boots=boots, **packet)  # type: ignore[arg-type]
    site.database.sightings.put([NewSighting(mac, site.clock(), 1, "", data)])


def known(site: Site, **host: object) -> None:
    """Another host, or vc-1 otherwise than before."""
    first = site.database.hosts.get("vc-1")
    site.database.put_inventory([first.model_copy(update=host)], [], site.settings.hosts_range)


def found(site: Site, row: Deployment) -> list[tuple[str, bool]]:
    return [(each.sighting.mac, each.is_certain) for each in siblings.find(site.database, row, 1.0)]


def test_the_next_mac_that_nobody_knows_is_probably_its_other_port(site: Site, row: Deployment) -> None:
    asks(site, NEXT)
    assert found(site, row) == [(NEXT, False)]


@pytest.mark.parametrize("mac", [FAR, "52:54:00:00:00:0a"])
def test_a_mac_that_is_not_near_is_another_machine(site: Site, row: Deployment, mac: str) -> None:
    asks(site, mac)
    assert found(site, row) == []


def test_a_mac_of_another_host_or_of_a_bmc_is_none(site: Site, row: Deployment) -> None:
    known(site, name="vc-2", macs=("52:54:00:00:00:02",), bmc=Bmc(driver="manual", mac="52:54:00:00:00:04"))
    for mac in ("52:54:00:00:00:02", "52:54:00:00:00:04"):
        asks(site, mac)
    assert found(site, row) == []


@pytest.mark.parametrize("role", ["host", "bmc"])
def test_a_mac_that_is_nearer_or_as_near_to_what_is_anothers_is_his(
    site: Site, row: Deployment, role: str
) -> None:
    """vc-1 has …01, the other …05: …03 lies between, …04 is the other's, …02 is ours."""
    mac = "52:54:00:00:00:05"
    other = {"macs": (mac,)} if role == "host" else {"macs": (FAR,), "bmc": Bmc(driver="manual", mac=mac)}
    known(site, name="vc-2", **other)
    for last in (3, 4):
        asks(site, f"52:54:00:00:00:0{last}")
    assert found(site, row) == []
    asks(site, "52:54:00:00:00:02")
    assert found(site, row) == [("52:54:00:00:00:02", False)]


def test_what_boots_nothing_is_a_bmc_or_a_system(site: Site, row: Deployment) -> None:
    asks(site, NEXT, boots=False)
    assert found(site, row) == []


def test_a_machine_that_has_reported_other_cards_is_that_machine(site: Site, row: Deployment) -> None:
    asks(site, NEXT)
    facts = HardwareFacts(mac=NEXT, macs=(NEXT, "52:54:00:00:00:04"))
    site.database.surveys.put(SurveyRow(NEXT, macs=facts.macs, reported=site.clock(), hardware=facts))
    assert found(site, row) == []


@pytest.mark.parametrize("said", [UUID, UUID.upper(), MIRRORED])
def test_its_uuid_makes_any_card_its_own(site: Site, row: Deployment, said: str) -> None:
    known(site, uuid=UUID)
    asks(site, FAR, uuid=said)
    assert found(site, row) == [(FAR, True)]


def test_another_uuid_makes_the_nearest_card_anothers(site: Site, row: Deployment) -> None:
    known(site, uuid=UUID)
    asks(site, NEXT, uuid=OTHER_UUID)
    assert found(site, row) == []
    asks(site, NEXT, uuid="03000200-0400-0500-0006-000700080009")  # a maker's placeholder says nothing
    assert found(site, row) == [(NEXT, False)]


def test_cards_that_it_named_itself_or_the_inventory_names_are_its_own(site: Site, row: Deployment) -> None:
    facts = HardwareFacts(mac=MAC, macs=(MAC,), nics=(NicInfo(name="eth1", mac=FAR),))
    site.database.hosts.put_hardware("vc-1", facts, site.clock())
    asks(site, FAR)
    assert found(site, row) == [(FAR, True)]
    second = "ac:1f:6b:0a:42:99"
    known(site, macs=(MAC, second))
    asks(site, second, boots=False)
    assert (second, True) in found(site, row)


def test_its_switch_port_makes_a_card_its_own(site: Site, row: Deployment, clock: Clock) -> None:
    """By option 82 of its own card before, or by LLDP as its ramdisk heard it."""
    asks(site, MAC, remote="sw3", circuit="17")
    clock.now += 3600
    asks(site, FAR, remote="sw3", circuit="17")
    asks(site, "ac:1f:6b:0a:43:00", remote="sw3", circuit="18")
    assert found(site, row) == [(FAR, True)]
    heard = NeighbourInfo(nic="eth0", system="sw3", port="18")
    facts = HardwareFacts(mac=MAC, macs=(MAC,), neighbours=(heard,))
    site.database.hosts.put_hardware("vc-1", facts, site.clock())
    assert sorted(found(site, row)) == [(FAR, True), ("ac:1f:6b:0a:43:00", True)]
    place = siblings.find(site.database, row, 1.0)[0].place
    assert place in ("sw3 17", "sw3 18")


def test_who_asked_before_the_power_on_is_none(site: Site, row: Deployment) -> None:
    asks(site, NEXT)
    assert siblings.find(site.database, row, site.clock() + 1) == ()


def test_a_host_that_was_removed_has_none(site: Site, row: Deployment) -> None:
    asks(site, NEXT)
    gone = row.model_copy(update={"host": "vc-9"})
    assert siblings.find(site.database, gone, 1.0) == ()
