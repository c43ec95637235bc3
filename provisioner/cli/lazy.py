"""Groups of commands that are imported when they are asked for: imports took most of a command's time."""

import importlib
import os
from pathlib import Path
from typing import Any

import click

from provisioner.cli import exit_codes
from provisioner.cli.options import service_options

COMPLETING = "_PROVISION_COMPLETE"  # set by the shell's script while it asks for completions
Places = dict[str, tuple[str, str]]  # name → `module:command`, and what the list says of it


class Lazy(click.Group):
    """Lists its commands in the order in which people need them. A test holds the texts against theirs."""

    def __init__(self, *args: Any, places: Places | None = None, **more: Any) -> None:  # as click.Group
        super().__init__(*args, **more)
        self.places = {name: place for name, place in (places or {}).items() if _is_here(place[0])}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys([*self.places, *self.commands]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.places and cmd_name not in self.commands:
            module, _, name = self.places[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(f"provisioner.cli.{module}"), name)
            accept_service_options(command)
            tell_exit_codes(command, " ".join([*ctx.command_path.split()[1:], cmd_name]))
            self.add_command(command, cmd_name)
            if COMPLETING in os.environ:
                importlib.import_module("provisioner.cli.completion").offer_names(command)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but what was mistyped is compared with all commands, not only with those loaded."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as fault:
            raise click.exceptions.NoSuchCommand(
                fault.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        listed = {name: click.Command(name, help=text) for name, (_, text) in self.places.items()}
        rows = [(name, {**self.commands, **listed}[name].get_short_help_str(room)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _is_here(place: str) -> bool:
    """Whether the module of a command is installed: a finished cube has few (golden/product.py)."""
    return Path(__file__).with_name(f"{place.partition(':')[0]}.py").exists()


def accept_service_options(command: click.Command) -> None:
    """Let --server and --state stand behind a command, and what is below it, that have no use for them."""
    known = {parameter.name for parameter in command.params}
    for name, option in zip(
        ("server", "state"), service_options(hidden=True, expose_value=False), strict=True
    ):
        if name not in known:
            option(command)
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        accept_service_options(child)


def tell_exit_codes(command: click.Command, path: str) -> None:
    """Let the help of a command, and of those below it, end with the exit codes that it has."""
    command.epilog = exit_codes.sentence(path)
    for name, child in command.commands.items() if isinstance(command, click.Group) else ():
        tell_exit_codes(child, f"{path} {name}")
