"""What is taken away at the command line: shown, asked for by a word, refused while something needs it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.wire.conftest import make_pack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire.conftest import CommandResult, Puppet, World

KEY_C = "\x03"


def refused(said: CommandResult, code: int, number: int, *words: str) -> None:
    assert (said.code, said.out) == (code, ""), said.err
    assert f"(PV-{number})" in said.err
    for word in words:
        assert word in said.err


def names(world: World, noun: str) -> list[str]:
    return world.provision(noun, "list", "-o", "name").out.split()


def test_a_host_is_removed_by_its_name_and_comes_back_as_it_says(world: World) -> None:
    host = world.add_host(serial="SN-77")
    refused(world.provision("host", "remove", "SN-77"), 6, 133, f"removes the host {host.name}", "--yes")
    assert host.name in names(world, "host")
    said = world.provision("host", "remove", "SN-77", "--yes")
    assert said.code == 0, said.err
    assert f"provision host history {host.name} -o json" in said.err and "host add" not in said.err
    assert host.name not in names(world, "host")
    refused(world.provision("host", "show", host.name), 2, 121)
    assert world.provision("host", "add", host.name, "--mac", host.mac, "--profile", "cube").code == 0
    shown = world.provision("host", "show", host.name, "-o", "json").json
    events = shown["events"]
    assert [event["kind"] for event in events] == ["host.changed", "host.removed", "host.changed"]
    assert events[1]["data"]["host"]["serial"] == "SN-77"


@pytest.mark.parametrize(("typed", "code"), [("yes\r", 6), ("\r", 6), (KEY_C, 130)])
def test_only_its_name_removes_it(world: World, puppet: Puppet, typed: str, code: int) -> None:
    with world.terminal("host", "remove", puppet.name) as terminal:
        terminal.await_text(f"Type {puppet.name} to remove it")
        terminal.type(typed)
        if typed == "\r":
            terminal.type("no\r")  # an empty line asks again
        assert terminal.end() == code
        terminal.await_text("nothing was changed")
    assert puppet.name in names(world, "host")


def test_its_name_removes_it(world: World) -> None:
    host = world.add_host()
    with world.terminal("host", "remove", host.name) as terminal:
        terminal.await_text(host.mac)
        terminal.await_text(f"Type {host.name} to remove it")
        terminal.type(f"{host.name}\r")
        assert terminal.end() == 0
    assert host.name not in names(world, "host")


def test_a_host_that_is_deployed_stays_as_it_is_called(world: World, puppet: Puppet) -> None:
    puppet.arm()
    refused(world.provision("host", "remove", puppet.name, "--yes"), 6, 132, "provision cancel")
    refused(world.provision("host", "rename", puppet.name, "other"), 6, 132, "cannot be renamed")


def test_a_host_is_renamed_with_its_address(world: World) -> None:
    host, other = world.add_host(), world.add_host()
    refused(world.provision("host", "rename", host.name, other.name), 6, 144, "another host is called")
    said = world.provision("host", "rename", host.name, "Rack 7")
    assert said.code == 2 and "name" in said.err, said.err
    assert world.provision("host", "rename", host.mac, f"{host.name}-b").code == 0
    shown = world.provision("host", "show", f"{host.name}-b", "-o", "json").json
    assert (shown["host"]["macs"], shown["host"]["address"]) == ([host.mac], host.address)
    assert shown["events"][0]["data"]["before"] == host.name
    refused(world.provision("host", "show", host.name), 2, 121)
    renamed = replace(host, name=f"{host.name}-b")
    ident = renamed.arm()
    assert renamed.hello().status == 200
    assert renamed.order["former_names"] == [host.name], "the system on its disk still says so"
    world.client.cancel(ident)


def test_a_profile_goes_when_no_host_has_it(world: World) -> None:
    world.apply([], [{"name": "spare", "image": "vault-os"}])
    host = world.add_host(profile="spare")
    refused(world.provision("profile", "remove", "spare", "--yes"), 6, 144, f"needed by {host.name}")
    world.client.remove_host(host.name)
    refused(world.provision("profile", "remove", "spare"), 6, 133)
    assert world.provision("profile", "remove", "spare", "--yes").code == 0
    assert "spare" not in names(world, "profile")
    refused(world.provision("profile", "remove", "spare", "--yes"), 2, 122)


def test_an_image_goes_with_its_files_when_nothing_needs_it(world: World) -> None:
    pack = make_pack(world.folder, name="spare-os", version="3")
    assert world.provision("image", "add", pack).code == 0
    world.apply([], [{"name": "spare", "image": "spare-os@3"}])
    refused(world.provision("image", "remove", "spare-os", "--yes"), 6, 144, "needed by the profile spare")
    assert world.provision("profile", "remove", "spare", "--yes").code == 0
    refused(world.provision("image", "remove", "spare-os"), 6, 133, "removes spare-os@3")
    folder = world.state / "images" / "spare-os-3"
    assert folder.is_dir()
    said = world.provision("image", "remove", "spare-os", "--yes")
    assert said.code == 0 and "spare-os@3 is removed" in said.err and "are free now" in said.err
    assert not folder.exists() and "spare-os@3" not in names(world, "image")
    refused(world.provision("image", "remove", "spare-os", "--yes"), 2, 125)
    assert "nothing to remove" in world.provision("image", "gc").err


def test_a_login_is_listed_without_itself_and_goes_when_no_host_needs_it(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("pw-7-secret\n")
    for name, words in (
        ("login-a", ("put", "login-a")),
        ("login-b", ("login-b",)),
        ("list", ("put", "list")),
    ):
        given = ("--user", "root-7", "--password-file", tmp_path / "password")
        said = world.provision("bmc", "secret", *words, *given, "-o", "json")
        assert said.code == 0 and said.json["secret"]["secret"] == name, said.err
        assert (said.json["secret"]["replaced"], said.json["secret"]["hosts"]) == (False, [])
    host = world.add_host(bmc={"driver": "ipmi", "address": "10.77.3.9", "secret": "login-a"})
    given = ("login-a", "--user", "root-8", "--password-file", tmp_path / "password")
    said = world.provision("bmc", "secret", *given)
    words = f"the login login-a is replaced by this one; it is for the BMC of {host.name}"
    assert said.code == 0 and words in said.err, said.err
    answer = world.provision("bmc", "secret", "put", *given, "-o", "json").json["secret"]
    assert (answer["replaced"], answer["hosts"]) == (True, [host.name])
    said = world.provision("bmc", "secret", "list", "-o", "json")
    kept = {login["secret"]: login["hosts"] for login in said.json["secrets"]}
    assert kept["login-a"] == [host.name] and kept["login-b"] == [] and "list" in kept
    assert "pw-7-secret" not in json.dumps(said.json) and "root-7" not in said.out
    assert host.name in world.provision("bmc", "secret", "list").out
    refused(world.provision("bmc", "secret", "remove", "login-a", "--yes"), 6, 144, f"needed by {host.name}")
    for name in ("login-b", "list"):
        said = world.provision("bmc", "secret", "remove", name, "--yes", "-o", "json")
        assert said.code == 0 and said.json["secret"]["secret"] == name, said.err
    refused(world.provision("bmc", "secret", "remove", "login-b", "--yes"), 2, 120, "bmc secret list")
    assert "login-b" not in world.provision("bmc", "secret", "list", "-o", "name").out


def test_a_key_is_trusted_no_more(world: World, tmp_path: Path) -> None:
    made = world.provision("image", "keygen", "passing", "--dir", tmp_path)
    assert made.code == 0, made.err
    key = {"name": "passing", "file": str(world.state / "keys" / "passing.pub")}
    said = world.provision("image", "trust", tmp_path / "passing.pub", "-o", "json")
    assert (said.code, said.json) == (0, {"schema_version": 1, "key": {**key, "trusted": True}}), said.err
    refused(world.provision("image", "untrust", "passing"), 6, 133)
    refused(world.provision("image", "untrust", "unheard", "--yes"), 2, 120, "trusted keys:", "passing")
    refused(world.provision("image", "untrust", "../keys/passing", "--yes"), 2, 120)
    said = world.provision("image", "untrust", "passing.pub", "--yes", "-o", "json")
    assert (said.code, said.json) == (0, {"schema_version": 1, "key": {**key, "trusted": False}}), said.err
    assert (
        not (world.state / "keys" / "passing.pub").exists()
        and (world.state / "keys" / "release.pub").exists()
    )


def test_a_host_is_edited_by_what_is_given_and_nothing_else(world: World) -> None:
    host = world.add_host(rack="B3", serial="ED-1")
    said = world.provision("host", "edit", host.name, "--rack", "C4", "--bmc", "10.77.8.8", "--dry-run")
    assert said.code == 0 and said.out.splitlines()[0] == f"~ {host.name}", said.err
    assert '    rack: "B3" → "C4"' in said.out and world.client.host(host.name).host.rack == "B3"
    said = world.provision("host", "edit", "ED-1", "--rack", "C4", "--bmc", "10.77.8.8", "--secret", "lab")
    assert said.code == 0, said.err
    known = world.client.host(host.name).host
    assert (known.rack, known.serial, known.macs) == ("C4", "ED-1", (host.mac,))
    assert (known.bmc.driver, str(known.bmc.address), known.bmc.port) == ("ipmi", "10.77.8.8", 623)
    assert world.provision("host", "edit", host.name, "--bmc-driver", "redfish").code == 0
    known = world.client.host(host.name).host
    assert (known.bmc.driver, known.bmc.port, known.bmc.secret) == ("redfish", 443, "lab")
    assert world.provision("host", "edit", host.name, "--bmc", "", "--serial", "").code == 0
    known = world.client.host(host.name).host
    assert (known.bmc.driver, known.serial, known.rack) == ("manual", "", "C4")
    said = world.provision("host", "edit", host.name, "--rack", "C4")
    assert said.code == 0 and "nothing was changed" in said.err
    refused(world.provision("host", "edit", host.name, "--profile", "nope"), 2, 110, "unknown profile 'nope'")
    refused(world.provision("host", "edit", host.name, "--mac", "zz"), 2, 110, "zz")


def test_its_history_has_every_change_and_order_and_who_it_was(world: World) -> None:
    host = world.add_host()
    world.provision("host", "edit", host.name, "--rack", "D1")
    ident = host.arm()
    world.client.cancel(ident)
    said = world.provision("host", "history", host.mac, "-o", "json").json["history"]
    assert [entry["event"]["kind"] for entry in said] == ["order.armed", "host.changed", "host.changed"]
    assert said[0]["outcome"].startswith("cancelled") and said[0]["event"]["deployment"] == ident
    assert said[1]["event"]["data"]["fields"] == [{"field": "rack", "before": None, "after": "D1"}]
    shown = world.provision("host", "history", host.name).out
    assert "rack nothing → D1" in shown and ident in shown
    assert len(world.provision("host", "history", host.name, "--limit", "1", "-o", "name").out.split()) == 1
    assert world.provision("host", "remove", host.name, "--yes").code == 0
    said = world.provision("host", "history", host.name, "-o", "json").json["history"]
    assert said[0]["event"]["kind"] == "host.removed" and len(said) == 4, "of one that is no more, too"
    refused(world.provision("host", "history", "never-heard-of"), 2, 121)


def test_a_board_is_moved_to_another_name(world: World) -> None:
    source, target = world.add_host(serial="MB-1"), world.add_host(rack="R9")
    refused(
        world.provision("host", "move", source.name, target.name), 6, 133, f"removes the host {source.name}"
    )
    said = world.provision("host", "move", source.name, target.name, "--yes")
    assert said.code == 0 and f"{target.name} is {source.mac} now" in said.err, said.err
    known = world.client.host("MB-1").host
    assert (known.name, known.rack, known.macs) == (target.name, "R9", (source.mac,))
    refused(world.provision("host", "show", source.name), 2, 121)


def test_what_cannot_be_removed_is_refused_before_anybody_is_asked(world: World, puppet: Puppet) -> None:
    for words, code, number in (
        (("profile", "remove", "nosuch"), 2, 122),
        (("profile", "remove", "cube"), 6, 144),
        (("image", "remove", "nosuch"), 2, 125),
        (("bmc", "secret", "remove", "nosuch"), 2, 120),
        (("host", "remove", "nosuch"), 2, 121),
    ):
        refused(world.provision(*words), code, number)
    assert world.provision("host", "lock", puppet.name).code == 0
    refused(world.provision("host", "remove", puppet.name), 6, 131, f"host unlock {puppet.name}")
    said = world.provision("host", "history", puppet.name).out
    assert "locked by" in said
    assert world.provision("host", "unlock", puppet.name).code == 0


def test_a_host_that_is_known_is_not_added_anew(world: World) -> None:
    host = world.add_host(serial="KN-1", rack="B4")
    again = ("host", "add", host.name, "--mac", "52:54:00:77:09:99", "--profile", "cube")
    refused(world.provision(*again), 2, 110, f"provision host edit {host.name}")
    known = world.client.host(host.name).host
    assert (known.macs, known.serial, known.rack) == ((host.mac,), "KN-1", "B4")


def test_a_former_name_leads_to_the_new_one(world: World) -> None:
    host = world.add_host()
    assert world.provision("host", "rename", host.name, f"{host.name}-n").code == 0
    refused(world.provision("host", "history", host.name), 2, 121, f"host history {host.name}-n")
    said = world.provision("host", "rename", f"{host.name}-n", f"{host.name}-n")
    assert said.code == 0 and "already" in said.err, said.err
