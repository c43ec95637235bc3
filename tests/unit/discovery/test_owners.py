"""Numbers that several machines share: they neither join machines, nor delete what one of them said."""

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask, g

from provisioner import discovery
from provisioner.agent import protocol
from provisioner.api.machines import Adoption
from provisioner.discovery import intake, machines, records
from provisioner.domain.boot_plan import Asker
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.machine import UnknownMachine
from provisioner.errors import InputError, InventoryError, RefusedError
from provisioner.power.registry import DRIVERS
from provisioner.settings import Discovery
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.web.operators import machines as adoption
from tests.unit.conftest import ADMIN

USB = "be:3a:f2:b6:05:9f"  # of every BMC of one make
CARDS = ("ac:1f:6b:00:00:11", "ac:1f:6b:00:00:22", "ac:1f:6b:00:00:33")
UUIDS = ("6a1d2c3e-0000-4000-8000-000000000001", "6a1d2c3e-0000-4000-8000-000000000002", "")
MIRRORED = "3e2c1d6a-0000-0040-8000-000000000001"
NOBODY = "03000200-0400-0500-0006-000700080009"


@pytest.fixture
def open_site(site: Site) -> Iterator[Site]:
    """As the API has it, with discovery.boot on."""
    settings = site.settings.model_copy(update={"discovery": Discovery(boot=True)})
    opened = dataclasses.replace(site, settings=settings)
    application = Flask("test")
    application.config["SITE"] = opened
    with application.app_context():
        g.caller = ADMIN
        yield opened


def take(site: Site, number: int, *more: str, serial: str = "", uuid: str = "", driver: str = "") -> bool:
    mac, address = CARDS[number], f"10.77.0.{130 + number}"
    site.database.leases.put([LeaseRow(mac, address, site.clock() + 600, bound=True)])
    message = protocol.Inventory(
        mac=mac,
        macs=[mac, *more],
        serial=serial,
        uuid=uuid,
        memory=1 << 34,
        version="0",
        disks=[],
        nics=[protocol.Nic("eno1", mac, "ice"), *(protocol.Nic("usb0", other, driver) for other in more)],
    )
    return intake.take(site, message, address)


def see(site: Site, mac: str, uuid: str) -> None:
    packet = ClientPacket(mac, uuid=uuid, arch=7, boots=True)
    site.database.sightings.put([NewSighting(mac, site.clock(), 1, "10.77.0.140", packet)])


def adopt(site: Site, number: int) -> Host:
    adoption.adopt(CARDS[number], Adoption(name=f"new-{number}"))
    return site.database.hosts.get(f"new-{number}")


def unknown(site: Site) -> dict[str, UnknownMachine]:
    return {machine.mac: machine for machine in machines.unknown(site)}


@pytest.mark.parametrize("driver", ["cdc_ether", "rndis_host", "", "r8152"])
def test_a_card_that_every_bmc_shows_its_host_joins_no_two_machines(open_site: Site, driver: str) -> None:
    for number in (0, 1):
        told = {"serial": f"S{number}", "uuid": UUIDS[number]}
        assert take(open_site, number, USB, driver=driver, **told)
    assert set(unknown(open_site)) == set(CARDS[:2])
    assert adopt(open_site, 0).macs == CARDS[:1]
    assert set(unknown(open_site)) == {CARDS[1]}, "what the second said is still there"
    assert unknown(open_site)[CARDS[1]].serial == "S1"
    assert adopt(open_site, 1).macs == CARDS[1:2]
    assert take(open_site, 2, USB, serial="S2", driver=driver)
    assert adopt(open_site, 2).macs[0] == CARDS[2]


@pytest.mark.parametrize("told", [{"serial": "S1"}, {"uuid": UUIDS[1]}, {"serial": "Default string"}])
def test_a_host_that_took_the_shared_card_with_it_keeps_nobody_out(
    open_site: Site, told: dict[str, str]
) -> None:
    assert take(open_site, 0, USB, serial="S0", uuid=UUIDS[0])
    assert set(adopt(open_site, 0).macs) == {CARDS[0], USB}, "nobody else had named it yet"
    assert take(open_site, 1, USB, **told)
    assert adopt(open_site, 1).macs == CARDS[1:2]


def test_another_card_of_a_known_host_is_still_known_as_its_own(open_site: Site) -> None:
    assert take(open_site, 0, CARDS[2], serial="S0", uuid=UUIDS[0])
    adopt(open_site, 0)
    open_site.database.leases.put([LeaseRow(CARDS[1], "10.77.0.131", open_site.clock() + 600, bound=True)])
    assert not take(open_site, 1, CARDS[0], CARDS[2], serial="S0", uuid=MIRRORED)


@pytest.mark.parametrize("uuids", [UUIDS[:2], ("", ""), (NOBODY, NOBODY), (UUIDS[0], "")])
def test_blades_with_the_serial_of_their_chassis_are_both_adopted(
    open_site: Site, uuids: tuple[str, str]
) -> None:
    for number, uuid in enumerate(uuids):
        assert take(open_site, number, serial="CHASSIS7", uuid=uuid)
    assert set(unknown(open_site)) == set(CARDS[:2])
    first, second = adopt(open_site, 0), adopt(open_site, 1)
    assert first.serial == "CHASSIS7" and (first.macs, second.macs) == (CARDS[:1], CARDS[1:2])
    assert second.serial == ("CHASSIS7" if uuids == UUIDS[:2] else "")


@pytest.mark.parametrize("serials", [("S0", "S1"), ("S0", "Default string"), ("", "")])
def test_boards_with_one_uuid_are_two_machines_once_they_have_reported(
    open_site: Site, serials: tuple[str, str]
) -> None:
    for number, serial in enumerate(serials):
        see(open_site, CARDS[number], UUIDS[0])
        assert take(open_site, number, serial=serial, uuid=(UUIDS[0], MIRRORED)[number])
    assert [unknown(open_site)[mac].macs for mac in CARDS[:2]] == [(mac,) for mac in CARDS[:2]]
    assert (adopt(open_site, 0).serial, adopt(open_site, 1).serial) == (
        serials[0],
        "S1" if serials[1] == "S1" else "",
    )


def test_a_board_of_the_same_uuid_is_surveyed_for_itself(open_site: Site) -> None:
    site = open_site
    assert take(site, 0, serial="S0", uuid=UUIDS[0])
    other = Asker(mac=CARDS[1], address="10.77.0.131", serial="S1", uuid=MIRRORED)
    assert discovery.refusal(site, other) == ""
    records.note_served(site.database, other.mac, other.uuid, other.address, site.clock(), other.serial)
    assert "was taken" in discovery.refusal(site, other), "once, and then it is given its disk"
    assert site.database.surveys.find(CARDS[0]).served == 0  # type: ignore[union-attr]


def test_a_card_is_its_hosts_in_either_byte_order_but_not_against_the_serial(open_site: Site) -> None:
    site = open_site
    vc = site.database.hosts.get("vc-1").model_copy(update={"uuid": UUIDS[0], "serial": "S0"})
    site.database.hosts.put(vc)
    see(site, CARDS[0], MIRRORED)
    assert unknown(site)[CARDS[0]].host == "vc-1"
    with pytest.raises(RefusedError, match="is a network card of vc-1"):
        adopt(site, 0)
    asked = Asker(mac=CARDS[1], address="10.77.0.131", serial="s0 ", uuid=MIRRORED)
    assert "its machine is: vc-1" in discovery.refusal(site, asked)
    assert discovery.refusal(site, asked.model_copy(update={"serial": "S9"})) == ""
    assert discovery.refusal(site, asked.model_copy(update={"uuid": UUIDS[1]})) == ""


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"serial": "To be filled by O.E.M."}, "identifies no machine"),
        ({"serial": "0123456789"}, "identifies no machine"),
        ({"uuid": NOBODY}, "identifies no machine"),
        ({"uuid": "ffffffff-ffff-ffff-ffff-ffffffffffff"}, "identifies no machine"),
        ({"uuid": "6a1d2c3e-0000"}, "identifies no machine"),
    ],
)
def test_an_inventory_with_a_placeholder_is_refused(told: dict[str, str], words: str) -> None:
    with pytest.raises(InventoryError, match=words) as refused:
        inventory.make_host({"name": "vc-2", "macs": [CARDS[0]], "profile": "cube", **told}, DRIVERS)
    assert refused.value.code == 110 and "leave" in refused.value.hint


def test_hosts_of_one_serial_need_uuids_that_tell_them_apart() -> None:
    one, other = (
        Host(name=f"vc-{n}", macs=(CARDS[n],), profile="cube", serial="S1", uuid=UUIDS[n]) for n in (0, 1)
    )
    inventory.check([one, other], {"cube"})
    for uuid in ("", UUIDS[0], MIRRORED):
        with pytest.raises(InventoryError, match="have the same serial"):
            inventory.check([one, other.model_copy(update={"uuid": uuid, "serial": "s1"})], {"cube"})


def test_boards_of_one_uuid_that_only_dhcp_has_seen_are_not_one_machine(open_site: Site) -> None:
    for mac, uuid in zip(CARDS, (UUIDS[0], MIRRORED, UUIDS[0].upper()), strict=True):
        see(open_site, mac, uuid)
    assert {mac: row.macs for mac, row in unknown(open_site).items()} == {mac: (mac,) for mac in CARDS}
    assert "and 1 more has its UUID too" in unknown(open_site)[CARDS[0]].note
    with pytest.raises(InputError, match="3 unknown machines have") as several:
        machines.find(open_site, UUIDS[0])
    assert all(mac in several.value.hint for mac in CARDS)
    assert adopt(open_site, 0).macs == CARDS[:1], "and none of the others' cards"
    with pytest.raises(RefusedError, match="new-0") as refused:
        adopt(open_site, 1)
    assert f"provision host add NAME --mac {CARDS[1]}" in refused.value.hint, "a person says which it is"
    facts = HardwareFacts(mac=CARDS[0], macs=(CARDS[0], USB), uuid=UUIDS[0])
    open_site.database.hosts.put_hardware("new-0", facts, open_site.clock())
    assert {row.host for row in unknown(open_site).values()} == {""}, "the first has said which are its cards"
    assert adopt(open_site, 1).macs == CARDS[1:2]


def test_a_card_that_a_host_has_reported_is_its_own_also_where_only_dhcp_saw_it(open_site: Site) -> None:
    see(open_site, CARDS[0], UUIDS[0])
    adopt(open_site, 0)
    facts = HardwareFacts(mac=CARDS[0], macs=CARDS[:2], uuid=UUIDS[0])
    open_site.database.hosts.put_hardware("new-0", facts, open_site.clock())
    see(open_site, CARDS[1], UUIDS[0])
    assert unknown(open_site)[CARDS[1]].host == "new-0"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"serial": "CHASSIS7", "uuid": NOBODY}, {"serial": "CHASSIS7", "uuid": NOBODY}),
        ({"serial": "Default string", "uuid": UUIDS[0]}, {"serial": "", "uuid": MIRRORED}),
        ({"serial": "CHASSIS7", "uuid": UUIDS[0]}, {"serial": "chassis7", "uuid": UUIDS[1]}),
    ],
    ids=["a chassis' serial", "a shared UUID", "blades"],
)
def test_one_number_that_a_known_host_has_keeps_no_other_machine_from_its_survey(
    open_site: Site, one: dict[str, str], other: dict[str, str]
) -> None:
    assert take(open_site, 0, **one)
    adopt(open_site, 0)
    asker = Asker(mac=CARDS[1], address="10.77.0.131", **other)
    assert discovery.refusal(open_site, asker) == ""
    assert take(open_site, 1, **other)
    assert adopt(open_site, 1).macs == CARDS[1:2]


def test_a_new_card_in_a_known_host_is_not_surveyed_where_serial_and_uuid_say_so(open_site: Site) -> None:
    assert take(open_site, 0, serial="S0", uuid=UUIDS[0])
    adopt(open_site, 0)
    asker = Asker(mac=CARDS[1], address="10.77.0.131", serial="s0", uuid=MIRRORED)
    assert "its machine is: new-0" in discovery.refusal(open_site, asker)


def test_a_serial_that_several_unknown_machines_have_names_none_of_them(open_site: Site) -> None:
    for number in (0, 1):
        assert take(open_site, number, serial="CHASSIS7", uuid=UUIDS[number])
    with pytest.raises(InputError, match="2 unknown machines have chassis7"):
        machines.find(open_site, "chassis7")
    assert machines.find(open_site, UUIDS[1].upper()).mac == CARDS[1]


DOCK = "00:e0:4c:68:00:01"  # of every docking station of one make, and what boots behind it


def take_by_dock(site: Site, *cards: str, serial: str = "", uuid: str = "") -> bool:
    site.database.leases.put([LeaseRow(DOCK, "10.77.0.150", site.clock() + 600, bound=True)])
    macs = [DOCK, *cards]
    nics = [protocol.Nic(f"eth{number}", mac, "r8152") for number, mac in enumerate(macs)]
    about = {"serial": serial, "uuid": uuid, "memory": 1 << 34, "version": "0", "disks": [], "nics": nics}
    return intake.take(site, protocol.Inventory(mac=DOCK, macs=macs, **about), "10.77.0.150")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"serial": "S0", "uuid": UUIDS[0]}, {"serial": "S1", "uuid": UUIDS[1]}),
        ({"serial": "S0"}, {"serial": "S1"}),
        ({"uuid": UUIDS[0]}, {"serial": "Default string", "uuid": UUIDS[1]}),
        ({"serial": "S0", "uuid": UUIDS[0]}, {"serial": "S1", "uuid": MIRRORED}),
    ],
)
def test_machines_that_boot_by_one_dock_are_surveyed_listed_and_adopted_each(
    open_site: Site, one: dict[str, str], other: dict[str, str]
) -> None:
    site = open_site
    for number, told in enumerate((one, other)):
        asker = Asker(mac=DOCK, address="10.77.0.150", **told)
        assert discovery.refusal(site, asker) == "", "what another has said is not its own"
        records.note_served(site.database, DOCK, asker.uuid, asker.address, site.clock(), asker.serial)
        assert "was taken" in discovery.refusal(site, asker)
        assert take_by_dock(site, CARDS[number], **told)
        assert take_by_dock(site, CARDS[number], **told), "the same once more is no other"
    assert {mac: row.macs for mac, row in unknown(site).items()} == {mac: (mac,) for mac in CARDS[:2]}
    assert adopt(site, 0).macs == CARDS[:1]
    assert unknown(site)[CARDS[1]].serial == other.get("serial", "").replace("Default string", "")
    assert adopt(site, 1).macs == CARDS[1:2] and not unknown(site)


def test_machines_without_numbers_are_told_apart_by_their_other_cards(open_site: Site) -> None:
    assert take_by_dock(open_site, CARDS[0]) and take_by_dock(open_site, CARDS[1], CARDS[2])
    assert {row.macs for row in unknown(open_site).values()} == {CARDS[:1], CARDS[1:]}


def test_what_one_machine_behind_a_dock_said_is_kept_when_another_is_adopted(open_site: Site) -> None:
    """Neither has a card of its own, so only their serials name them."""
    for serial in ("S0", "S1"):
        assert take_by_dock(open_site, serial=serial)
    with pytest.raises(InputError, match=f"2 unknown machines have {DOCK}"):
        machines.find(open_site, DOCK)
    adoption.adopt("s0", Adoption(name="new"))
    assert open_site.database.hosts.get("new").serial == "S0"
    assert [row.serial for row in machines.unknown(open_site)] == ["S1"]


def test_a_machine_whose_card_was_changed_or_whose_serial_was_written_keeps_one_record(
    open_site: Site,
) -> None:
    site = open_site
    assert take(site, 0, CARDS[1], serial="S0", uuid=UUIDS[0])
    assert take(site, 0, CARDS[2], serial="S0", uuid=UUIDS[0])
    assert [row.macs for row in site.database.surveys.all()] == [(CARDS[0], CARDS[2])]
    assert take(site, 0, CARDS[2], serial="S-new", uuid=UUIDS[0])
    [row] = site.database.surveys.all()
    assert row.hardware and row.hardware.serial == "S-new"
