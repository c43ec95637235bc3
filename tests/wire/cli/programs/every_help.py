"""Asks every command for its help. Prints JSON: [words, exit code, text] each."""

import contextlib
import io
import json

import click

from provisioner import cli


def walk(command: click.Command, words: list[str]) -> list[list[str]]:
    """The words of a command and of all below it."""
    context = click.Context(command)
    below = command.list_commands(context) if isinstance(command, click.Group) else []
    found = [words]
    for name in below:
        child = command.get_command(context, name) if isinstance(command, click.Group) else None
        assert child
        found += walk(child, [*words, name])
    return found


pages: list[tuple[list[str], int, str]] = []
for words in walk(cli.provision, []):
    for option in ("--help", "-h"):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = cli.run([*words, option])
        pages.append(([*words, option], code, out.getvalue()))
print(json.dumps(pages))
