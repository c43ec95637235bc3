"""`provision completion SHELL`: words on the Tab key; names of hosts, runs, profiles and images included."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from provisioner.cli import options
from provisioner.cli.lazy import COMPLETING
from provisioner.cli.output import write
from provisioner.errors import ProvisionError

if TYPE_CHECKING:
    from provisioner.client import Client

PATIENCE = 1.0  # seconds for the service: somebody waits at the keyboard
SHELLS: Mapping[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands, options and names on the Tab key.

    bash: source <(provision completion bash), in ~/.bashrc. zsh: likewise, in ~/.zshrc after compinit.
    fish: provision completion fish > ~/.config/fish/completions/provision.fish.
    Names of hosts, runs, profiles and images are the service's; where it does not answer none are offered.
    """
    script = SHELLS[shell](context.find_root().command, {}, "provision", COMPLETING)
    write(ShellComplete.source(script))  # bash's own would run bash to learn its version


def _hosts(client: "Client") -> Iterable[str]:
    from provisioner.api.hosts import HostList

    return (host.name for host in client.get(HostList, "/hosts", patience=PATIENCE).hosts)


def _deployments(client: "Client") -> Iterable[str]:
    from provisioner.api.deployments import DeploymentList

    return (row.id for row in client.get(DeploymentList, "/deployments", patience=PATIENCE).deployments)


def _runs(client: "Client") -> Iterable[str]:
    from provisioner.api.deployments import DeploymentList

    rows = client.get(DeploymentList, "/deployments", patience=PATIENCE).deployments
    return dict.fromkeys(row.run for row in rows if row.run)


def _profiles(client: "Client") -> Iterable[str]:
    from provisioner.api.profiles import ProfileList

    return (row.name for row in client.get(ProfileList, "/profiles", patience=PATIENCE).profiles)


def _images(client: "Client") -> Iterable[str]:
    from provisioner.api.images import ImageList

    return (image.id for image in client.get(ImageList, "/images", patience=PATIENCE).images)


# what a parameter is called in a command's usage (`HOST|RUN`) → who knows such names
NAMES: Mapping[str, Callable[["Client"], Iterable[str]]] = {
    "HOST": _hosts,
    "ID": _deployments,
    "RUN": _runs,
    "PROFILE": _profiles,
    "IMAGE": _images,
}


class ServiceName(click.ParamType[str]):
    """A text that may be one of the service's names."""

    name = "text"

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = tuple(kinds)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so; none where the service does not answer at once."""
        try:
            client = options.connect(*_service(ctx))
            found = [name for kind in self.kinds for name in NAMES[kind](client)]
        except (ProvisionError, OSError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _service(context: click.Context) -> tuple[str, Path]:
    """Server and state folder as the line or the environment names them."""
    server = context.meta.get(f"{options.__name__}.server") or os.environ.get("PROVISION_SERVER")
    state = context.meta.get(f"{options.__name__}.state") or os.environ.get("PROVISION_STATE")
    return str(server or ""), Path(state or options.STATE)


def offer_names(command: click.Command) -> None:
    """Let parameters of a command, and of those below it, be completed by the service's names."""
    for parameter in command.params:
        words = re.findall(r"[A-Z]+", (parameter.metavar or parameter.name or "").upper())
        if parameter.type is click.STRING and (kinds := [word for word in words if word in NAMES]):
            parameter.type = ServiceName(kinds)
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        offer_names(child)
