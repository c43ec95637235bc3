"""An inventory is applied to what was seen, whole or not at all, and everything in its way is told."""

import pytest

from provisioner.deployment import inventory_update, removal
from provisioner.deployment.inventory_update import Removals
from provisioner.deployment.order import arm
from provisioner.domain.host import Host
from provisioner.errors import InventoryError, ProvisionError, RefusedError
from provisioner.site.site import Site

NONE = Removals()


@pytest.fixture
def site(site: Site) -> Site:
    """With two hosts more."""
    more = [
        Host(name=f"vc-{number}", macs=(f"52:54:00:00:00:0{number}",), profile="cube") for number in (2, 3)
    ]
    site.database.put_inventory(more, [], site.settings.hosts_range)
    return site


def known(site: Site, name: str) -> Host:
    return site.database.hosts.get(name)


def edited(site: Site, name: str, **change: object) -> Host:
    return known(site, name).model_copy(update=change)


def refused(caught: pytest.ExceptionInfo[ProvisionError]) -> list[tuple[int, str]]:
    return [(fault.code, str(fault)) for fault in (caught.value, *caught.value.also)]


def test_all_hosts_that_stand_in_the_way_are_told_each_with_its_reason(site: Site) -> None:
    image = site.database.images.all()[0]
    first, second = (arm(site, known(site, name), image, by="ann") for name in ("vc-1", "vc-2"))
    removal.set_lock(site, "vc-3", locked=True, by="ann")
    other = edited(site, "vc-2", serial="SN-9")
    with pytest.raises(RefusedError) as caught:
        inventory_update.replace(site, [other], [], Removals(hosts=("vc-1", "vc-3")), by="bob")
    assert refused(caught) == [
        (132, f"vc-1 is being deployed ({first.id}, queued), so it cannot be removed"),
        (131, "vc-3 is locked, so it cannot be removed"),
        (132, f"vc-2 is being deployed ({second.id}, queued), so its serial cannot be changed"),
    ]
    assert {host.name for host in site.database.hosts.all()} == {"vc-1", "vc-2", "vc-3"}
    assert known(site, "vc-2").serial == ""


def test_a_name_that_nobody_has_hides_no_other_reason(site: Site) -> None:
    removal.set_lock(site, "vc-3", locked=True, by="ann")
    with pytest.raises(ProvisionError) as caught:
        inventory_update.replace(site, [], [], Removals(hosts=("vc-9", "vc-3")), by="bob")
    assert [code for code, _ in refused(caught)] == [121, 131]


def test_all_that_two_hosts_may_not_share_is_told(site: Site) -> None:
    new = [
        Host(name="vc-8", macs=known(site, "vc-2").macs, profile="cube"),
        Host(name="vc-9", macs=known(site, "vc-3").macs, profile="none"),
    ]
    with pytest.raises(InventoryError) as caught:
        inventory_update.replace(site, new, [], NONE, by="bob")
    assert [words.partition(" ")[0] for _, words in refused(caught)] == ["vc-8", "vc-9:", "vc-9"]
    assert not site.database.hosts.known(["vc-8", "vc-9"])


def test_a_mac_stays_its_owner_s_whoever_asks_at_the_same_time(site: Site) -> None:
    """What is shared is looked at in the transaction that writes, not before it."""
    new = Host(name="vc-8", macs=("52:54:00:00:00:08",), profile="cube")
    inventory_update.replace(site, [new], [], NONE, by="ann", only_new=True)
    with pytest.raises(InventoryError, match="vc-9 and vc-8 have the same MAC"):
        inventory_update.replace(
            site, [new.model_copy(update={"name": "vc-9"})], [], NONE, by="bob", only_new=True
        )
    row = site.database.macs.get("52:54:00:00:00:08")
    assert row and row.host == "vc-8"


def test_what_somebody_else_changed_since_it_was_looked_up_is_not_written_over(site: Site) -> None:
    shown = [known(site, "vc-1"), known(site, "vc-2")]
    mine = edited(site, "vc-1", rack="B3")
    inventory_update.replace(site, [edited(site, "vc-1", serial="SN-1")], [], NONE, by="bob", shown=shown)
    with pytest.raises(RefusedError, match="serial of vc-1 was changed; nothing was changed") as caught:
        inventory_update.replace(site, [mine], [], NONE, by="ann", shown=shown)
    assert caught.value.code == 146 and "give the command again" in caught.value.hint
    assert (known(site, "vc-1").serial, known(site, "vc-1").rack) == ("SN-1", "")
    inventory_update.replace(site, [edited(site, "vc-2", rack="B4")], [], NONE, by="ann", shown=shown)
    assert known(site, "vc-2").rack == "B4", "another host's change is in nobody's way"


def test_who_came_or_went_since_is_not_written_over_either(site: Site) -> None:
    new, gone = Host(name="vc-8", macs=("52:54:00:00:00:08",), profile="cube"), known(site, "vc-2")
    inventory_update.replace(site, [new], [], Removals(hosts=("vc-2",)), by="bob")
    mine = [new.model_copy(update={"rack": "B3"}), gone]
    with pytest.raises(RefusedError, match=r"looked up, vc-2 was removed, vc-8 was added; nothing"):
        inventory_update.replace(site, mine, [], NONE, by="ann", shown=[gone])
    assert known(site, "vc-8").rack == "" and not site.database.hosts.known(["vc-2"])


def test_nothing_goes_that_was_another_when_it_was_confirmed(site: Site) -> None:
    shown = [known(site, "vc-2")]
    inventory_update.replace(site, [edited(site, "vc-2", rack="B9")], [], NONE, by="bob")
    with pytest.raises(RefusedError, match="rack of vc-2 was changed"):
        inventory_update.replace(site, [], [], Removals(hosts=("vc-2",)), by="ann", shown=shown)
    assert known(site, "vc-2").rack == "B9"


def test_a_lock_is_no_change_that_would_be_lost(site: Site) -> None:
    shown = [known(site, "vc-1")]
    removal.set_lock(site, "vc-1", locked=True, by="bob")
    inventory_update.replace(site, [edited(site, "vc-1", rack="B3")], [], NONE, by="ann", shown=shown)
    assert known(site, "vc-1").locked and known(site, "vc-1").rack == "B3"


def said(name: str, **more: object) -> Host:
    number = name.removeprefix("vc-")
    body = {"name": name, "macs": [f"52:54:00:00:00:0{number}"], "profile": "cube", **more}
    return Host.model_validate(body)


def test_a_lock_that_a_file_does_not_open_is_said(site: Site) -> None:
    removal.set_lock(site, "vc-2", locked=True, by="ann")
    hosts = [said("vc-1", locked=False), said("vc-2", locked=False)]
    inventory_update.replace(site, hosts, [], NONE, by="bob")
    (sentence,) = inventory_update.kept_locks(site, hosts)
    assert sentence.startswith("vc-2 is locked and stays so") and "provision host unlock vc-2" in sentence
    assert "provision host history vc-2" in sentence
    removal.set_lock(site, "vc-1", locked=True, by="ann")
    (sentence,) = inventory_update.kept_locks(site, hosts)
    assert sentence.startswith("vc-1, vc-2 are locked and stay so")


def test_of_a_lock_that_no_file_speaks_of_nothing_is_said(site: Site) -> None:
    removal.set_lock(site, "vc-2", locked=True, by="ann")
    assert inventory_update.kept_locks(site, [said("vc-2"), said("vc-3", locked=False)]) == ()
    assert inventory_update.kept_locks(site, [said("vc-2", locked=True)]) == ()
