"""What is wrong with an inventory is told with its file and line, and all of it at once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from provisioner.domain.host import Bmc, Host
from provisioner.errors import InventoryError, UnreachableError
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory

PROFILES = "cube: {image: vault-os}\n"
SLIPS = """\
all:
  vars: {profile: cube}
  hosts:
    vc-1:
      macs:
        - 52:54:00:AA:00:01
        - "52:54:00:00:00"
      colour: red
      bmc:
        driver: redfish
        address: https://10.0.0.5
    vc-2:
      macs: ["52:54:00:00:00:02"]
      profile: cub
      disk: {wwn: "0000"}
    vc_3:
      macs: ["52:54:00:00:00:03"]
    vc-4:
      macs: "52:54:00:00:00:04"
    vc-5:
      rack: on
    vc-6: {macs: [52:54:00:12:34:56], serial_number: None, bmc: {driver: ipm}}
    vc-7: {macs: ["52:54:00:00:00:02"], seriel_number: S7}
"""
WRONG_PROFILES = """\
cube:
  image: vault-os
  disks:
    - {min_size: 2G, max_size: 1G}
other:
  gpus: [{id: 10de}]
  memory_mim: 64G
"""


def write(folder: Path, hosts: str, profiles: str = PROFILES, **beside: str) -> Path:
    files = {"hosts.yml": hosts, "profiles.yml": profiles, **beside}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def faults(folder: Path, known: Sequence[Host] = ()) -> list[InventoryError]:
    with pytest.raises(InventoryError) as caught:
        inventory.read(folder, DRIVERS, known=lambda: known)
    found = [caught.value, *caught.value.also]
    assert all(isinstance(fault, InventoryError) and fault.code == 110 for fault in found)
    return [fault for fault in found if isinstance(fault, InventoryError)]


def sentences(folder: Path) -> list[str]:
    return [str(fault) for fault in faults(folder)]


def test_every_fault_of_both_files_is_told_with_its_line(tmp_path: Path) -> None:
    found = sentences(write(tmp_path, SLIPS, WRONG_PROFILES))
    beginnings = [
        "hosts.yml: line 7: vc-1: macs.1: '52:54:00:00:00' is not a MAC address",
        "hosts.yml: line 8: vc-1: colour: is not a known key",
        "hosts.yml: line 11: vc-1: bmc.address: 'https://10.0.0.5' is no IPv4 address",
        "hosts.yml: line 14: vc-2: unknown profile 'cub'",
        "hosts.yml: line 15: vc-2: disk.wwn: 0000 is what several disks say",
        "hosts.yml: line 16: vc_3: 'vc_3' can be no host's name",
        "hosts.yml: line 19: vc-4: macs: a list is expected",
        "hosts.yml: line 20: vc-5: macs: is missing",
        "hosts.yml: line 21: vc-5: rack: a text is expected, not true",
        "hosts.yml: line 22: 52:54:00:12:34:56 is a number to YAML",
        "hosts.yml: line 22: vc-6: serial 'None' identifies no machine",
        "hosts.yml: line 22: vc-6: bmc.driver: 'ipm' is none of 'ipmi', 'manual' or 'redfish'",
        "hosts.yml: line 23: vc-7 and vc-2 have the same MAC 52:54:00:00:00:02",
        "hosts.yml: line 23: vc-7: seriel_number: is not a known key",
        "profiles.yml: line 4: profile cube: disks.0: max_size is smaller than min_size",
        "profiles.yml: line 6: profile other: gpus.0.id: ",
        "profiles.yml: line 7: profile other: memory_mim: is not a known key",
    ]
    assert sorted(found) == sorted(
        next((text for text in found if text.startswith(beginning)), beginning) for beginning in beginnings
    )
    assert [text.split(": ")[:2] for text in found] == [text.split(": ")[:2] for text in beginnings]


def test_hints_say_what_to_write(tmp_path: Path) -> None:
    hints = {str(fault).split(": ", 1)[1]: fault.hint for fault in faults(write(tmp_path, SLIPS))}

    def hint(part: str) -> str:
        return next(hint for sentence, hint in hints.items() if part in sentence)

    assert hint("seriel_number").startswith("is serial_number meant? ")
    assert hint("colour") == "Variables that only playbooks use belong into group_vars/ or host_vars/"
    assert hint("macs: a list") == 'put it in brackets: macs: ["52:54:00:00:00:04"]'
    assert hint("have the same MAC") == "vc-2 is in hosts.yml: line 13"
    assert hint("bmc.address").startswith("the address alone, as 10.20.0.42")


def test_a_fault_that_many_hosts_have_from_one_line_is_told_once(tmp_path: Path) -> None:
    hosts = "".join(f'    vc-{n}: {{macs: ["52:54:00:00:00:0{n}"]}}\n' for n in range(1, 4))
    folder = write(tmp_path, f"g:\n  vars:\n    profile: cub\n  hosts:\n{hosts}")
    assert sentences(folder) == ["hosts.yml: line 3: vc-1 and 2 others: unknown profile 'cub'"]


@pytest.mark.parametrize(
    ("hosts", "beside", "place"),
    [
        (
            "g:\n  vars: {profile: cub}\n  hosts:\n    a:\n      MACS\n      profile: cup\n",
            {},
            "hosts.yml: line 6",
        ),
        (
            "g:\n  vars: &v\n    profile: cub\n  hosts:\n    a: {<<: *v, MACS}\n",
            {},
            "hosts.yml: line 3",
        ),
        (
            "g:\n  vars: &v\n    profile: cub\n  hosts:\n    a:\n      MACS\n      <<: *v\n"
            "      profile: cup\n",
            {},
            "hosts.yml: line 8",
        ),
        (
            "b: {vars: {profile: cup}, hosts: {a: }}\n"
            "g: {vars: {profile: cub, ansible_group_priority: 2}, hosts: {a: {MACS}}}\n",
            {},
            "hosts.yml: line 2",
        ),
        (
            "g: {vars: {profile: cube}, hosts: {a: {MACS}}}\n",
            {"group_vars/g.yml": "# x\nprofile: cub\n"},
            "group_vars/g.yml: line 2",
        ),
        (
            "g: {hosts: {a: {MACS, profile: cube}}}\n",
            {"host_vars/a/b": "x: 1\n\nprofile: cub\n"},
            "host_vars/a/b: line 3",
        ),
        (
            "g: {hosts: {a: {MACS}}}\n",
            {"group_vars/g/a": "profile: cup\n", "group_vars/g/b.yml": "y: &y {profile: cub}\n<<: *y\n"},
            "group_vars/g/b.yml: line 1",
        ),
    ],
    ids=("own", "merged", "over a merge", "later", "file of a group", "file of a host", "merged in a file"),
)
def test_the_place_is_that_of_the_value_that_counts(
    tmp_path: Path, hosts: str, beside: dict[str, str], place: str
) -> None:
    text = hosts.replace("MACS", 'macs: ["52:54:00:00:00:01"]')
    (sentence,) = sentences(write(tmp_path, text, **beside))
    assert sentence in (f"{place}: a: unknown profile 'cub'", f"{place}: a: unknown profile 'cup'")


def test_what_a_file_that_cannot_be_read_may_say_is_not_told_as_missing(tmp_path: Path) -> None:
    folder = write(
        tmp_path, "g: {hosts: {a: , b: {colour: red}}}\n", **{"group_vars/g.yml": "macs: x\n\tprofile: c\n"}
    )
    assert [text.split(": not YAML")[0] for text in sentences(folder)] == [
        "group_vars/g.yml: line 2",
        "hosts.yml: line 1: b: colour: is not a known key",
    ]
    folder = write(tmp_path / "2", "g: {hosts: {a: {macs: !vault x, profile: cube, colour: red}}}\n")
    assert [text.split(": ")[2:4] for text in sentences(folder)] == [
        ["a", "encrypted by ansible-vault, and the service has no vault password"],
        ["a", "colour"],
    ]


def test_faults_of_each_kind_are_told_together(tmp_path: Path) -> None:
    hosts = "a:\n  host: {x: }\nb:\n  hosts:\n    'y[1:2': \n    z: [1]\nc: {children: {c: }}\n? [d]\n: e\n"
    found = sentences(write(tmp_path, hosts, "cube: {image: [}\n"))
    assert [text.split(": ")[1] for text in found] == [f"line {n}" for n in (2, 5, 6, 7, 8, 1)]


def test_hosts_that_the_service_knows_are_compared_too(tmp_path: Path) -> None:
    known = [
        Host(name="old", macs=("52:54:00:00:00:01",), profile="gone"),
        Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube"),
    ]
    hosts = 'g:\n  vars: {profile: cube}\n  hosts:\n    vc-1:\n      macs: ["52:54:00:00:00:01"]\n'
    (fault,) = faults(write(tmp_path, hosts), known)
    assert str(fault) == "hosts.yml: line 5: vc-1 and old have the same MAC 52:54:00:00:00:01"
    assert fault.hint == "old is known to the service"
    renewed = hosts.replace("vc-1", "vc-2").replace(":01", ":02")
    assert inventory.read(write(tmp_path, renewed), DRIVERS, known=lambda: known)[0][0].name == "vc-2"


def test_a_service_that_does_not_answer_hides_no_fault(tmp_path: Path) -> None:
    def known() -> Sequence[Host]:
        raise UnreachableError("nobody answers")

    mac = '["52:54:00:00:00:01"]'
    for host, fault in (
        ("{profile: cube}", "line 1: a: macs: is missing"),
        (f"{{profile: cub, macs: {mac}}}", "line 1: a: unknown profile 'cub'"),
        (f"{{profile: cube, macs: &m {mac}}}, b: {{profile: cube, macs: *m}}", "b and a have the same MAC"),
    ):
        with pytest.raises(InventoryError, match=fault):
            inventory.read(write(tmp_path, f"g: {{hosts: {{a: {host}}}}}\n"), DRIVERS, known=known)
    with pytest.raises(UnreachableError):
        inventory.read(write(tmp_path, "g: {hosts: {}}\n"), DRIVERS, known=known)


def test_nodes_behind_one_bmc_are_told_apart_by_its_systems(tmp_path: Path) -> None:
    def node(number: int, system: str) -> str:
        bmc = f"bmc: {{driver: redfish, address: 10.0.0.9{system and f', system: {system}'}}}"
        return f'    vc-{number}: {{macs: ["52:54:00:00:00:0{number}"], profile: cube, {bmc}}}\n'

    head = "all:\n  hosts:\n"
    folder = write(tmp_path, head + node(1, "Node1") + node(2, "Node2"))
    assert len(inventory.read(folder, DRIVERS)[0]) == 2
    for one, other in (("Node1", "Node1"), ("", "Node1"), ("", ""), ("Node1", "/redfish/v1/Systems/Node1")):
        folder = write(tmp_path, head + node(1, one) + node(2, other))
        assert sentences(folder) == [
            "hosts.yml: line 4: vc-2 and vc-1 have the same BMC address 10.0.0.9:443"
        ]
    three = head + node(1, "Node1") + node(2, "Node2") + node(3, "Node2")
    assert "vc-3 and vc-2" in sentences(write(tmp_path, three))[0]


def test_a_bmc_has_a_mac_of_its_own(tmp_path: Path) -> None:
    mac = "52:54:00:00:00:01"
    text = f'g: {{hosts: {{a: {{macs: ["{mac}"], profile: cube, bmc: {{driver: ipmi, mac: "{mac}"}}}}}}}}\n'
    assert sentences(write(tmp_path, text)) == [
        f"hosts.yml: line 1: a: bmc.mac: {mac} is one of the host's own cards"
    ]
    with pytest.raises(InventoryError, match="own cards"):
        bmc = Bmc.model_validate({"driver": "ipmi", "mac": mac}).model_dump()
        inventory.make_host({"name": "a", "macs": [mac], "profile": "cube", "bmc": bmc}, DRIVERS)


@pytest.mark.parametrize("ending", [".yaml", ".json"])
def test_a_file_may_have_any_ending_of_ansible_s(tmp_path: Path, ending: str) -> None:
    folder = write(tmp_path, '{"g": {"hosts": {"a": {"macs": ["52:54:00:00:00:01"], "profile": "cube"}}}}')
    (folder / "hosts.yml").rename(folder / f"hosts{ending}")
    assert inventory.read(folder, DRIVERS)[0][0].name == "a"
    (folder / "hosts.yml").write_text("g: {}\n")
    assert sentences(folder) == [f"{folder}: hosts.yml and hosts{ending} are both there"]


@pytest.mark.parametrize("name", ["hosts", "hosts.ini"])
def test_an_inventory_of_another_kind_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, "[g]\na\n")
    (folder / "hosts.yml").rename(folder / name)
    (fault,) = faults(folder)
    assert str(fault) == f"{folder / name}: only YAML is read"
    assert "ansible-inventory -i FILE --list --yaml" in fault.hint


@pytest.mark.parametrize(
    "text",
    [
        "[g]\nvc-1 profile=cube\n",
        "# hosts\n[g:vars]\nprofile=cube\n[g]\nvc-1\n",
        "vc-1 profile=cube\n",
        "[g]\n",
        "#!/bin/sh\ncat hosts.json\n",
        "plugin: aws_ec2\n",
        "- vc-1\n",
    ],
    ids=("INI", "INI with vars", "hosts alone", "a section", "a program", "a plugin", "a list"),
)
def test_what_is_no_yaml_inventory_is_told_how_to_become_one(tmp_path: Path, text: str) -> None:
    (fault,) = faults(write(tmp_path, text))
    assert str(fault).startswith("hosts.yml: line ") and "ansible-inventory -i FILE" in fault.hint


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("g: {}\n")
    for fault in faults(tmp_path / "hosts.yml"):
        assert "Not a directory" in str(fault) and "is a folder with" in fault.hint


def test_names_that_are_paths_lead_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "secret.yml").write_text("profile: cube\nrack: stolen\n")
    for name in ("../secret", "..", "/etc/hostname", ".", ""):
        (sentence,) = sentences(write(tmp_path, f'"{name}": {{hosts: {{}}}}\n'))
        assert sentence.startswith(f"hosts.yml: line 1: {name!r} is no name of a group")
    long = "g" * 300
    folder = write(tmp_path, f'{long}: {{hosts: {{a: {{macs: ["52:54:00:00:00:01"], profile: cube}}}}}}\n')
    assert inventory.read(folder, DRIVERS)[0][0].rack == ""
    (sentence,) = sentences(
        write(tmp_path, 'g: {hosts: {"../x": {macs: ["52:54:00:00:00:01"], profile: cube}}}\n')
    )
    assert "'../x' can be no host's name" in sentence


@pytest.mark.parametrize(
    ("profiles", "advice"),
    [
        ("cube: {}\n", []),
        ("cube: {disks: [{min_size: 1T}]}\n", []),
        ("cube:\n  disks:\n  - {model: A*}\n  - {model: B*}\n  - {model: C*}\n", ["4: cube"]),
        (
            "cube: {disks: [{name: sda},\n  {name: sdb}]}\nother:\n  disks: [{name: sda}, {name: sda}]\n",
            ["2: cube", "4: other"],
        ),
    ],
)
def test_a_second_disk_of_a_profile_is_advised_of(tmp_path: Path, profiles: str, advice: list[str]) -> None:
    said: list[str] = []
    hosts = 'g: {hosts: {a: {macs: ["52:54:00:00:00:01"], profile: cube}}}\n'
    inventory.read(write(tmp_path, hosts, profiles), DRIVERS, advise=said.append)
    expected = [tuple(one.split(": ")) for one in advice]
    assert said == [
        f"profiles.yml: line {line}: only the first of the `disks` of profile {name} counts: an image is "
        "written to one disk; one host's own disk is `disk` in hosts.yml"
        for line, name in expected
    ]


def test_a_bmc_that_cannot_be_found_is_advised_of(tmp_path: Path) -> None:
    advice: list[str] = []
    text = "g:\n  vars:\n    profile: cube\n    bmc: {driver: ipmi}\n  hosts:\n"
    text += '    a: {macs: ["52:54:00:00:00:01"]}\n'
    inventory.read(write(tmp_path, text), DRIVERS, advise=advice.append)
    assert advice == [
        "hosts.yml: line 4: the BMC of a has neither address nor mac: it cannot be powered (PV-206)"
    ]
    inventory.read(write(tmp_path, text.replace("ipmi", "manual")), DRIVERS, advise=advice.append)
    assert len(advice) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("macs: []", "a: macs: is empty, at least one is needed"),
        ("macs: {a: b}", "a: macs: a list is expected"),
        ("macs: [x]", "a: macs.0: 'x' is not a MAC address"),
        ("MACS, bmc: 10.0.0.5", "a: bmc: a mapping is expected"),
        ("MACS, bmc: {address: 10.0.0.999}", "a: bmc.address: '10.0.0.999' is no IPv4 address"),
        ("MACS, bmc: {address: bmc-1.example}", "a: bmc.address: 'bmc-1.example' is no IPv4 address"),
        ("MACS, bmc: {port: 70000}", "a: bmc.port: must be at most 65535"),
        ("MACS, disk: {by_path: x}", "a: disk.by_path: x is no place at a bus"),
        ("MACS, disk: {seriel: x}", "a: disk.seriel: is not a known key"),
        (
            "MACS, uuid: 03000200-0400-0500-0006-000700080009",
            "a: uuid '03000200-0400-0500-0006-000700080009' id",
        ),
        ("MACS, serial_number: S1, serial: S1", "a: serial and serial_number are both there"),
    ],
)
def test_each_kind_of_slip_has_its_line(tmp_path: Path, body: str, sentence: str) -> None:
    pairs = body.replace("MACS", 'macs: ["52:54:00:00:00:01"]')
    (found,) = sentences(write(tmp_path, f"# x\ng:\n  hosts:\n    a: {{profile: cube, {pairs}}}\n"))
    assert found.startswith(f"hosts.yml: line 4: {sentence}")


TWICE = """\
racks:
  vars: {profile: cube}
  hosts:
    vc-1: {macs: ["52:54:00:00:00:01"], rack: B3}
    vc-2: {macs: ["52:54:00:00:00:02"]}
gpus:
  hosts:
"""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ('    vc-1: {macs: ["52:54:00:00:00:0a"]}', "line 8: vc-1: macs"),
        ("    vc-1: {rack: B4}", "line 8: vc-1: rack"),
        ("    vc-[1:2]:\n      rack: B4", "line 9: vc-1: rack"),
        ("    vc-1: {rack: }", "line 8: vc-1: rack"),
    ],
    ids=("MAC", "text", "range", "null"),
)
def test_a_host_in_two_groups_with_other_values_is_refused(tmp_path: Path, other: str, words: str) -> None:
    (fault,) = faults(write(tmp_path, f"{TWICE}{other}\n"))
    says = "the group gpus says another value than the group racks (hosts.yml: line 4)"
    assert str(fault) == f"hosts.yml: {words}: {says}"
    assert "described in one of them" in fault.hint


@pytest.mark.parametrize(
    "other",
    [
        "    vc-1:",
        "    vc-1: {rack: B3}",
        '    vc-1: {serial_number: S1}\n    vc-2: {macs: ["52:54:00:00:00:02"]}',
        "    vc-1: {ansible_host: 10.0.0.2}\nmore: {hosts: {vc-1: {ansible_host: 10.0.0.3}}}",
        "    vc-[1:2]: {uuid: }\n    vc-2: {rack: B4}\n  vars: {rack: B5}",
        "    vc-[3:4]: {macs: [52:54:00:AA:00:03]}\n    vc-4: {macs: [52:54:00:AA:00:04]}\n"
        "  vars: {profile: cube}",
    ],
    ids=("named", "the same", "another key", "of Ansible", "group's own variables", "a range and one of it"),
)
def test_a_host_in_two_groups_that_do_not_contradict_is_taken(tmp_path: Path, other: str) -> None:
    hosts, _ = inventory.read(write(tmp_path, f"{TWICE}{other}\n"), DRIVERS)
    assert {host.name: host.macs for host in hosts}["vc-1"] == ("52:54:00:00:00:01",)


def test_contradictions_of_groups_stand_beside_all_other_faults(tmp_path: Path) -> None:
    other = (
        '    vc-1: {macs: ["52:54:00:00:00:0a"]}\n    vc-2: {rack: B4, profile: cub}\n    vc-3: {rack: 1}\n'
    )
    found = sentences(write(tmp_path, TWICE + other))
    assert [text.split(": ")[1:4] for text in found] == [
        ["line 8", "vc-1", "macs"],
        ["line 9", "vc-2", "unknown profile 'cub'"],
        ["line 10", "vc-3", "macs"],
        ["line 10", "vc-3", "profile"],
    ]
