"""What was seen of a machine is not told of another that has its host's name now."""

from typing import Any

import pytest

from provisioner.deployment import disk_view, plan, target_disk
from provisioner.deployment.order import arm
from provisioner.domain.deployment import TargetDisk, Terms
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.site.site import Site
from tests.unit.conftest import MAC

SECOND, NEW = "52:54:00:00:00:02", "52:54:00:00:00:aa"
UUID, OTHER_UUID = "4c4c4544-0042-3510-8054-b4c04f4d3533", "4c4c4544-0042-3510-8054-b4c04f4d3534"
DISK = DiskInfo(name="sda", size=10**12, serial="Z1", content="GPT", foreign="LVM")
FACTS = HardwareFacts(
    boot_id="b", mac=MAC, macs=(MAC, SECOND), serial="BOARD-OLD", uuid=UUID, disks=(DISK,), memory=1 << 30
)
ANOTHER: dict[str, dict[str, Any]] = {
    "MAC": {"macs": (NEW,)},
    "MAC, and the serial stays": {"macs": (NEW,), "serial": "BOARD-OLD"},
    "serial": {"serial": "BOARD-NEW"},
    "UUID": {"uuid": OTHER_UUID},
    "all": {"macs": (NEW,), "serial": "BOARD-NEW", "uuid": OTHER_UUID},
}


def become(site: Site, change: dict[str, Any]) -> Host:
    """The inventory says otherwise after a ramdisk has run on vc-1."""
    site.database.hosts.put_hardware("vc-1", FACTS, 1234.5)
    profile = Profile(name="cube", image="vault-os", memory_min=512 << 30)
    host = site.database.hosts.get("vc-1").model_copy(update=change)
    site.database.put_inventory([host], [profile], site.settings.hosts_range)
    return site.database.hosts.get("vc-1")


@pytest.mark.parametrize("change", ANOTHER.values(), ids=ANOTHER.keys())
def test_a_plan_of_another_machine_shows_the_hints_and_binds_nothing_to_the_old_one(
    site: Site, change: dict[str, Any]
) -> None:
    host, image = become(site, change), site.database.images.all()[0]
    made = plan.make(site, host, image, Terms())
    assert (made.erases.seen, made.erases.seen_at, made.erases.foreign) == (False, 0, "")
    assert made.serial == change.get("serial", "") and made.deviations == () and made.refusals == ()
    assert disk_view.look(site, "vc-1") is None and target_disk.find(site, host) is None
    row = arm(site, host, image, by="ann")
    assert (row.serial, row.uuid) == (change.get("serial", ""), change.get("uuid", ""))
    assert row.target == TargetDisk()


@pytest.mark.parametrize(
    "change", [{}, {"macs": (NEW, SECOND), "serial": "BOARD-OLD"}, {"macs": (SECOND,)}], ids=str
)
def test_the_same_machine_is_told_as_it_was_seen(site: Site, change: dict[str, Any]) -> None:
    host, image = become(site, change), site.database.images.all()[0]
    made = plan.make(site, host, image, Terms(erase_foreign=True))
    assert (made.erases.seen, made.erases.serial, made.serial) == (True, "Z1", "BOARD-OLD")
    row = arm(site, host, image, by="ann", terms=Terms(erase_foreign=True))
    assert (row.serial, row.uuid, row.target.serial) == ("BOARD-OLD", UUID, "Z1")


def test_what_was_seen_counts_again_once_the_inventory_names_its_machine_again(site: Site) -> None:
    become(site, {"macs": (NEW,)})
    assert disk_view.look(site, "vc-1") is None
    become(site, {"macs": (MAC,)})
    assert disk_view.look(site, "vc-1") is not None
