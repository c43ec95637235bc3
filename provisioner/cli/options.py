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
from provisioner.errors import InputError

if TYPE_CHECKING:
    from provisioner.client import Client

STATE = Path("/var/lib/provisioner")
SHARED_SOCKET = Path("/run/provisioner/api.sock")  # access.socket, where the settings have it
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
            help="A service on another machine, by https; see provision login.  [env: PROVISION_SERVER]",
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
        return command(*args, client=connect(meant(server, state), state), **kwargs)

    return wrapped


def operator_name() -> str:
    """Who types this: whose SSH key it is, unless another user is named."""
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
        url = meant(server, state)
        return command(*args, client=connect(url, state), state=None if url else state, **kwargs)

    return wrapped


def connect(server: str, state: Path) -> "Client":
    """The service at that URL, or without one that of this state folder; nothing is asked yet."""
    from provisioner.cli import logins
    from provisioner.client import Client
    from provisioner.client.transport import normal_url

    if not server:
        return Client(socket=local_socket(state) or state / "api.sock")
    known = logins.read().find(normal_url(server)) or logins.KnownServer(fingerprint="")
    return Client(
        server=server,
        token=os.environ.get("PROVISION_TOKEN") or known.token,
        fingerprint=_fingerprint(os.environ.get("PROVISION_FINGERPRINT") or known.fingerprint),
    )


def _fingerprint(text: str) -> str:
    from provisioner.domain.values import fingerprint_digits

    try:
        return fingerprint_digits(text)
    except ValueError as fault:
        raise InputError(f"PROVISION_FINGERPRINT: {fault}", hint="as provision login shows it") from fault


def local_socket(state: Path) -> Path | None:
    """The Unix socket that may be opened here: the state folder's, else the one for everybody."""
    candidates = (state / "api.sock", *((SHARED_SOCKET,) if state == STATE else ()))
    return next((path for path in candidates if os.access(path, os.W_OK)), None)


def meant(server: str, state: Path) -> str:
    """The URL of the service that is meant; empty for one on this machine.

    Where none is named and none answers here, it is the one that was logged in to last.
    """
    if server or state != STATE or local_socket(state):
        return server
    from provisioner.cli import logins

    return logins.read().current
