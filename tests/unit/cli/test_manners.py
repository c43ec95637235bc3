"""What every command does alike: options anywhere on the line, words corrected, errors as data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from provisioner import client as client_module
from provisioner.cli import provision, run
from provisioner.cli.completion import SHELLS
from provisioner.cli.lazy import COMPLETING
from provisioner.cli.options import wants_data


class Reached(Exception):
    """A command has asked for its service."""


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """With what a client was made; nobody is asked."""
    made: list[dict[str, Any]] = []

    def make(**how: Any) -> None:
        made.append(how)
        raise Reached

    monkeypatch.setattr(client_module, "Client", make)
    monkeypatch.delenv("PROVISION_STATE", raising=False)
    monkeypatch.delenv("PROVISION_SERVER", raising=False)
    return made


def typed(*words: str) -> None:
    with pytest.raises(Reached):
        provision.main(list(words), prog_name="provision", standalone_mode=False)


@pytest.mark.parametrize(
    "words",
    [
        ("--state", "/a", "host", "list"),
        ("host", "--state", "/a", "list"),
        ("host", "list", "--state", "/a"),
        ("--state", "/b", "host", "list", "--state", "/a"),
        ("--state", "/b", "host", "--state", "/a", "list"),
        ("--state=/a", "status"),
        ("--state", "/a", "image", "list"),
        ("image", "--state", "/a", "verify", "vault-os@1"),
        ("bmc", "--state", "/a", "test", "vc-1"),
    ],
    ids=" ".join,
)
def test_the_state_folder_may_stand_anywhere(reached: list[dict[str, Any]], words: tuple[str, ...]) -> None:
    typed(*words)
    assert reached == [{"socket": Path("/a/api.sock")}]


def leaves(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name), command


LEAVES = list(leaves(provision))


@pytest.mark.parametrize("words", [words for words, _ in LEAVES], ids=" ".join)
@pytest.mark.parametrize("option", ["--server", "--state"])
def test_every_command_takes_the_options_of_the_service_wherever_they_stand(
    words: tuple[str, ...], option: str
) -> None:
    """Before, between and behind its words."""
    value = "https://10.0.0.1" if option == "--server" else "/a"
    for place in range(len(words) + 1):
        assert run([*words[:place], option, value, *words[place:], "--help"]) == 0


# `bmc secret NAME` is a login's name, whatever it is
MISTYPED = [
    (words, typo)
    for words, _ in LEAVES
    for typo in (words[-1][1:], words[-1] + "x")
    if words[:2] != ("bmc", "secret")
]


@pytest.mark.parametrize(("words", "typo"), MISTYPED, ids=str)
def test_every_mistyped_command_is_named_with_what_is_like_it(
    words: tuple[str, ...], typo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {each[-1] for each, _ in LEAVES if each[:-1] == words[:-1]} | {"bmc", "net", "host", "image"}
    if typo in others or len(typo) < 3:
        typo = words[-1] + "xx"
    assert run([*words[:-1], typo]) == 2
    err = capsys.readouterr().err
    assert "Did you mean" in err and f"'{words[-1]}'" in err, err


def test_what_was_typed_is_above_the_environment(
    reached: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVISION_STATE", "/environment")
    typed("status")
    typed("--state", "/line", "status")
    assert [made["socket"].parent for made in reached] == [Path("/environment"), Path("/line")]


@pytest.mark.parametrize("place", range(3))
def test_the_server_may_stand_anywhere(reached: list[dict[str, Any]], place: int) -> None:
    words = ["net", "watch"]
    words[place:place] = ["--server", "https://10.0.0.1"]
    typed(*words)
    assert reached[0]["server"] == "https://10.0.0.1"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["depoly"], "deploy"),
        (["stauts"], "status"),
        (["host", "lst"], "list"),
        (["image", "kegen"], "keygen"),
        (["bmc", "powr"], "power"),
        (["--state", "/a", "prfile"], "profile"),
        (["bmc", "secret", "lst"], "list"),
        (["bmc", "secret", "remve", "lab"], "remove"),
    ],
)
def test_a_mistyped_word_is_corrected(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lst", "puts", "lab"])
def test_a_logins_name_with_a_user_is_no_mistyped_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[tuple[str, ...]] = []

    class Service:
        def __init__(self, **_: object) -> None:
            pass

        def put_secret(self, *words: str) -> None:
            put.append(words)
            raise Reached

    monkeypatch.setattr(client_module, "Client", Service)
    monkeypatch.setenv("PROVISION_BMC_PASSWORD", "pw")
    typed("bmc", "secret", name, "--user", "admin")
    assert put == [(name, "admin", "pw", "")]


def test_nothing_is_guessed_of_what_is_like_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zzzzzz"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "number", "part"),
    [
        (["status", "-o", "json", "--state", "/nowhere"], 5, 620, "no service answers"),
        (["-o", "json"], 2, 105, "No such option"),
        (["depoly", "-o", "json"], 2, 105, "Did you mean 'deploy'?"),
        (["host", "show", "-ojson"], 2, 105, "Missing argument"),
        (["host", "list", "--output=yaml", "--server", "ftp://x"], 2, 102, "is not a server's URL"),
    ],
)
def test_with_data_errors_are_data(
    words: list[str], code: int, number: int, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == code
    said = capsys.readouterr()
    assert said.out == ""
    document = json.loads(said.err.splitlines()[-1])
    assert document["schema_version"] == 1
    error = document["error"]
    assert (error["code"], error["exit"]) == (number, code)
    assert part in error["message"] and error["hint"]


@pytest.mark.parametrize(
    "words", [["-o", "table"], ["-o", "name"], ["-o"], ["json"], ["-o", "x", "json"], []]
)
def test_without_data_errors_are_sentences(words: list[str]) -> None:
    assert not wants_data(words)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{COMPLETING}={shell}_complete" in script and "\\x" not in script


def completions(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], line: str
) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv(COMPLETING, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["provision", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit):
        provision.main(prog_name="provision")
    out = capsysbinary.readouterr().out.decode().split()
    return [item.partition(",")[2] for item in out]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("expl", ["explain"]),
        ("bmc po", ["power"]),
        ("bmc power x o", ["on", "off"]),
        ("host list --sta", ["--state"]),
        ("completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_commands_options_and_choices_are_completed(
    line: str, found: list[str], monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert completions(monkeypatch, capsysbinary, line) == found


@pytest.mark.parametrize("where", ["--state /nowhere", "--server https://127.0.0.1:1", "--server ftp://x"])
def test_where_the_service_does_not_answer_nothing_is_offered_or_said(
    where: str, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert completions(monkeypatch, capsysbinary, f"host {where} show vc") == []
    assert capsysbinary.readouterr().err == b""


def test_every_group_takes_the_options_of_the_service() -> None:
    context = click.Context(provision, info_name="provision")
    for name in provision.list_commands(context):
        command = provision.get_command(context, name)
        if isinstance(command, click.Group):
            assert {"--state", "--server"} <= {word for option in command.params for word in option.opts}


def test_a_list_is_asked_for_by_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Service:
        def __init__(self, **_: object) -> None:
            pass

        def deployment_list(self, query: object) -> None:
            asked.append(query)
            raise Reached

    monkeypatch.setattr(client_module, "Client", Service)
    typed("status")
    typed("status", "--select", "rack=B3", "--since", "2026-11-29T08:00:00Z", "--limit", "5")
    assert asked[0] is None
    assert asked[1].model_dump() == {"select": "rack=B3", "since": 1795939200.0, "limit": 5}


def test_an_interface_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["net", "check", "--interface", "nope", "--state", "/nowhere"]) == 2
    said = capsys.readouterr().err
    assert "there is no interface nope; this machine has lo" in said and "(PV-605)" in said


def test_a_list_and_one_host_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "vc-1", "--limit", "5"]) == 2
    assert "not for one HOST" in capsys.readouterr().err
