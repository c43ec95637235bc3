"""The options that many commands have: which service, which state folder, how data is printed."""

import functools
import getpass
import os
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from provisioner.cli.output import FORMATS

if TYPE_CHECKING:
    from provisioner.client import Client

STATE = Path("/var/lib/provisioner")
Command = Callable[..., object]  # click calls it by its options' names
Decorator = Callable[[Command], Command]


def inherit(context: click.Context, option: click.Parameter, value: object) -> object:
    """An option's callback: the value that was typed last, at the program, at a group or at the command."""
    key = f"{__name__}.{option.name}"
    if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
        context.meta[key] = value
    return context.meta.get(key, value)


def service_options(*, hidden: bool = False, expose_value: bool = True) -> Sequence[Decorator]:
    """--server and --state, which may stand anywhere on the line."""
    return (
        click.option(
            "--server",
            default="",
            envvar="PROVISION_SERVER",
            metavar="URL",
            help="A service on another machine; its token is read from PROVISION_TOKEN."
            "  [env: PROVISION_SERVER]",
            callback=inherit,
            hidden=hidden,
            expose_value=expose_value,
        ),
        click.option(
            "--state",
            type=click.Path(path_type=Path, readable=False),  # whether it is, the errors of ours say better
            default=STATE,
            envvar="PROVISION_STATE",
            help="The service's state folder on this machine.  [env: PROVISION_STATE]",
            callback=inherit,
            hidden=hidden,
            expose_value=expose_value,
        ),
    )


server_option, state_option = service_options()
output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="table",
    help="How data is printed.",
)


def wants_data(words: Sequence[str]) -> bool:
    """Whether a command line asks for data that programs read; it need not be one that can be used.

    A command whose `-o` names a file takes no such word there by accident.
    """
    return any(
        word in {f"-o{form}", f"--output={form}"} or (word in ("-o", "--output") and following == form)
        for word, following in pairwise([*words, ""])
        for form in ("json", "jsonl", "yaml")
    )


def with_client(command: Command) -> Command:
    """Adds --state and --server, and calls with a `client` of the service that they name."""

    @state_option
    @server_option
    @functools.wraps(command)
    def wrapped(*args: object, state: Path, server: str, **kwargs: object) -> object:
        return command(*args, client=connect(server, state), **kwargs)

    return wrapped


def operator_name() -> str:
    """Who types this, as orders and events remember it."""
    try:
        return re.sub(r"[^\w.@ -]", "_", getpass.getuser())[:80]  # a directory's names have more signs
    except (OSError, KeyError):
        return "operator"


def with_service(command: Command) -> Command:
    """Likewise, and with its `state` folder where that is on this machine, else None."""

    @state_option
    @server_option
    @functools.wraps(command)
    def wrapped(*args: object, state: Path, server: str, **kwargs: object) -> object:
        return command(*args, client=connect(server, state), state=None if server else state, **kwargs)

    return wrapped


def connect(server: str, state: Path) -> "Client":
    """The service at that URL, or without one that of this state folder; nothing is asked yet."""
    from provisioner.client import Client

    token = os.environ.get("PROVISION_TOKEN", "")
    return Client(server=server, token=token) if server else Client(socket=state / "api.sock")
