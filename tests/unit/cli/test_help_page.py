"""`--help` fits the terminal: no line is longer, no option is cut, however narrow it is."""

import os

import click
import pytest

from provisioner.cli import help_page, layout
from tests.unit.programs.print_reference import commands


def page(context: click.Context, width: int) -> str:
    return click.Context(context.command, context.parent, context.info_name, terminal_width=width).get_help()


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_page_is_wider_than_its_terminal_and_every_option_is_whole(width: int) -> None:
    for context in commands():
        said = page(context, width)
        assert [line for line in said.splitlines() if len(line) > width] == [], context.command_path
        joined = "".join(said.split())
        for option in context.command.get_params(context):
            if isinstance(option, click.Option) and not option.hidden:
                name, _ = option.get_help_record(context) or ("", "")
                assert "".join(name.split()) in joined, f"{context.command_path} {name}"


def test_an_option_goes_on_between_its_choices() -> None:
    shown = page(next(c for c in commands() if c.command_path == "provision host add"), 40)
    assert "  -o, --output [table|json|jsonl|yaml|\n      name]\n" in shown


@pytest.mark.parametrize(("columns", "width"), [(None, 80), (12, 20), (40, 40), (99, 99), (250, 100)])
def test_a_page_is_as_wide_as_the_terminal_up_to_what_is_read_easily(
    columns: int | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = os.terminal_size((columns, 24)) if columns else None
    monkeypatch.setattr(layout, "terminal_size", lambda stream: size)
    assert help_page.width() == width
