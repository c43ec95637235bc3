"""Who leaves a question has changed nothing, and is told so."""

import ast
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from provisioner import cli
from provisioner.cli import question
from provisioner.errors import Exit

QUESTIONS: list[Callable[[], object]] = [
    lambda: question.ask("Type the last 4 of the serial to continue"),
    lambda: question.ask("Password", hidden=True),
    lambda: question.ask_count("Type the number of hosts to continue"),
    lambda: question.require_word("vc-1", "this removes vc-1", yes=False),
    lambda: question.confirm("End what is moving?"),
]


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_who_leaves_a_question_is_told_that_nothing_was_changed(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(*_: object, **__: object) -> None:
        raise click.Abort

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", leave)
    monkeypatch.setattr(click, "confirm", leave)
    with pytest.raises(click.exceptions.Exit) as left:
        QUESTIONS[number]()
    assert left.value.exit_code == Exit.DETACHED == 130
    assert "interrupted at the question: nothing was changed" in capsys.readouterr().err


def test_one_module_asks() -> None:
    askers = {
        path.name
        for path in Path(cli.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"click.prompt", "click.confirm", "input", "getpass.getpass", "prompt"}
    }
    assert askers == {"question.py"}
