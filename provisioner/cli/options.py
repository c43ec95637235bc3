"""The options that many commands have: which service, which state folder, how data is printed."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import click

from provisioner.cli.output import FORMATS

STATE = Path("/var/lib/provisioner")
Command = Callable[..., object]  # click calls it by its options' names

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, readable=False),  # whether it is, the errors of ours say better
    default=STATE,
    envvar="PROVISION_STATE",
    help="The service's state folder on this machine.  [env: PROVISION_STATE]",
)
server_option = click.option(
    "--server",
    default="",
    envvar="PROVISION_SERVER",
    metavar="URL",
    help="A service on another machine; its token is read from PROVISION_TOKEN.  [env: PROVISION_SERVER]",
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="table",
    help="How data is printed.",
)


def with_client(command: Command) -> Command:
    """Adds --state and --server, and calls with a `client` of the service that they name."""

    @state_option
    @server_option
    @functools.wraps(command)
    def wrapped(*args: object, state: Path, server: str, **kwargs: object) -> object:
        from provisioner.client import Client

        token = os.environ.get("PROVISION_TOKEN", "")
        client = Client(server=server, token=token) if server else Client(socket=state / "api.sock")
        return command(*args, client=client, **kwargs)

    return wrapped
