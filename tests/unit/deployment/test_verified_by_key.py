"""A host that is verified over SSH: what is signed of it does not change, and nobody restarts it."""

from collections.abc import Callable

import pytest

from provisioner.deployment import inventory_update, removal, verification_order
from provisioner.deployment.inventory_update import Removals
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.host import Host
from provisioner.errors import RefusedError
from provisioner.site.site import Site
from provisioner.state.verifications import Verification


@pytest.fixture
def verified(site: Site) -> Verification:
    """An open verification of vc-1, whose deployment rests."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    record(site, row.id, OrderCancelled(by="tom"), source="operator")
    found = Verification(id="v-1", host="vc-1", deployment=row.id, created=1, user="ann", by="ann")
    with site.database.writing():
        site.database.verifications.add(found)
    return found


def deploy(site: Site) -> None:
    arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")


def from_ramdisk(site: Site) -> None:
    verification_order.arm(site, site.database.hosts.get("vc-1"), by="ann")


def remove(site: Site) -> None:
    removal.remove_host(site, "vc-1", by="ann")


def rename(site: Site) -> None:
    removal.rename_host(site, "vc-1", "vc-9", by="ann")


def move(site: Site) -> None:
    other = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory([other], [], site.settings.hosts_range)
    removal.move_host(site, "vc-2", "vc-1", by="ann")


def apply(site: Site) -> None:
    other = site.database.hosts.get("vc-1").model_copy(update={"macs": ("52:54:00:00:00:09",)})
    inventory_update.replace(site, [other], [], Removals(), by="ann")


@pytest.mark.parametrize("act", [deploy, from_ramdisk, remove, rename, move, apply])
def test_what_would_restart_or_change_it_is_refused_and_done_once_it_has_ended(
    site: Site, verified: Verification, act: Callable[[Site], None]
) -> None:
    before = site.database.hosts.get("vc-1")
    with pytest.raises(RefusedError, match="is being verified over SSH") as refused:
        act(site)
    assert refused.value.code == 570 and "provision cancel vc-1" in refused.value.hint
    assert site.database.hosts.get("vc-1") == before
    with site.database.writing():
        assert site.database.verifications.put(verified.ended(result="failed"))
    if act is not from_ramdisk:  # nothing of ours is on it
        act(site)


def test_one_that_has_ended_stays_as_it_ended(site: Site, verified: Verification) -> None:
    """The worker tells of it for some more seconds where it was cancelled."""
    ended = verified.ended(result="failed", sentence="it was cancelled by tom", code=578)
    with site.database.writing():
        assert site.database.verifications.put(ended)
        assert not site.database.verifications.put(verified)
        assert not site.database.verifications.put(verified.ended(result="passed", report="a-1"))
    assert site.database.verifications.get("v-1") == ended
    assert not site.database.verifications.is_open("v-1") and site.database.verifications.open() == []
