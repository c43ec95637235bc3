"""Which commands answer as data, and that those that do not have a reason."""

import json

import click
import pytest

from provisioner.cli import run
from provisioner.explanations.codes import CODES
from tests.unit.programs.print_reference import commands

FILES = "what it makes are files, and its exit code says whether they are there"
LIVE = "it follows what happens, line by line; provision status has the data"
# command → why it has no -o json
WITHOUT_DATA = {
    "watch": LIVE,
    "bmc console": "it gives the bytes of a console",
    "audit export": "what it prints is JSON Lines",
    "certificate export": FILES,
    "certificate get": FILES,
    "certificate keygen": FILES,
    "serve": "it is the service",
    "completion": "it prints a script",
    "image keygen": FILES,
    "image build": FILES,
    "image pack": FILES,
    "image convert": FILES,
    "image write": FILES,
    "mirror lock": FILES,
    "mirror keygen": FILES,
    "mirror make": FILES,
    "mirror airgap": "it runs another program",
    "ramdisk build": FILES,
    "rehearse": "--report FILE is its result as JSON",
}


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    found = {context.command_path.partition(" ")[2]: context.command for context in commands()}
    return {path: command for path, command in found.items() if not isinstance(command, click.Group)}


def forms(command: click.Command) -> tuple[str, ...]:
    """What its -o takes."""
    for option in command.params:
        if "--output" in option.opts and isinstance(option.type, click.Choice):
            return tuple(option.type.choices)
    return ()


def test_every_command_answers_as_data_or_has_a_reason_not_to() -> None:
    silent = {path for path, command in leaves().items() if "json" not in forms(command)}
    assert silent - set(WITHOUT_DATA) == set(), "give it -o json"
    assert set(WITHOUT_DATA) - silent == set(), "these answer as data, or are no commands any more"


def test_codes_are_explained_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "pv-670", "-o", "json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["codes"]
    assert row == {"code": "PV-670", "meaning": CODES[670][0], "remedy": CODES[670][1]}
    assert run(["explain", "-o", "name"]) == 0
    assert capsys.readouterr().out.split() == [f"PV-{number}" for number in sorted(CODES)]


@pytest.mark.parametrize("words", [["explain", "670"], ["explain", "PV670"], ["explain", "PV-670"]])
def test_a_code_is_explained_for_people(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert capsys.readouterr().out.startswith("PV-670  Another DHCP server answers")


def test_what_is_no_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "PV-999"]) == 2
    assert "there is no code" in capsys.readouterr().err
