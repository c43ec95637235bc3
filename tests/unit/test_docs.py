"""The reference of the command line is printed from the program; UPDATE_GOLDEN=1 renews it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from provisioner import run
from provisioner.cli import provision
from provisioner.cli.explain import CODES
from provisioner.cli.lazy import Lazy
from provisioner.errors import Exit

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"
MEANINGS = {
    Exit.DONE: "done",
    Exit.INTERNAL: "internal error",
    Exit.USAGE: "the command line or a file cannot be used",
    Exit.FAILED: "the deployment or the image build failed; `image diff` or `net check` found a difference",
    Exit.PARTLY: "some of several deployments failed",
    Exit.UNREACHABLE: "the service or a BMC cannot be reached",
    Exit.REFUSED: "refused: safety, a signature, or no confirmation",
    Exit.RUNNING: "still running at `--timeout`",
    Exit.REJECTED: "deployed, but its verification rejected it",
    Exit.GONE: "a locked file has left its archive: `provision mirror lock` again",
    Exit.DETACHED: "detached by Ctrl-C; the deployment goes on",
}


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Of the program and all of its commands, below each other as they are when it runs."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for word in command.places if isinstance(command, Lazy) else command.commands:
            child = command.get_command(context, word)
            assert child
            yield from contexts(click.Context(child, context, word, terminal_width=96, max_content_width=96))


def commands() -> Iterator[click.Context]:
    top = click.Context(
        provision,
        info_name="provision",
        terminal_width=96,
        max_content_width=96,
        **provision.context_settings,
    )
    yield from contexts(top)


def section(context: click.Context) -> str:
    return f"## {context.command_path}\n\n```\n{context.get_help()}\n```\n"


def reference() -> str:
    codes = [f"| {code.value} | {MEANINGS[code]} |" for code in Exit]
    faults = [f"| PV-{code} | {what} | {then} |" for code, (what, then) in sorted(CODES.items())]
    return "\n".join(
        [
            "# The command line",
            "",
            "Printed from the program; a test compares. Data goes to stdout, everything else to stderr.",
            "",
            "| exit code | meaning |",
            "|---|---|",
            *codes,
            "",
            *map(section, commands()),
            "## Error codes",
            "",
            "| code | what has happened | what to do |",
            "|---|---|---|",
            *faults,
            "",
        ]
    )


def test_the_reference_is_what_the_program_says() -> None:
    text = reference()
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
