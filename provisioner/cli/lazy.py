"""Groups of commands that are imported when they are asked for: imports took most of a command's time."""

import importlib
from typing import Any

import click

Places = dict[str, tuple[str, str]]  # name → `module:command`, and what the list says of it


class Lazy(click.Group):
    """Lists its commands in the order in which people need them. A test holds the texts against theirs."""

    def __init__(self, *args: Any, places: Places | None = None, **more: Any) -> None:  # as click.Group
        super().__init__(*args, **more)
        self.places = places or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys([*self.places, *self.commands]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.places and cmd_name not in self.commands:
            module, _, name = self.places[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(f"provisioner.cli.{module}"), name)
            self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        listed = {name: click.Command(name, help=text) for name, (_, text) in self.places.items()}
        rows = [(name, {**self.commands, **listed}[name].get_short_help_str(room)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
