"""Machines that nobody knows: when they are looked at, whose word is taken, how they are listed."""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner import discovery
from provisioner.agent import arguments, protocol
from provisioner.deployment import boot
from provisioner.deployment.order import arm
from provisioner.discovery import intake, machines, records, vendors
from provisioner.domain.boot_plan import Asker, Firmware, Local, Survey
from provisioner.domain.host import Bmc, Host
from provisioner.settings import Discovery
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import surveys
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.surveys import Surveys

Golden = Callable[[str, str], None]
STRANGER, SECOND, KNOWN = "ac:1f:6b:00:00:09", "ac:1f:6b:00:00:0a", "52:54:00:00:00:01"
ADDRESS = "10.77.0.130"  # of the discovery range
UUID = "6a1d2c3e-0000-4000-8000-0123456789ab"
NOBODY = "03000200-0400-0500-0006-000700080009"


@pytest.fixture
def open_site(site: Site) -> Site:
    """The same site with discovery.boot on and a ramdisk."""
    folder = site.settings.state / "ramdisk"
    folder.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        (folder / name).write_bytes(b"x")
    settings = site.settings.model_copy(update={"discovery": Discovery(boot=True)})
    return dataclasses.replace(site, settings=settings)


def stranger(**changes: object) -> Asker:
    return Asker.model_validate({"mac": STRANGER, "address": ADDRESS} | changes)


def inventory(**changes: object) -> protocol.Inventory:
    disk = protocol.Disk("nvme0n1", 480 << 30, 512, "PM9A3", "D1")
    whole = protocol.Inventory(
        mac=STRANGER,
        macs=[STRANGER, SECOND],
        serial="S1",
        uuid=UUID,
        memory=1 << 34,
        version="0",
        disks=[disk],
    )
    return dataclasses.replace(whole, **changes)


def lease(site: Site, mac: str = STRANGER, address: str = ADDRESS, seconds: float = 600) -> None:
    site.database.leases.put([LeaseRow(mac, address, site.clock() + seconds, bound=True)])


def see(site: Site, mac: str, uuid: str = "", **data: object) -> None:
    packet = replace(ClientPacket(mac, uuid=uuid, arch=7, boots=True), **data)
    site.database.sightings.put([NewSighting(mac, site.clock(), 1, ADDRESS, packet)])


# who is sent to look


def test_unless_it_is_switched_on_a_stranger_boots_its_disk(site: Site) -> None:
    assert site.settings.discovery.boot is False
    assert boot.answer(site, stranger()).plan == Local(firmware=Firmware.UEFI)


def test_a_stranger_is_sent_to_look_without_a_nonce(open_site: Site) -> None:
    plan = boot.answer(open_site, stranger()).plan
    assert isinstance(plan, Survey)
    words = plan.args.split()
    assert "pv.inventory=1" in words and not any(word.startswith("pv.nonce") for word in words)
    with pytest.raises(protocol.ProtocolError, match=r"pv\.inventory forbids every order"):
        arguments.KernelArguments.parse(plan.args)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "10.77.0.70"}, "no address of the discovery range"),
        ({"address": "10.77.0.200"}, "no address of the discovery range"),
        ({"address": "fd00::1"}, "no address of the discovery range"),
        ({"address": ""}, "no address of the discovery range"),
        ({"arch": "arm64"}, "does not run on arm64"),
        ({"mac": "52:54:00:00:00:bb"}, "the BMC of vc-2"),
        ({"uuid": UUID.upper()}, "its machine is: vc-2"),
        ({"serial": "s-2 "}, "its machine is: vc-2"),
    ],
)
def test_whatever_may_be_known_boots_its_disk(open_site: Site, changes: dict[str, str], reason: str) -> None:
    bmc = Bmc(driver="ipmi", mac="52:54:00:00:00:bb")
    host = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", uuid=UUID, serial="S-2", bmc=bmc)
    open_site.database.put_inventory([host], [], open_site.settings.hosts_range)
    plan, why = boot.answer(open_site, stranger(**changes))
    assert isinstance(plan, Local) and reason in why


def test_a_known_host_is_never_surveyed(open_site: Site) -> None:
    own = open_site.database.macs.get(KNOWN)
    assert own
    for address in (ADDRESS, own.address):
        assert isinstance(boot.answer(open_site, stranger(mac=KNOWN, address=address)).plan, Local)
    arm(open_site, open_site.database.hosts.get("vc-1"), open_site.database.images.all()[0], by="ann")
    assert isinstance(boot.answer(open_site, stranger(mac=KNOWN)).plan, Local)


def test_without_a_ramdisk_or_with_a_broken_store_it_is_the_disk(
    open_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Surveys, "find", lambda *_: 1 / 0)
        assert isinstance(boot.answer(open_site, stranger()).plan, Local)
    (open_site.settings.state / "ramdisk" / "initrd.img").unlink()
    assert isinstance(boot.answer(open_site, stranger()).plan, Local)


def test_one_look_is_followed_by_one_boot_from_the_disk_however_slow_the_firmware_is(
    open_site: Site, clock: object
) -> None:
    site = open_site
    records.note_served(site.database, STRANGER, "", ADDRESS, site.clock())
    for seconds in (1, 599, 3600):  # it never reported, and its firmware takes an hour
        clock.now += seconds  # type: ignore[attr-defined]
        assert isinstance(boot.answer(site, stranger()).plan, Local)
    records.note_released(site.database, STRANGER, "", site.clock())
    assert isinstance(boot.answer(site, stranger()).plan, Survey)


@pytest.mark.parametrize(("age", "kind"), [(1, Local), (599, Local), (600, Survey), (-30, Local)])
def test_a_fresh_inventory_is_not_taken_again(
    open_site: Site, clock: object, age: float, kind: type[object]
) -> None:
    site = open_site
    lease(site)
    assert intake.take(site, inventory(), ADDRESS)
    clock.now += 0.5  # type: ignore[attr-defined]
    records.note_released(site.database, STRANGER, "", site.clock())
    clock.now += age - 0.5  # type: ignore[attr-defined]
    for who in (stranger(), stranger(mac=SECOND), stranger(mac="ac:1f:6b:00:00:0b", uuid=UUID)):
        assert isinstance(boot.answer(site, who).plan, kind), "all cards of one machine are one"


def test_being_given_its_disk_is_noted_for_those_only_that_looked(open_site: Site) -> None:
    records.note_released(open_site.database, STRANGER, "", open_site.clock())
    assert open_site.database.surveys.all() == []


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_golden_survey_script(open_site: Site, golden: Golden, firmware: Firmware) -> None:
    plan, reason = boot.answer(open_site, stranger(firmware=firmware))
    script = boot.render(open_site, plan, reason=reason, firmware=firmware)
    golden(f"boot/survey-{firmware}.ipxe", script)
    assert "nonce" not in script


# whose word is taken


@pytest.mark.parametrize(
    ("message", "address"),
    [
        (inventory(), "10.77.0.70"),
        (inventory(), "10.77.0.131"),
        (inventory(mac=SECOND), ADDRESS),
        (inventory(mac=KNOWN), ADDRESS),
        (inventory(macs=[STRANGER, KNOWN]), ADDRESS),
        (inventory(mac="garbage"), ADDRESS),
        (inventory(mac="ff:ff:ff:ff:ff:ff", macs=[]), ADDRESS),
    ],
    ids=["outside", "another's address", "another's MAC", "a host's", "a host's too", "no MAC", "a group"],
)
def test_an_inventory_is_taken_from_its_own_machine_only(
    open_site: Site, message: protocol.Inventory, address: str
) -> None:
    lease(open_site)
    assert not intake.take(open_site, message, address)
    assert open_site.database.surveys.all() == []


def test_an_inventory_is_not_taken_with_discovery_off_or_an_ended_lease(site: Site, open_site: Site) -> None:
    lease(site)
    assert not intake.take(site, inventory(), ADDRESS)
    lease(site, seconds=-1)
    assert not intake.take(open_site, inventory(), ADDRESS)
    lease(site)
    assert intake.take(open_site, inventory(), ADDRESS)


@pytest.mark.parametrize(
    "address",
    [
        "80:00:02:08:fe:80:00:00:00:00:00:00:24:8a:07:03:00:aa:bb:cc",  # InfiniBand, 20 bytes
        "08:00:46:03:02:01:00:0f",  # FireWire, EUI-64
        "00:00:00:00:00:00",
        "",
    ],
)
def test_an_interface_without_an_ethernet_address_is_no_card_of_the_host(
    open_site: Site, address: str
) -> None:
    lease(open_site)
    said = protocol.dump(inventory()) | {"macs": [address, STRANGER]}
    assert intake.take(open_site, protocol.load(protocol.Inventory, said), ADDRESS)
    assert open_site.database.surveys.all()[0].macs == (STRANGER,)


def test_what_a_stranger_writes_cannot_disturb_a_terminal_or_fill_the_memory(open_site: Site) -> None:
    lease(open_site)
    disk = {"name": "vda", "size": 1, "logical_sector": 512, "model": "\x1b[2Jmodel\n", "content": "x" * 5000}
    said = protocol.dump(inventory()) | {"maker": "\x1b]0;S\x07", "disks": [disk] * 100}
    message = protocol.load(protocol.Inventory, said | {"macs": ["00:00", "", SECOND] * 100})
    assert intake.take(open_site, message, ADDRESS)
    hardware = open_site.database.surveys.all()[0].hardware
    assert hardware
    assert hardware.maker == "\\x1b]0;S\\x07" and hardware.disks[0].model == "\\x1b[2Jmodel"
    assert len(hardware.disks) == 100 and len(hardware.disks[0].content) == 200
    assert hardware.macs == (STRANGER, SECOND)
    for excess in ({"disks": [disk] * 1000}, {"macs": [SECOND] * 1000}, {"serial": "x" * 5000}):
        with pytest.raises(protocol.ProtocolError):
            protocol.load(protocol.Inventory, said | excess)


def test_one_machine_has_one_record_and_a_flood_keeps_what_was_reported(
    open_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveys, "MOST", 5)
    lease(open_site)
    lease(open_site, SECOND, "10.77.0.131")
    assert intake.take(open_site, inventory(), ADDRESS)
    assert intake.take(open_site, inventory(mac=SECOND, serial="S2"), "10.77.0.131")
    (record,) = open_site.database.surveys.all()
    assert record.hardware and (record.mac, record.hardware.serial) == (STRANGER, "S2")
    for number in range(20):
        records.note_served(open_site.database, f"52:54:00:00:99:{number:02x}", "", ADDRESS, number)
    kept = open_site.database.surveys.all()
    assert len(kept) == 5 and kept[0] == record


# how they are listed


def test_cards_that_only_dhcp_has_seen_stay_apart_and_say_whose_uuid_they_have(
    open_site: Site, clock: object
) -> None:
    site = open_site
    see(site, STRANGER, UUID)
    clock.now += 5  # type: ignore[attr-defined]
    see(site, SECOND, UUID.upper())
    see(site, "3c:ec:ef:00:00:01", NOBODY)
    see(site, "3c:ec:ef:00:00:02", NOBODY)
    rows = {row.mac: row for row in machines.unknown(site)}
    assert len(rows) == 4 and all(row.macs == (mac,) for mac, row in rows.items())
    first, second = rows[STRANGER], rows[SECOND]
    assert first.uuid == second.uuid and (second.count, second.last_seen - first.last_seen) == (1, 5)
    assert first.note == f"{SECOND} has its UUID too: another card of it, or another machine"
    assert second.note.startswith(STRANGER)
    assert {row.note for mac, row in rows.items() if mac.startswith("3c")} == {""}
    assert (second.vendor, second.architecture, second.address) == (
        "Super Micro Computer, Inc.",
        "x64 UEFI",
        ADDRESS,
    )


def test_an_inventory_joins_the_cards_that_it_names_and_completes_their_row(open_site: Site) -> None:
    see(open_site, STRANGER)
    see(open_site, SECOND)
    assert len(machines.unknown(open_site)) == 2
    lease(open_site)
    assert intake.take(open_site, inventory(), ADDRESS)
    (row,) = machines.unknown(open_site)
    assert set(row.macs) == {STRANGER, SECOND} and row.serial == "S1"
    assert row.disks[0].model == "PM9A3" and row.inventoried == open_site.clock()
    for text in (STRANGER.upper(), SECOND, UUID, "s1"):
        assert machines.find(open_site, text) == row


def test_a_card_of_a_known_machine_says_so_and_a_known_card_is_not_listed(open_site: Site) -> None:
    see(open_site, KNOWN, UUID)
    see(open_site, STRANGER, UUID)
    (row,) = machines.unknown(open_site)
    assert (row.mac, row.host) == (STRANGER, "vc-1")
    assert "its machine is: vc-1" in discovery.refusal(open_site, stranger(uuid=UUID))


def test_what_the_firmware_said_stays_when_its_system_asks(open_site: Site) -> None:
    see(open_site, STRANGER, UUID)
    see(open_site, STRANGER, arch=None, boots=False, hostname="ubuntu")
    (row,) = machines.unknown(open_site)
    assert (row.architecture, row.uuid, row.hostname, row.count) == (
        "x64 UEFI",
        UUID,
        "ubuntu",
        2,
    )


@pytest.mark.parametrize(
    ("mac", "maker"),
    [
        ("ac:1f:6b:0a:42:10", "Super Micro Computer, Inc."),
        ("52:54:00:12:34:56", "set by hand"),
        ("70:b3:d5:00:00:01", ""),
        ("cc:cc:cc:00:00:01", "Silicon Laboratories"),
        ("f8:ff:ff:00:00:01", ""),
    ],
)
def test_the_maker_of_a_card_is_named(mac: str, maker: str) -> None:
    assert vendors.maker(mac) == maker


def test_firmware_is_said_in_words() -> None:
    said = [vendors.architecture(number) for number in (0, 7, 11, 16, 99, None)]
    assert said == ["BIOS", "x64 UEFI", "arm64 UEFI", "x64 UEFI, HTTP boot", "type 99", ""]


def test_only_what_the_range_holds_is_in_it(open_site: Site) -> None:
    mac = "52:54:00:00:00:99"
    inside = [n for n in range(256) if lan.is_discovery_address(open_site, mac, f"10.77.0.{n}")]
    assert inside == list(range(128, 192))
    assert not any(
        lan.is_discovery_address(open_site, mac, ".".join(parts))
        for parts in itertools.product(["10", "x"], ["77"], ["0"])
    )
