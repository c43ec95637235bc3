"""The reference of the command line is printed from the program; UPDATE_GOLDEN=1 renews it."""

import os
import sys
from pathlib import Path

from provisioner import run
from provisioner.cli.lazy import Lazy
from tests.unit.programs.print_reference import commands

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"
PRINT = Path(__file__).parent / "programs" / "print_reference.py"


def test_the_reference_is_what_the_program_says() -> None:
    text = run.run([sys.executable, PRINT]).stdout.decode()
    if os.environ.get("UPDATE_GOLDEN"):
        REFERENCE.write_text(text)
    assert REFERENCE.read_text() == text, "UPDATE_GOLDEN=1 renews docs/cli.md"


def test_every_command_says_what_it_is_for() -> None:
    silent = [context.command_path for context in commands() if not context.command.help]
    assert silent == []


def test_lists_say_of_a_command_what_it_says_itself() -> None:
    for context in commands():
        if isinstance(group := context.command, Lazy):
            for word, (_, summary) in group.places.items():
                child = group.get_command(context, word)
                assert child and child.help
                assert " ".join(child.help.split()).startswith(summary), f"{context.command_path} {word}"


def test_a_command_imports_no_other() -> None:
    code = (
        "import sys; from provisioner.cli import run; run(['image', 'write', '--help']); print(*sys.modules)"
    )
    loaded = run.text([sys.executable, "-c", code]).split()
    assert "provisioner.cli.image_write" in loaded
    assert {"provisioner.cli.deploy", "provisioner.domain.profile", "pydantic", "flask"}.isdisjoint(loaded)
