"""What no two hosts, and no two groups of a host, may say: whose BMC, whose name, whose word counts."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioner.domain.host import Bmc, Host
from provisioner.errors import InventoryError
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory
from provisioner.state.inventory_csv import CsvTable
from provisioner.state.secrets import missing_login

MAC = "52:54:00:00:00:01"


def host(name: str, number: int, bmc: Mapping[str, object] | None = None, **said: object) -> Host:
    body = {"name": name, "macs": [f"52:54:00:00:00:{number:02x}"], "profile": "cube", "bmc": bmc or {}}
    return inventory.make_host({**body, **said}, DRIVERS)


def at(driver: str, port: int | None = None, system: str = "") -> dict[str, object]:
    return {"driver": driver, "address": "10.9.12.1", "system": system} | ({"port": port} if port else {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("ipmi"), at("redfish")),
        (at("redfish"), at("ipmi")),
        (at("ipmi"), at("ipmi", 623)),
        (at("redfish", 443), at("redfish")),
        (at("ipmi", 6230), at("redfish", 8443)),
        (at("ipmi"), at("redfish", 8443, "Node1")),
        (at("redfish", system="Node1"), at("redfish", system="/redfish/v1/Systems/Node1")),
    ],
)
def test_one_bmc_belongs_to_one_host(one: dict[str, object], other: dict[str, object]) -> None:
    first, second = host("vc-1", 1, one), host("vc-2", 2, other)
    for known in ([], [first]):
        with pytest.raises(
            InventoryError, match=r"vc-2 and vc-1 have the same BMC address 10\.9\.12\.1"
        ) as it:
            inventory.check([second] if known else [first, second], {"cube"}, known)
        assert "bmc.system" in it.value.hint and "bmc.port" in it.value.hint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("ipmi", 6231), at("ipmi", 6232)),
        (at("ipmi"), at("ipmi", 6232)),
        (at("redfish", 8443), at("redfish")),
        (at("redfish", system="Node1"), at("redfish", system="Node2")),
        (at("redfish", 8443, "Node1"), at("redfish", 8443, "Node2")),
    ],
)
def test_forwarded_ports_and_systems_tell_bmcs_apart(
    one: dict[str, object], other: dict[str, object]
) -> None:
    inventory.check([host("vc-1", 1, one), host("vc-2", 2, other)], {"cube"})


def test_hosts_of_before_that_contradict_each_other_hold_no_other_back() -> None:
    known = [host("vc-1", 1, at("ipmi")), host("vc-2", 2, at("redfish"))]
    inventory.check([host("vc-3", 3)], {"cube"}, known)


@pytest.mark.parametrize(
    ("name", "said", "what"),
    [
        ("ab12", {"serial": "AB12"}, "serial"),
        ("525400000002", {}, "MAC"),
        ("52-54-00-00-00-02", {}, "MAC"),
        ("5254000000b2", {"bmc": {"driver": "ipmi", "mac": "52:54:00:00:00:B2"}}, "MAC"),
        ("6f7d1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b", {"uuid": "6F7D1A2B-3C4D-4E5F-8A9B-0C1D2E3F4A5B"}, "UUID"),
    ],
)
def test_a_name_is_no_other_host_s_number(name: str, said: dict[str, object], what: str) -> None:
    named, owner = host(name, 1), host("zz", 2, **said)
    words = f"{name} is a host's name, and the {what} of zz"
    for new, known in (([named, owner], []), ([named], [owner]), ([owner], [named])):
        with pytest.raises(InventoryError) as caught:
            inventory.check(new, {"cube"}, known)
        assert str(caught.value) == words and "another name" in caught.value.hint
    inventory.check([host(name, 2, **said)], {"cube"})  # its own


def test_serials_that_differ_in_case_only_are_one() -> None:
    with pytest.raises(InventoryError, match="same serial"):
        inventory.check([host("a", 1, serial="sn12"), host("b", 2, serial="SN12")], {"cube"})


@pytest.mark.parametrize("name", ["localhost", "provisioner"])
def test_names_that_mean_another_machine_are_refused(name: str) -> None:
    with pytest.raises(InventoryError, match="can be no host's name"):
        inventory.check([host(name, 1)], {"cube"})


@pytest.mark.parametrize("said", [{"address": "10.0.0.5"}, {"mac": MAC}, {"secret": "lab"}])
def test_a_bmc_without_a_driver_is_reached_by_ipmi(said: dict[str, str]) -> None:
    assert Bmc.model_validate(said).driver == "ipmi"
    assert Bmc.model_validate({**said, "driver": "redfish"}).driver == "redfish"
    assert Bmc.model_validate({"address": None}).driver == "manual"


def test_who_presses_the_button_has_no_bmc_s_address() -> None:
    with pytest.raises(
        InventoryError, match=r"vc-1: bmc\.address: 10\.9\.12\.1 would never be asked"
    ) as caught:
        host("vc-1", 1, at("manual"))
    assert caught.value.hint == "leave it out, or one of: ipmi, redfish"


GROUPS = """\
aa:
  vars: {profile: cube}
  hosts: {vc-1: {macs: ["52:54:00:00:00:01"]}}
bb:
  vars: {profile: big}
  hosts: {vc-1: }
"""


BELOW = """\
aa: {vars: {profile: cube}, children: {cc: }}
bb: {vars: {profile: big}, children: {cc: }}
cc: {vars: {profile: huge}, hosts: {vc-1: {macs: ["52:54:00:00:00:01"]}}}
"""


def read(folder: Path, hosts: str, **beside: str) -> list[Host]:
    files = {"hosts.yml": hosts, "profiles.yml": "{cube: {}, big: {}, huge: {}}", **beside}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return inventory.read(folder, DRIVERS)[0]


@pytest.mark.parametrize(
    ("hosts", "beside", "places"),
    [
        (
            GROUPS,
            {},
            ("hosts.yml: line 5", "bb", "hosts.yml: line 2"),
        ),
        (
            GROUPS.replace("  vars: {profile: big}\n", ""),
            {"group_vars/bb.yml": "# ours\nprofile: big\n"},
            ("group_vars/bb.yml: line 2", "bb", "hosts.yml: line 2"),
        ),
        (
            GROUPS.replace("  vars: {profile: cube}\n", "").replace("  vars: {profile: big}\n", ""),
            {"group_vars/aa.yml": "profile: big\n", "group_vars/bb.yml": "profile: cube\n"},
            ("group_vars/bb.yml: line 1", "bb", "group_vars/aa.yml: line 1"),
        ),
        (
            GROUPS + "top: {children: {deep: {vars: {profile: huge}, hosts: {vc-1: }}}}\n",
            {},
            ("hosts.yml: line 7", "deep", "hosts.yml: line 2"),
        ),
    ],
    ids=("vars", "a file and vars", "files", "deeper, but elsewhere"),
)
def test_groups_that_contradict_each_other_are_refused(
    tmp_path: Path, hosts: str, beside: dict[str, str], places: tuple[str, str, str]
) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, hosts, **beside)
    place, group, other = places
    words = f"the group {group} says another value than the group aa ({other})"
    assert (
        str(caught.value) == f"{place}: vc-1: profile: {words}"
        and "described in one of them" in caught.value.hint
    )


@pytest.mark.parametrize(
    ("hosts", "profile"),
    [
        (GROUPS.replace("big", "cube"), "cube"),
        (GROUPS.replace("hosts: {vc-1: }", "children: {aa: }"), "cube"),
        (
            GROUPS.replace("  vars: {profile: big}", "  vars: {profile: big, ansible_group_priority: 2}"),
            "big",
        ),
        (GROUPS.replace("vc-1: {", "vc-1: {profile: huge, "), "huge"),
        (BELOW, "huge"),
        (GROUPS + "all: {vars: {profile: huge}}\n", None),
    ],
    ids=("the same", "child over parent", "priority", "the host itself", "below both", "all"),
)
def test_what_is_meant_to_decide_does(tmp_path: Path, hosts: str, profile: str | None) -> None:
    if profile is None:
        hosts, profile = hosts.replace("  vars: {profile: big}\n", ""), "cube"
    assert {host.name: host.profile for host in read(tmp_path, hosts)}["vc-1"] == profile


def test_a_table_without_a_profile_is_told_what_to_give(tmp_path: Path) -> None:
    table = tmp_path / "racks.csv"
    table.write_text("name,mac,rack\nvc-1,52:54:00:00:00:01,B3\nVC_2,52:54:00:00:00:02,B3\n")
    with pytest.raises(InventoryError) as caught:
        inventory.read_table(CsvTable.at(table), DRIVERS, {"cube"}, [])
    assert str(caught.value) == "racks.csv: line 2: vc-1: has no profile"
    assert caught.value.hint == "fill in the column profile, or give --profile NAME"
    with pytest.raises(InventoryError) as caught:
        inventory.read_table(CsvTable.at(table), DRIVERS, {"cube"}, [], profile="cube")
    assert str(caught.value) == "racks.csv: line 3: VC_2: 'VC_2' can be no host's name"
    assert "hosts.yml" not in caught.value.hint


def test_a_bmc_without_a_login_s_name_is_advised_of(tmp_path: Path) -> None:
    table, advice = tmp_path / "racks.csv", list[str]()
    table.write_text("name,mac,bmc,secret\na,52:54:00:00:00:01,10.0.0.1,\nb,52:54:00:00:00:02,10.0.0.2,lab\n")
    inventory.read_table(CsvTable.at(table), DRIVERS, {"cube"}, [], profile="cube", advise=advice.append)
    (sentence,) = advice
    assert sentence.startswith("racks.csv: line 2: no login is named for the BMC of a: ")
    fault = missing_login("", "a")
    assert fault.code == 205 and fault.hint.startswith("provision host edit a --secret NAME")


def test_slips_of_one_host_are_told_together_and_hide_no_conflict(tmp_path: Path) -> None:
    table = tmp_path / "racks.csv"
    mac = "52:54:00:00:00:0"
    table.write_text(
        "name,mac,serial,bmc,bmc_driver,bmc_mac,secret\n"
        f"a,{mac}1,S1,10.9.12.1,ipmi,,lab\n"
        f"b,{mac}2,0,10.9.12.1:623,IPMI,,lab\n"
        f"c,{mac}x {mac}1,S3,10.9.12.1,ipmi,,lab\n"
        f"d,{mac}4,S4,10.9.12.999,ipmi,{mac}4,lab\n"
    )
    advice = list[str]()
    with pytest.raises(InventoryError) as caught:
        inventory.read_table(CsvTable.at(table), DRIVERS, {"cube"}, [], profile="cube", advise=advice.append)
    told = sorted(str(fault).removeprefix("racks.csv: ") for fault in (caught.value, *caught.value.also))
    beginnings = [
        "line 3: b: bmc.address: '10.9.12.1:623' is no IPv4 address",
        "line 3: b: bmc.driver: 'IPMI' is none of",
        "line 3: b: serial '0' identifies no machine",
        "line 4: c and a have the same BMC address 10.9.12.1",
        f"line 4: c and a have the same MAC {mac}1",
        f"line 4: c: macs.0: '{mac}x' is not a MAC address",
        "line 5: d: bmc.address: '10.9.12.999' is no IPv4 address",
        f"line 5: d: bmc.mac: {mac}4 is one of the host's own cards",
    ]
    assert [text[: len(start)] for text, start in zip(told, beginnings, strict=True)] == beginnings
    assert not advice


def test_a_mac_is_written_once() -> None:
    with pytest.raises(InventoryError, match="vc-1: the MAC 52:54:00:00:00:01 is there twice"):
        host("vc-1", 1, macs=[MAC, "5254.0000.0001"])
