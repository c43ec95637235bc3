"""An inventory that is applied by what it changes: shown, asked for, all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provisioner.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.wire.conftest import World

HOSTS = """all:
  vars: {profile: cube}
  hosts:
    vc-1: {macs: ["52:54:00:88:00:01"], rack: B3, bmc: {driver: ipmi, address: 10.77.9.1, secret: lab}}
    vc-2: {macs: ["52:54:00:88:00:02"]}
"""


@pytest.fixture
def own(seeking: World) -> Iterator[World]:
    """A service whose whole inventory is this test's."""
    for host in seeking.client.hosts():
        seeking.client.lock(host.name, locked=False)
    known = [host.name for host in seeking.client.hosts()]
    profiles = [profile.name for profile in seeking.client.profiles()]
    seeking.client.apply([], [], remove_hosts=known, remove_profiles=profiles)
    yield seeking


@pytest.fixture
def folder(own: World, tmp_path: Path) -> Path:
    """HOSTS, which are known already, and what else is known: vc-3 and a profile."""
    (tmp_path / "profiles.yml").write_text("cube: {image: vault-os}\n")
    (tmp_path / "hosts.yml").write_text(HOSTS)
    own.apply([], [{"name": "cube", "image": "vault-os"}, {"name": "old", "image": "vault-os"}])
    own.apply([{"name": "vc-3", "macs": ["52:54:00:88:00:03"], "profile": "old"}], [])
    said = own.provision("host", "apply", tmp_path)
    assert said.code == 0, said.err
    return tmp_path


def names(world: World, noun: str) -> list[str]:
    return world.provision(noun, "list", "-o", "name").out.split()


def test_what_stays_as_it_is_is_not_shown(own: World, folder: Path) -> None:
    said = own.provision("host", "apply", folder, "--dry-run")
    assert (said.code, said.out) == (0, ""), said.err
    assert own.provision("host", "apply", folder, "-o", "json").json["changes"] == []
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"], "nothing goes unless it is asked for"


def test_each_change_is_shown_and_a_dry_run_makes_none(own: World, folder: Path) -> None:
    text = (
        HOSTS.replace("B3", "C4").replace("10.77.9.1", "10.77.9.2")
        + '    vc-4: {macs: ["52:54:00:88:00:04"]}\n'
    )
    (folder / "hosts.yml").write_text(text)
    said = own.provision("host", "apply", folder, "--dry-run", "--prune")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "~ vc-1",
        '    bmc.address: "10.77.9.1" → "10.77.9.2"',
        '    rack: "B3" → "C4"',
        "- vc-3  52:54:00:88:00:03",
        "+ vc-4",
        "- profile old",
    ]
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"] and own.client.host("vc-1").host.rack == "B3"
    data = own.provision("host", "apply", folder, "--dry-run", "-o", "json").json
    assert data["schema_version"] and [change["name"] for change in data["changes"]] == ["vc-1", "vc-4"]
    assert data["changes"][0]["fields"][1] == {"field": "rack", "before": "B3", "after": "C4"}


def test_pruning_asks_for_the_number_and_does_all_at_once(own: World, folder: Path) -> None:
    said = own.provision("host", "apply", folder, "--prune")
    assert said.code == 6 and "(PV-133)" in said.err and "removes vc-3, old" in said.err, said.err
    with own.terminal("host", "apply", str(folder), "--prune") as terminal:
        terminal.await_text("- profile old")
        terminal.await_text("Type 2 to remove 2 of them")
        terminal.type("3\r")
        assert terminal.end() == 6
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"]
    with own.terminal("host", "apply", str(folder), "--prune") as terminal:
        terminal.await_text("Type 2 to remove 2 of them")
        terminal.type("2\r")
        terminal.await_text("2 are removed")
        assert terminal.end() == 0
    assert names(own, "host") == ["vc-1", "vc-2"] and names(own, "profile") == ["cube"]


def test_nothing_is_changed_where_one_of_them_must_stay(own: World, folder: Path) -> None:
    (folder / "hosts.yml").write_text(HOSTS.replace("B3", "D5"))
    with own.site.database.writing() as db:  # one that nobody can read, and so may be under way
        db.table("deployments").insert({"id": "d-LOST", "host": "vc-3", "stage": "writing", "host_keys": "{"})
    said = own.provision("host", "apply", folder, "--prune", "--yes")
    assert said.code != 0 and "(PV-612)" in said.err, said.err
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"] and own.client.host("vc-1").host.rack == "B3"
    with own.site.database.writing() as db:
        db.execute("DELETE FROM deployments WHERE id = 'd-LOST'")


def test_a_host_that_was_renamed_in_the_file_is_noticed(own: World, folder: Path) -> None:
    (folder / "hosts.yml").write_text(HOSTS.replace("vc-2:", "vc-7:"))
    said = own.provision("host", "apply", folder, "--prune", "--dry-run")
    assert "provision host rename vc-2 vc-7 keeps its history" in said.err, said.err
    before = own.client.host("vc-2").host.address
    assert own.provision("host", "rename", "vc-2", "vc-7").code == 0
    assert own.provision("host", "apply", folder).code == 0
    assert own.client.host("vc-7").host.address == before


def test_a_table_is_imported_whole_or_not_at_all(own: World, folder: Path) -> None:
    table = folder / "rack.csv"
    table.write_text("\ufeffName;MAC;Rack\r\nvc-2;52:54:00:88:00:02;D1\r\nvc-9;52:54:00:88:00:09;D1\r\n")
    said = own.provision("host", "import", table, "--profile", "cube", "--dry-run")
    assert said.code == 0, said.err
    assert said.out.splitlines() == ["~ vc-2", '    rack: "D1"', "+ vc-9"]
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"]
    table.write_text("name,mac\nvc-9,52:54:00:88:00:01\nvc-10,x\n")
    said = own.provision("host", "import", table, "--profile", "cube")
    assert said.code == 2 and said.err.count("(PV-110)") == 2 and "rack.csv: line 3: vc-10" in said.err, (
        said.err
    )
    assert "vc-9 and vc-1 have the same MAC" in said.err and names(own, "host") == ["vc-1", "vc-2", "vc-3"]
    table.write_text("name,mac,rack\nvc-2,52:54:00:88:00:02,D1\nvc-9,52:54:00:88:00:09,D1\n")
    assert own.provision("host", "import", table, "--profile", "cube").code == 0
    assert (
        names(own, "host") == ["vc-1", "vc-2", "vc-3", "vc-9"] and own.client.host("vc-2").host.rack == "D1"
    )


def test_a_profile_whose_image_is_not_there_yet_is_taken_and_said(own: World, tmp_path: Path) -> None:
    (tmp_path / "profiles.yml").write_text(
        "cube: {image: vault-os@9}\n"
        "dense: {image: other, method: autoinstall, autoinstall: {flavour: stream, iso: ubuntu}}\n"
        "plain: {}\n"
    )
    (tmp_path / "hosts.yml").write_text(HOSTS)
    for more in (("--dry-run",), ()):
        said = own.provision("host", "apply", tmp_path, *more)
        assert said.code == 0, said.err
        for name, image in (("cube", "vault-os@9"), ("dense", "other"), ("dense", "ubuntu")):
            assert f"profile {name}: no image is called {image!r} yet" in said.err
        assert said.err.count("(PV-125)") == 3 and "provision image add" in said.err
    table = tmp_path / "hosts.csv"
    table.write_text("name,mac,profile\nvc-8,52:54:00:88:00:08,cube\n")
    said = own.provision("host", "import", table)
    assert said.code == 0 and "no image is called 'vault-os@9' yet" in said.err, said.err
    refused = own.provision("deploy", "vc-1", "--yes")
    assert refused.code == 2 and "(PV-125)" in refused.err and "provision image add" in refused.err
    many = own.provision("deploy", "--all", "--dry-run", "--no-preflight")
    assert many.code == 6 and many.out.count("left out: ") == 2 and "→ " in many.out, many
    assert "left out: vc-2, vc-8\n" in many.out, "what both have alike is said once"


def test_a_table_changes_only_what_its_columns_say(own: World, folder: Path) -> None:
    disk = {"serial": "FIRST"}
    bmc = {"driver": "redfish", "address": "10.77.9.8", "secret": "lab"}
    host = {"name": "vc-2", "macs": ["52:54:00:88:00:02"], "profile": "old", "serial": "S-2"}
    own.apply([{**host, "disk": disk, "bmc": bmc}], [])
    before = own.client.host("vc-2").host
    table = folder / "rack.csv"
    table.write_text("name,mac,rack,bmc_address\nvc-2,52:54:00:88:00:02,D1,10.77.9.9\n")
    said = own.provision("host", "import", table)
    assert said.code == 0, said.err
    assert said.out.splitlines() == ["~ vc-2", '    bmc.address: "10.77.9.8" → "10.77.9.9"', '    rack: "D1"']
    after = own.client.host("vc-2").host
    assert (after.disk, after.profile, after.serial) == (before.disk, "old", "S-2")
    assert (after.bmc.driver, after.bmc.port, after.bmc.secret) == ("redfish", 443, "lab")
    table.write_text("name,mac\n")
    said = own.provision("host", "import", table)
    assert said.code == 2 and "(PV-110)" in said.err, said.err


def test_an_empty_inventory_forgets_nobody(own: World, folder: Path) -> None:
    (folder / "hosts.yml").write_text("")
    said = own.provision("host", "apply", folder, "--prune", "--yes")
    assert said.code == 2 and "(PV-110)" in said.err and "--prune" in said.err, said.err
    (folder / "profiles.yml").write_text("")
    for more in ((), ("--prune", "--yes"), ("--dry-run",)):
        said = own.provision("host", "apply", folder, *more)
        assert said.code == 2 and "neither a host nor a profile" in said.err, said.err
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"]


def test_a_diff_that_is_taller_than_the_terminal_is_shown_by_the_pager(own: World, folder: Path) -> None:
    more = [
        {
            "name": f"vc-{number}",
            "macs": [f"52:54:00:88:01:{number}"],
            "profile": "cube",
            "serial": f"S{number}",
        }
        for number in range(20, 60)
    ]
    own.apply(more, [])
    (folder / "pager").write_text("#!/bin/sh\necho PAGED; cat; echo END\n")
    (folder / "pager").chmod(0o755)
    env = {"PAGER": str(folder / "pager"), "LINES": "24", "COLUMNS": "80"}
    with own.terminal("host", "apply", str(folder), "--prune", env=env) as terminal:
        terminal.await_text("PAGED")
        terminal.await_text("- vc-59  52:54:00:88:01:59, serial S59")
        terminal.await_text("END")
        terminal.await_text("42 removed")
        terminal.await_text("Type 42 to remove 42 of them")
        terminal.type("0\r")
        assert terminal.end() == 6
    said = own.provision("host", "apply", folder, "--prune")
    assert said.code == 6 and "vc-29 and 32 more" in " ".join(said.err.split()), said.err
    assert len(names(own, "host")) == 43


def test_all_that_stands_in_the_way_is_told_at_once(own: World, folder: Path) -> None:
    for name in ("vc-2", "vc-3"):
        own.client.lock(name, locked=True)
    (folder / "hosts.yml").write_text(HOSTS.split("    vc-2", maxsplit=1)[0])
    for more in (("--yes",), ("--dry-run",)):
        said = own.provision("host", "apply", folder, "--prune", *more)
        assert said.code == 6 and said.err.count("(PV-131)") == 2, said.err
        assert "vc-2 is locked" in said.err and "vc-3 is locked" in said.err
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"]


def test_a_lock_that_the_file_takes_back_stays_and_that_is_said(own: World, folder: Path) -> None:
    own.client.lock("vc-1", locked=True)
    (folder / "hosts.yml").write_text(HOSTS.replace("rack: B3", "rack: B3, locked: false"))
    for more in (("--dry-run",), (), ("-o", "json")):
        said = own.provision("host", "apply", folder, *more)
        assert said.code == 0 and "vc-1 is locked and stays so" in said.err, said.err
        assert "provision host unlock vc-1" in said.err
    assert own.client.host("vc-1").host.locked
    own.client.lock("vc-1", locked=False)
    assert "stays so" not in own.provision("host", "apply", folder).err


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("0.0.0.0", 110, "hosts.yml: line 4: vc-1: bmc.address: 0.0.0.0 is no machine's address"),
        ("255.255.255.255", 110, "is no machine's address"),
        ("239.1.2.3", 110, "groups (multicast)"),
        ("10.77.0.1", 111, "vc-1: bmc.address: 10.77.0.1 is the service's own"),
        ("10.77.0.70", 111, "vc-1: bmc.address: 10.77.0.70 lies in dhcp.hosts"),
    ],
)
def test_an_address_that_no_bmc_has_is_refused_however_it_is_given(
    own: World, folder: Path, address: str, code: int, words: str
) -> None:
    (folder / "hosts.yml").write_text(HOSTS.replace("10.77.9.1", address))
    new = ("host", "add", "vc-9", "--mac", "52:54:00:88:00:09", "--profile", "cube")
    for said in (
        own.provision("host", "apply", folder, "--dry-run"),
        own.provision("host", "edit", "vc-1", "--bmc", address),
        own.provision(*new, "--bmc", address),
    ):
        assert said.code == 2 and f"(PV-{code})" in said.err and address in said.err, said.err
    assert words in own.provision("host", "apply", folder).err
    assert str(own.client.host("vc-1").host.bmc.address) == "10.77.9.1"
    assert names(own, "host") == ["vc-1", "vc-2", "vc-3"]


def test_what_is_told_about_a_simulated_bmc_stops_nobody(own: World, folder: Path) -> None:
    (folder / "hosts.yml").write_text(HOSTS.replace("10.77.9.1", "127.0.0.1"))
    said = own.provision("host", "apply", folder)
    assert said.code == 0 and "the BMC of vc-1 is looked for on this machine itself" in said.err, said.err


def test_an_edit_made_of_what_was_known_before_is_refused(own: World, folder: Path) -> None:
    before = own.client.host("vc-2").host
    assert own.provision("host", "edit", "vc-2", "--serial", "SN-2").code == 0
    late = before.as_host().model_copy(update={"rack": "D7"})
    with pytest.raises(RefusedError, match="serial of vc-2 was changed") as caught:
        own.client.apply([late], [], shown=[before])
    assert caught.value.code == 146
    assert own.provision("host", "edit", "vc-2", "--rack", "D7").code == 0
    known = own.client.host("vc-2").host
    assert (known.serial, known.rack) == ("SN-2", "D7")
