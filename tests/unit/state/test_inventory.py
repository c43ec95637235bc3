"""Hosts and profiles from YAML that Ansible reads too."""

from pathlib import Path

import pytest

from provisioner.domain.host import Bmc
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, InventoryError
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory
from provisioner.system import shipped

PROFILES = "cube: {image: vault-os}\n"


def write(folder: Path, hosts: str, profiles: str = PROFILES) -> Path:
    (folder / "hosts.yml").write_text(hosts)
    (folder / "profiles.yml").write_text(profiles)
    return folder


def one(body: str) -> str:
    return "all:\n  hosts:\n    vc-1: {" + body + "}\n"


def test_the_shipped_example_is_right() -> None:
    hosts, profiles = inventory.read(shipped.folder("inventory"), DRIVERS)
    assert [host.name for host in hosts] == ["vc-0042", "vc-0043", "vc-0044"]
    assert hosts[0].rack == "B3" and profiles[0].gpus[0].count == 8


def test_variables_of_groups_are_inherited_and_the_hosts_own_win(tmp_path: Path) -> None:
    text = """
all:
  children:
    rack:
      vars: {profile: cube, rack: B3}
      hosts:
        vc-1: {macs: ["52:54:00:00:00:01"], rack: B4, ansible_user: root}
"""
    hosts, _ = inventory.read(write(tmp_path, text), DRIVERS)
    assert (hosts[0].profile, hosts[0].rack) == ("cube", "B4")


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        (one('macs: ["52:54:00:00:00:01"], profile: cube, bmc: {driver: ipm}'), r"vc-1: bmc\.driver"),
        (one('macs: ["52:54:00:00:00:01"], profile: cub'), "vc-1: unknown profile 'cub'"),
        (one('macs: ["52:54:00:00:00"], profile: cube'), "is not a MAC address"),
        (one('macs: ["01:00:5e:00:00:01"], profile: cube'), "group address"),
        (one("macs: [52:54:00:12:34:56], profile: cube"), "is a number to YAML"),
        (one('macs: ["52:54:00:00:00:01"], profile: cube, colour: red'), "colour: is not a known key"),
        (one("profile: cube"), "macs: is missing"),
        ("all: [1]", "a mapping is expected"),
        ("all: {", "not YAML"),
        (one('macs: ["52:54:00:00:00:01"], profile: cube, profile: cube'), "'profile' is there twice"),
        (one("macs: &a [*a], profile: cube"), "refers to itself"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, hosts: str, sentence: str) -> None:
    with pytest.raises(InventoryError, match=sentence):
        inventory.read(write(tmp_path, hosts), DRIVERS)


@pytest.mark.parametrize(
    "body", ["serial_number: null", "serial: null", "serial_number: ~, rack: , disk: null, bmc: {address: ~}"]
)
def test_null_is_what_nobody_said(tmp_path: Path, body: str) -> None:
    def host(number: int) -> str:
        return f'vc-{number}: {{macs: ["52:54:00:00:00:0{number}"], profile: cube, {body}}}'

    text = f"all:\n  hosts:\n    {host(1)}\n    {host(2)}\n"
    hosts, _ = inventory.read(write(tmp_path, text, "cube: {image: , disks: null}"), DRIVERS)
    assert [(host.serial, host.rack, host.disk, host.bmc) for host in hosts] == [("", "", None, Bmc())] * 2


def test_null_takes_away_what_a_group_says(tmp_path: Path) -> None:
    text = 'g: {vars: {rack: B3, profile: cube}, hosts: {vc-1: {macs: ["52:54:00:00:00:01"], rack: null}}}'
    hosts, _ = inventory.read(write(tmp_path, text), DRIVERS)
    assert hosts[0].rack == ""


MAC_AND_PROFILE = 'macs: ["52:54:00:00:00:01"], profile: cube'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("rack: !vault x", "hosts.yml: line 3: vc-1: encrypted by ansible-vault"),
        ("bmc: {secret: !vault x}", "hosts.yml: line 3: vc-1: encrypted by ansible-vault"),
        ("serial: S1, serial_number: S1", "vc-1: serial and serial_number are both there"),
        ("name: vc-2", "vc-1: name: is not a known key"),
        ("rack: on", "vc-1: rack: a text is expected, not true"),
    ],
)
def test_a_value_that_is_not_ours_to_read_is_named(tmp_path: Path, body: str, sentence: str) -> None:
    with pytest.raises(InventoryError, match=sentence) as caught:
        inventory.read(write(tmp_path, one(f"{MAC_AND_PROFILE}, {body}")), DRIVERS)
    assert caught.value.hint


def test_a_serial_is_read_under_both_its_names_and_the_reserved_one_is_advised_against(
    tmp_path: Path,
) -> None:
    advice: list[str] = []
    for key in ("serial_number", "serial"):
        folder = write(tmp_path, one(f"{MAC_AND_PROFILE}, {key}: S1"))
        assert inventory.read(folder, DRIVERS, advise=advice.append)[0][0].serial == "S1"
    assert advice == [
        "hosts.yml: line 3: write `serial_number` for `serial` of vc-1: Ansible reserves that name (how many "
        "hosts a play takes at a time)"
    ]


def test_what_is_ansible_s_alone_is_left_to_it(tmp_path: Path) -> None:
    text = one(f"{MAC_AND_PROFILE}, ansible_password: !vault x, ansible_port: 0123").replace("0123", "22")
    hosts, _ = inventory.read(write(tmp_path, text.replace("vc-1", '"vc-[1:1]:2222"')), DRIVERS)
    assert hosts[0].name == "vc-1"


def beside(folder: Path, **files: str) -> Path:
    """An inventory of vc-1 in group g, and files in `group_vars`."""
    (folder / "group_vars").mkdir()
    for name, text in files.items():
        (folder / "group_vars" / f"{name}.yml").write_text(text)
    return write(folder, 'g: {hosts: {vc-1: {macs: ["52:54:00:00:00:01"]}}}\n')


def test_files_of_groups_are_read_and_what_is_for_playbooks_is_left_alone(tmp_path: Path) -> None:
    playbooks = (
        "mode: 0644\nname: x\nlist: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\ndocker_users: [a]\n? [a]\n: b\n"
    )
    folder = beside(
        tmp_path, g=f"profile: cube\nrack: B3\n{playbooks}", all="$ANSIBLE_VAULT;1.1;AES256\n61\n"
    )
    hosts, _ = inventory.read(folder, DRIVERS)
    assert (hosts[0].name, hosts[0].profile, hosts[0].rack) == ("vc-1", "cube", "B3")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("profile: cube\nrack: 0123\n", "group_vars/g.yml: line 2: 0123 is a number to YAML: 83"),
        ("profile: cube\nrack: !vault x\n", "group_vars/g.yml: line 2: vc-1: encrypted by ansible-vault"),
        ("- profile\n", "group_vars/g.yml: line 1: a mapping of variables is expected"),
        ("profile: cube\n\track: a\n", "group_vars/g.yml: line 2: not YAML: a tab"),
    ],
)
def test_a_fault_in_a_file_of_a_group_names_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.read(beside(tmp_path, g=text), DRIVERS)
    assert str(caught.value).startswith(sentence)


def test_a_file_as_other_systems_and_tools_write_it_is_taken(tmp_path: Path) -> None:
    lines = ["all:", "  hosts:", "    vc-1:", '      macs: ["52-54-00-00-00-01"]', "      profile: cube"]
    lines += [
        '      rack: !unsafe "B{{3}}"',
        "      ansible_password: !vault |",
        "        $ANSIBLE_VAULT;1.1;AES256",
    ]
    (tmp_path / "profiles.yml").write_text(PROFILES)
    (tmp_path / "hosts.yml").write_bytes(("\ufeff" + "\r\n".join([*lines, "        6131", ""])).encode())
    hosts, _ = inventory.read(tmp_path, DRIVERS)
    assert (hosts[0].macs, hosts[0].rack) == (("52:54:00:00:00:01",), "B{{3}}")


def test_a_truth_is_said_as_yaml_says_it(tmp_path: Path) -> None:
    bodies = ("bmc: {driver: redfish, verify: no}", "bmc: {driver: redfish, verify: off}")
    for body in bodies:
        hosts, _ = inventory.read(write(tmp_path, one(f"{MAC_AND_PROFILE}, {body}")), DRIVERS)
        assert hosts[0].bmc.verify is False


def test_two_hosts_cannot_share_a_mac_a_serial_or_a_bmc(tmp_path: Path) -> None:
    bmc = "bmc: {driver: ipmi, address: 10.0.0.9}"
    a = f'a: {{macs: ["52:54:00:00:00:01"], profile: cube, serial_number: S1, {bmc}}}'
    for b, what in (
        ('macs: ["52-54-00-00-00-01"]', "MAC"),
        ('macs: ["52:54:00:00:00:02"], serial_number: S1', "serial"),
        (f'macs: ["52:54:00:00:00:02"], {bmc}', "BMC address"),
    ):
        text = f"all:\n  hosts:\n    {a}\n    b: {{profile: cube, {b}}}\n"
        with pytest.raises(InventoryError, match=f"have the same {what}"):
            inventory.read(write(tmp_path, text), DRIVERS)


def test_a_missing_file_says_what_an_inventory_is(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"hosts\.yml") as caught:
        inventory.read(tmp_path, DRIVERS)
    assert "profiles.yml" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["AC:1F:6B:0A:42:10", "ac-1f-6b-0a-42-10", "ac1f.6b0a.4210", "AC1F6B0A4210", " ac:1f:6b:0a:42:10 "],
)
def test_a_mac_is_read_in_any_notation(text: str) -> None:
    assert parse_mac(text) == "ac:1f:6b:0a:42:10"


@pytest.mark.parametrize(
    "text", ["", "ac:1f:6b:0a:42", "ac:1f:6b:0a:42:1g", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]
)
def test_what_is_no_mac_is_refused_with_the_notations(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_mac(text)
    assert caught.value.code == 101 and caught.value.hint


def test_what_nvml_is_asked_is_read_from_the_profile(tmp_path: Path) -> None:
    gpu = '{id: "10de:2330", count: 8, memory_min: 80G, link_width: 16, ecc: true}'
    profile = f"cube: {{gpu_driver: 580, gpus: [{gpu}]}}\n"
    hosts = one('macs: ["52:54:00:00:00:01"], profile: cube')
    _, (cube,) = inventory.read(write(tmp_path, hosts, profile), DRIVERS)
    assert cube.gpu_driver == "580"
    assert (cube.gpus[0].memory_min, cube.gpus[0].link_width, cube.gpus[0].ecc) == (80 << 30, 16, True)


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ("gpu_driver: 580", "list the gpus that it drives"),
        ('gpu_driver: "580.95", gpus: [{id: "10de:2330"}]', "gpu_driver: is not of the form"),
        ('gpus: [{id: "10de:2330", ecc: true}]', "gpus: ecc of 10de:2330 needs gpu_driver"),
        (
            'gpus: [{id: "10de:2330", link_width: 16, mig: false, nvlinks: 18}]',
            "gpus: link_width, nvlinks and mig of 10de:2330 need gpu_driver",
        ),
        ("acceptance: {level: full}", "acceptance: level and limits are of GPUs, and need gpu_driver"),
        ("acceptance: {limits: {h2d_gbps: 20}}", "level and limits are of GPUs"),
        ('gpu_driver: 580, gpus: [{id: "10de:2330"}, {id: "10de:2330"}]', "an id is there twice"),
        ('gpu_driver: 580, gpus: [{id: "10de:2330", lanes: 16}]', "lanes: is not a known key"),
    ],
)
def test_a_profile_that_nvml_could_not_judge_is_refused(tmp_path: Path, profile: str, sentence: str) -> None:
    hosts = one('macs: ["52:54:00:00:00:01"], profile: cube')
    with pytest.raises(InventoryError, match=sentence):
        inventory.read(write(tmp_path, hosts, f"cube: {{{profile}}}\n"), DRIVERS)


REDFISH = 'macs: ["52:54:00:00:00:01"], profile: cube, bmc: {driver: redfish, address: 10.0.0.2'


def test_redfish_is_https_and_its_certificate_is_pinned_unless_said(tmp_path: Path) -> None:
    def bmc(more: str) -> Bmc:
        hosts, _ = inventory.read(write(tmp_path, one(f"{REDFISH}{more}}}")), DRIVERS)
        return inventory.make_host(hosts[0].model_dump(mode="json", exclude_unset=True), DRIVERS).bmc

    assert (bmc("").port, bmc("").verify, bmc("").fingerprint) == (443, True, "")
    assert bmc(", port: 8443").port == 8443
    assert not bmc(", verify: false").verify
    assert bmc(", fingerprint: " + ":".join(["AB"] * 32)).fingerprint == "ab" * 32
    with pytest.raises(InventoryError, match=r"bmc\.fingerprint: a fingerprint is a certificate's SHA-256"):
        bmc(", fingerprint: abcd")


def test_a_driver_that_nobody_registered_is_named_with_the_known_ones(tmp_path: Path) -> None:
    known = {name: DRIVERS[name] for name in ("ipmi", "manual", "redfish")}
    with pytest.raises(InventoryError) as caught:
        inventory.read(write(tmp_path, one(f"{REDFISH}}}".replace("redfish", "redfisch"))), known)
    assert (
        str(caught.value)
        == "hosts.yml: line 3: vc-1: bmc.driver: 'redfisch' is none of 'ipmi', 'manual' or 'redfish'"
    )
    assert caught.value.code == 110 and caught.value.hint == "one of: ipmi, manual, redfish"


def test_a_console_is_none_or_that_of_a_driver_which_has_one(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.read(write(tmp_path, one(f"{REDFISH}, console: redfish}}")), DRIVERS)
    assert (
        str(caught.value) == "hosts.yml: line 3: vc-1: bmc.console: 'redfish' is none of '', 'ipmi' or 'none'"
    )


def test_a_host_that_a_person_powers_has_no_port(tmp_path: Path) -> None:
    hosts, _ = inventory.read(write(tmp_path, one('macs: ["52:54:00:00:00:01"], profile: cube')), DRIVERS)
    assert (hosts[0].bmc.driver, hosts[0].bmc.port) == ("manual", None)


def test_a_system_is_named_only_where_its_bmc_can_have_several() -> None:
    body = {"name": "vc-1", "macs": ["52:54:00:00:00:01"], "profile": "cube"}
    named = {"driver": "redfish", "address": "10.0.0.9", "system": "Node2"}
    assert inventory.make_host(body | {"bmc": named}, DRIVERS).bmc.system == "Node2"
    with pytest.raises(InventoryError, match="by ipmi has one system, not 'Node2'") as caught:
        inventory.make_host(body | {"bmc": named | {"driver": "ipmi"}}, DRIVERS)
    assert caught.value.hint == "leave it out; drivers that know several: redfish"
    with pytest.raises(InventoryError, match=r"bmc\.system"):
        inventory.make_host(body | {"bmc": named | {"system": "a b"}}, DRIVERS)
