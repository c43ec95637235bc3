"""Prints docs/cli.md from the program, in a process of its own.

click keeps a command's help option from its first use, so what ran before would be seen in it.
"""

from collections.abc import Iterator

import click

from provisioner.cli import provision
from provisioner.cli.lazy import Lazy
from provisioner.errors import Exit
from provisioner.explanations.codes import CODES

MEANINGS = {
    Exit.DONE: "done",
    Exit.INTERNAL: "internal error",
    Exit.USAGE: "the command line or a file cannot be used",
    Exit.FAILED: "a deployment or an image build failed; `check`, `net check` or `image diff` found a fault",
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
    """Of every command, the program's own first."""
    top = click.Context(
        provision,
        info_name="provision",
        terminal_width=96,
        max_content_width=96,
        **provision.context_settings,
    )
    yield from contexts(top)


def section(context: click.Context) -> str:
    """One command's help."""
    return f"## {context.command_path}\n\n```\n{context.get_help()}\n```\n"


def reference() -> str:
    """The whole page."""
    codes = [f"| {code.value} | {MEANINGS[code]} |" for code in Exit]
    faults = [f"| PV-{code} | {what} | {then} |" for code, (what, then) in sorted(CODES.items())]
    return "\n".join(
        [
            "# The command line",
            "",
            "Printed from the program; a test compares. Data goes to stdout, everything else to stderr.",
            "With `-o json`, `jsonl` and `yaml` it has the keys of the API's answer (`docs/api.md`); its",
            "times are RFC 3339 in UTC, null for never, where the API has seconds since 1970 and 0.",
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


if __name__ == "__main__":
    print(reference(), end="")
