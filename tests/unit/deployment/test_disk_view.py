"""What is told of a host's disks is never older than what we wrote to them ourselves."""

import pytest

from provisioner.deployment import disk_view, plan, removal
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, Terms, WrittenDisk
from provisioner.domain.disk_writing import DiskWriting
from provisioner.domain.events.agent import (
    AgentFailed,
    AgentHello,
    AgentProgress,
    AgentSilent,
    AgentWritten,
)
from provisioner.domain.events.installer import InstallerDisk, InstallerDone
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Bmc, Host
from provisioner.domain.plan import Plan
from provisioner.site.site import Site
from tests.unit.conftest import MAC, Clock, began_of, put_installer

DISK = DiskInfo(name="sda", size=10**12, logical_sector=512, serial="Z1", content="GPT", foreign="LVM")
OTHER = DISK.model_copy(update={"name": "sdb", "serial": "Z2", "size": 2 * 10**12, "medium": "a USB medium"})
NONCE = "n" * 32


def tell(site: Site, row: Deployment, event: Payload) -> Deployment:
    return record(site, row.id, event, source="test")


def writing(site: Site, clock: Clock, boot_id: str = "boot-1", host: str = "vc-1") -> Deployment:
    """A deployment whose agent has said hello, and may write DISK."""
    here = site.database.hosts.get(host)
    row = arm(site, here, site.database.images.all()[0], by="ann", terms=Terms(erase_foreign=True))
    tell(site, row, SlotGiven())
    return again(site, clock, row, boot_id)


def again(site: Site, clock: Clock, row: Deployment, boot_id: str) -> Deployment:
    """It boots from the network, and its agent says hello."""
    for event in (PowerBegan(nonce=NONCE), DhcpSeen()):
        tell(site, row, event)
    claim = Claim(row.mac, is_own_address=True, nonce=NONCE, boot_id=boot_id, serial="", disks=(DISK, OTHER))
    greeting = AgentHello(claim=claim, nonce=NONCE, boot_id=boot_id, token_hash="t", phone_hash="p")
    clock.now += 60
    row = tell(site, row, greeting)
    facts = HardwareFacts(disks=(DISK, OTHER), boot_id=boot_id)
    site.database.hosts.put_hardware(row.host, facts, clock.now)
    clock.now += 60
    return row


def progress(phase: str, done: int = 0) -> AgentProgress:
    return AgentProgress(seq=1, phase=phase, done=done, total=100, disk="sda")


def written() -> AgentWritten:
    return AgentWritten(disk=WrittenDisk(**DISK.model_dump()))


def failed() -> AgentFailed:
    return AgentFailed(code=318, sentence="it broke")


def planned(site: Site, host: str = "vc-1") -> Plan:
    return plan.make(site, site.database.hosts.get(host), site.database.images.all()[0], Terms())


def test_what_was_written_whole_is_told_and_not_what_was_there_before(site: Site, clock: Clock) -> None:
    row = writing(site, clock)
    seen_at = clock.now - 60
    tell(site, row, written())
    end = DiskWriting(by=row.id, image="vault-os@1", ended=clock.now, whole=True)
    clock.now += 600
    tell(site, row, OrderCancelled(by="ann"))
    made = planned(site)
    erased = made.erases
    assert (erased.seen_at, erased.seen_by, erased.seen_in) == (seen_at, "deployment", row.id)
    assert erased.written == end
    assert made.holds == f"vault-os 1, written by {row.id}"
    assert erased.content == f"holds vault-os 1, written by {row.id}"
    assert (erased.foreign, made.refusals) == ("", ()), "what was lost knowingly refuses nothing any more"
    assert Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("phase", "done", "begun"),
    [
        ("preparing", 0, False),  # refused before anything was touched
        ("preparing", 7, True),  # it was being made zeros
        ("comparing", 0, True),  # what could boot is destroyed before
        ("writing", 40, True),
        ("reading back", 0, True),
        ("finishing", 0, True),
    ],
)
def test_what_was_begun_and_not_ended_is_told_as_half(
    site: Site, clock: Clock, phase: str, done: int, begun: bool
) -> None:
    row = writing(site, clock)
    tell(site, row, progress(phase, done))
    heard = clock.now
    clock.now += 5
    tell(site, row, failed())
    made = planned(site)
    if begun:
        assert made.erases.written == DiskWriting(by=row.id, image="vault-os@1", ended=heard, whole=False)
        assert made.holds == f"half of vault-os 1, begun by {row.id}" and made.erases.foreign == ""
    else:
        assert made.erases.written is None and made.holds == "GPT" and made.erases.foreign == "LVM"


def test_a_look_after_the_writing_counts_and_what_was_written_before_it_does_not(
    site: Site, clock: Clock
) -> None:
    row = writing(site, clock)
    tell(site, row, progress("writing", 40))
    tell(site, row, AgentSilent(seconds=90))
    row = again(site, clock, row, "boot-2")
    tell(site, row, progress("preparing"))
    tell(site, row, failed())
    assert planned(site).erases.written is None


def test_a_power_cut_before_the_next_look_does_not_hide_what_was_begun(site: Site, clock: Clock) -> None:
    row = writing(site, clock)
    tell(site, row, progress("writing", 40))
    tell(site, row, AgentSilent(seconds=90))  # clears the row's progress
    tell(site, row, OrderCancelled(by="ann"))
    erased = planned(site).erases
    assert erased.written is not None and not erased.written.whole


def test_events_that_are_forgotten_do_not_hide_it_either(site: Site, clock: Clock) -> None:
    row = writing(site, clock)
    tell(site, row, progress("writing", 40))
    tell(site, row, failed())
    since = clock.now
    clock.now += 10**7
    assert site.database.events.prune(clock.now, 1000) > 0
    assert not site.database.events.of(row.id, kind=AgentProgress.kind)
    assert planned(site).erases.written == DiskWriting(
        by=row.id, image="vault-os@1", ended=since, whole=False
    )


def test_a_later_order_that_never_reached_the_disk_changes_nothing(site: Site, clock: Clock) -> None:
    first = writing(site, clock)
    tell(site, first, written())
    tell(site, first, OrderCancelled(by="ann"))
    later = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="bob")
    tell(site, later, OrderCancelled(by="bob"))
    assert planned(site).holds == f"vault-os 1, written by {first.id}"
    clock.now += 10**8
    site.database.deployments.prune(clock.now, 10)
    assert planned(site).holds == f"vault-os 1, written by {first.id}", "it says what the host holds"


def test_other_disks_stay_as_they_were_seen(site: Site, clock: Clock) -> None:
    tell(site, writing(site, clock), written())
    view = disk_view.look(site, "vc-1")
    assert view is not None
    ours, other = view.hardware.disks
    assert ours.content.startswith("holds vault-os 1") and other == OTHER
    assert view.writing_to(ours) == view.writing and view.writing_to(other) is None


def test_the_machine_takes_what_was_written_to_its_new_name(site: Site, clock: Clock) -> None:
    row = writing(site, clock)
    tell(site, row, written())
    tell(site, row, OrderCancelled(by="ann"))
    rack = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([rack], [], site.settings.hosts_range)
    (site.settings.state / "secrets").mkdir(exist_ok=True)
    removal.move_host(site, "vc-1", "vc-2", by="ann")
    assert planned(site, "vc-2").erases.seen_in == row.id
    assert planned(site, "vc-2").holds == f"vault-os 1, written by {row.id}"


@pytest.mark.parametrize(("later", "holds"), [(0, True), (10**6, False)])
def test_a_stranger_that_takes_an_old_name_holds_what_it_said(
    site: Site, clock: Clock, later: int, holds: bool
) -> None:
    """Its inventory has no boot that a deployment knows: the times decide."""
    row = writing(site, clock)
    tell(site, row, written())
    tell(site, row, OrderCancelled(by="ann"))
    when = row.consumed + later
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(DISK,)), when)
    erased = planned(site).erases
    assert (erased.seen_by, erased.seen_in) == ("inventory", "")
    assert (erased.written is not None) is holds


@pytest.mark.parametrize(("end", "whole"), [(InstallerDone(), True), (OrderCancelled(by="ann"), False)])
def test_an_installer_that_was_told_its_disk_may_have_written(
    site: Site, clock: Clock, end: Payload, whole: bool
) -> None:
    image = put_installer(site)
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)
    for event in (SlotGiven(), PowerBegan(nonce=NONCE), DhcpSeen(), began_of(NONCE)):
        row = tell(site, row, event)
    site.database.hosts.put_hardware("vc-1", HardwareFacts(disks=(DISK,), boot_id="b"), clock.now)
    claim = Claim(MAC, is_own_address=True, nonce=NONCE, boot_id="b", disks=(DISK,))
    row = tell(site, row, InstallerDisk(claim=claim, disk=WrittenDisk(**DISK.model_dump()), boot_id="b"))
    tell(site, row, end)
    erased = plan.make(site, site.database.hosts.get("vc-1"), image, Terms()).erases
    assert (erased.seen_by, erased.seen_in) == ("installer", row.id)
    assert erased.written is not None and erased.written.whole is whole
    assert erased.written.image == image.id
