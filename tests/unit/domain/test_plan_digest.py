"""What of a plan decides: everything that is confirmed changes its digest, and what only informs does not."""

from typing import Any

import pytest

from provisioner.domain import plan_digest
from provisioner.domain.deployment import Terms
from provisioner.domain.host import Host
from provisioner.domain.plan import CatalogueImage, ErasedDisk, Plan
from provisioner.domain.refusal import Refusal

HOST = {
    "name": "vc-1",
    "macs": ["52:54:00:00:00:01"],
    "profile": "cube",
    "serial": "BOARD1",
    "uuid": "8d3e1f0a-0000-4000-8000-00000000000a",
    "bmc": {"driver": "ipmi", "address": "10.77.1.2", "port": 623, "secret": "rack"},
}
IMAGE = {
    "id": "os@2",
    "name": "os",
    "version": "2",
    "raw_size": 1,
    "raw_sha256": "0" * 64,
    "pack_size": 1,
    "signed_by": "release",
    "added": 1,
}
DISK = {"seen": True, "hints": {}, "foreign": "", "name": "vda", "size": 68719476736, "serial": "FIRST"}


def make(**parts: Any) -> Plan:
    """A plan in which these parts of host, image, disk or the plan itself are otherwise."""
    plan = {key: value for key, value in parts.items() if key not in ("host", "image", "disk")}
    return Plan.model_validate(
        {
            "host": Host.model_validate(HOST | parts.get("host", {})),
            "image": CatalogueImage.model_validate(IMAGE | parts.get("image", {})),
            "erases": ErasedDisk.model_validate(DISK | parts.get("disk", {})),
            "holds": "GPT",
            "challenge": "ARD1",
            "question": "the last 4 of the serial",
            "serial": "BOARD1",
            "power": "IPMI 10.77.1.2",
            "installer": "",
            "locked": False,
            **plan,
        }
    )


UNSEEN = {"seen": False, "name": "", "size": 0, "serial": ""}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"host": {"macs": ["52:54:00:00:00:02"]}}, "the network card is otherwise: 52:54:00:00:00:02 in"),
        ({"host": {"macs": [*HOST["macs"], "52:54:00:00:00:02"]}}, "52:54:00:00:00:02 in place of nothing"),
        ({"host": {"serial": "BOARD2"}}, "the serial is otherwise: BOARD2 in place of BOARD1"),
        ({"host": {"uuid": ""}}, "the system UUID is otherwise: nothing in place of 8d3e1f0a"),
        ({"host": {"bmc": {"driver": "manual"}}}, "the BMC is otherwise: manual in place of ipmi 10.77.1.2"),
        ({"host": {"bmc": {**HOST["bmc"], "address": "10.77.1.3"}}}, "10.77.1.3 in place of 10.77.1.2"),
        ({"host": {"profile": "big"}}, "the profile is otherwise: big in place of cube"),
        ({"disk": {"serial": "SECOND"}}, "the disk is otherwise: SECOND in place of FIRST"),
        ({"disk": {"size": 68719476737}}, "68719476737 in place of 68719476736"),
        ({"disk": {**UNSEEN, "hints": {"serial": "FIRST"}}}, "the disk is otherwise: "),
        ({"disk": {"foreign": "LVM"}}, "what on it is not ours is otherwise: LVM in place of nothing"),
        ({"holds": "os 1, written by d-1"}, "what the disk holds is otherwise: os 1, written by d-1 in"),
        ({"image": {"id": "os@3"}}, "the image is otherwise: os@3 in place of os@2"),
        ({"image": {"raw_sha256": "1" * 64}}, "the image's content is otherwise"),
        ({"installer": "ubuntu@24.04"}, "the installer is otherwise: ubuntu@24.04 in place of nothing"),
        ({"terms": Terms(write_mode="wipe")}, "how it is written is otherwise: wipe in place of delta"),
        ({"terms": Terms(erase_foreign=True)}, "--erase-foreign in place of nothing"),
        ({"terms": Terms(allow_downgrade=True)}, "--allow-downgrade in place of nothing"),
    ],
)
def test_whatever_is_confirmed_decides_and_is_told_where_it_is_otherwise(
    parts: dict[str, Any], words: str
) -> None:
    shown, now = make(), make(**parts)
    assert plan_digest.of_host(shown) != plan_digest.of_host(now)
    [told] = plan_digest.differences(shown, now)
    assert words in told


@pytest.mark.parametrize(
    "parts",
    [
        {"disk": {"seen_at": 5.0, "seen_by": "deployment", "seen_in": "d-9"}},
        {"disk": {"name": "vdb"}},
        {"disk": {"doubt": "is too small"}},
        {"host": {"rack": "B4"}},
        {"host": {"locked": True}, "locked": True},
        {"host": {"bmc": {**HOST["bmc"], "secret": "other"}}},
        {"image": {"added": 99}},
        {"power": "IPMI, on"},
        {"deviations": ("7 GPUs",)},
        {"warnings": (Refusal(code=205, sentence="no login"),)},
        {"refusals": (Refusal(code=131, sentence="locked"),)},
    ],
)
def test_what_only_informs_decides_nothing(parts: dict[str, Any]) -> None:
    assert plan_digest.of_host(make()) == plan_digest.of_host(make(**parts))
    assert plan_digest.differences(make(), make(**parts)) == []


def test_a_disk_without_serial_and_wwn_is_told_by_its_place() -> None:
    one, other = (make(disk={"serial": "", "by_path": path, "name": "vda"}) for path in ("pci-1", "pci-2"))
    assert plan_digest.differences(one, other) == ["the disk is otherwise: pci-2 in place of pci-1"]
    assert plan_digest.of_host(make(disk={**UNSEEN})) != plan_digest.of_host(
        make(disk={**UNSEEN, "hints": {"rotational": False}})
    )


def named(name: str, **parts: Any) -> Plan:
    made = make(host={"name": name}, **parts)
    return made.model_copy(update={"digest": plan_digest.of_host(made)})


def test_of_a_run_decide_who_is_meant_in_which_order_and_what_is_done_to_each() -> None:
    shown = [named("vc-1"), named("vc-2")]
    digest = plan_digest.of_run(shown)
    assert digest == plan_digest.of_run([named("vc-1"), named("vc-2")])
    for now in ([], shown[:1], shown[::-1], [named("vc-1"), named("vc-3")]):
        assert plan_digest.of_run(now) != digest
    assert plan_digest.of_run([named("vc-1"), named("vc-2", image={"id": "os@3"})]) != digest


def test_of_a_run_it_is_told_who_came_who_left_and_what_is_otherwise() -> None:
    shown = [named("vc-1"), named("vc-2")]
    now = [named("vc-2", image={"id": "os@3"}), named("vc-3")]
    assert plan_digest.run_differences(shown, now) == [
        "vc-3 was not shown",
        "vc-1 is not among them any more",
        "of vc-2 the image is otherwise: os@3 in place of os@2",
    ]
    many = [named(f"vc-{number}") for number in range(100)]
    assert plan_digest.run_differences([], many)[-1] == "and 95 more"
