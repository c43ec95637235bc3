"""What an inventory would change, key by key."""

from typing import Any

from provisioner.api.hosts import HostStatus
from provisioner.domain.host import Host
from provisioner.domain.inventory_diff import InventoryChange, between
from provisioner.domain.profile import Profile


def host(name: str, **other: Any) -> Host:
    return Host.model_validate({"name": name, "macs": ["52:54:00:00:00:01"], "profile": "cube", **other})


CUBE = Profile(name="cube", image="vault-os")
BMC = {"driver": "ipmi", "address": "10.0.0.1", "port": 623, "secret": "b3"}


def fields(before: Host | Profile, after: Host | Profile) -> dict[str, tuple[object, object]]:
    if isinstance(before, Host) and isinstance(after, Host):
        found = between(([before], []), ([after], []))
    else:
        assert isinstance(before, Profile) and isinstance(after, Profile)
        found = between(([], [before]), ([], [after]))
    assert len(found) <= 1 and all(change.change == "changed" for change in found)
    return {field.field: (field.before, field.after) for change in found for field in change.fields}


def test_what_is_as_it_was_is_no_change() -> None:
    known = HostStatus(**host("vc-1", bmc=BMC).model_dump(), address="10.77.0.64")
    assert between(([known], [CUBE]), ([host("vc-1", bmc=BMC)], [CUBE])) == []
    assert fields(host("vc-1"), host("vc-1", rack="", bmc={})) == {}, "what is said by default is not said"


def test_each_key_that_differs_is_named_as_the_inventory_has_it() -> None:
    after = host("vc-1", bmc=BMC | {"address": "10.0.0.2"}, rack="B3", macs=["52:54:00:00:00:02"])
    assert fields(host("vc-1", bmc=BMC, serial="SN1"), after) == {
        "bmc.address": ("10.0.0.1", "10.0.0.2"),
        "macs": (["52:54:00:00:00:01"], ["52:54:00:00:00:02"]),
        "rack": (None, "B3"),
        "serial": ("SN1", None),
    }
    assert fields(host("vc-1", bmc=BMC), host("vc-1")) == {"bmc": (BMC, None)}
    assert fields(CUBE, Profile(name="cube", image="vault-os", memory_min="64GiB")) == {  # type: ignore[arg-type]
        "memory_min": (None, 64 << 30)
    }


def test_an_inventory_may_lock_a_host_and_opens_none() -> None:
    assert fields(host("vc-1", locked=True), host("vc-1")) == {}, "it stays"
    assert fields(host("vc-1"), host("vc-1", locked=True)) == {"locked": (None, True)}


def test_what_the_file_does_not_have_stays_unless_it_is_pruned() -> None:
    known, wanted = (
        ([host("a", serial="SN-A"), host("c")], [CUBE, Profile(name="old")]),
        ([host("b"), host("c")], [CUBE]),
    )
    assert between(known, wanted) == [InventoryChange(kind="host", name="b", change="added")]
    assert between(known, wanted, prune=True) == [
        InventoryChange(kind="host", name="a", change="removed", macs=("52:54:00:00:00:01",), serial="SN-A"),
        InventoryChange(kind="host", name="b", change="added"),
        InventoryChange(kind="profile", name="old", change="removed"),
    ]
