"""`provision completion SHELL`: words on the Tab key; names, MACs, runs and error codes included."""

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
    MACs are offered once one is begun: by hyphens, which every shell takes for one word, or by colons.
    """
    script = SHELLS[shell](context.find_root().command, {}, "provision", COMPLETING)
    write(ShellComplete.source(script))  # bash's own would run bash to learn its version


def _hosts(client: "Client", begun: str) -> Iterable[str]:
    from provisioner.api.hosts import HostList

    hosts = client.get(HostList, "/hosts", patience=PATIENCE).hosts
    yield from (host.name for host in hosts)
    yield from (_written(mac, begun) for host in hosts for mac in host.macs if begun)


def _cards(client: "Client", begun: str) -> Iterable[str]:
    """MACs of hosts and of unknown machines."""
    from provisioner.api.hosts import HostList
    from provisioner.api.machines import MachineList

    hosts = client.get(HostList, "/hosts", patience=PATIENCE).hosts
    machines = client.get(MachineList, "/machines", patience=PATIENCE).machines
    found = (*(mac for host in hosts for mac in host.macs), *(machine.mac for machine in machines))
    return (_written(mac, begun) for mac in dict.fromkeys(found))


def _written(mac: str, begun: str) -> str:
    """A MAC in the notation in which it was begun; bash would take each colon for the end of a word."""
    separator = ":" if ":" in begun else "" if len(begun) > 2 and "-" not in begun else "-"
    text = mac.replace(":", separator)
    return text.upper() if begun != begun.lower() else text


def _deployments(client: "Client", _: str) -> Iterable[str]:
    from provisioner.api.deployments import DeploymentList

    return (row.id for row in client.get(DeploymentList, "/deployments", patience=PATIENCE).deployments)


def _runs(client: "Client", _: str) -> Iterable[str]:
    from provisioner.api.deployments import DeploymentList

    rows = client.get(DeploymentList, "/deployments", patience=PATIENCE).deployments
    return dict.fromkeys(row.run for row in rows if row.run)


def _profiles(client: "Client", _: str) -> Iterable[str]:
    from provisioner.api.profiles import ProfileList

    return (row.name for row in client.get(ProfileList, "/profiles", patience=PATIENCE).profiles)


def _images(client: "Client", _: str) -> Iterable[str]:
    from provisioner.api.images import ImageList

    return (image.id for image in client.get(ImageList, "/images", patience=PATIENCE).images)


def _codes(_: "Client", begun: str) -> Iterable[str]:
    """As they are begun: `PV-2` or `2`; no service is asked."""
    from provisioner.explanations.codes import CODES

    head = "PV-" if not begun[:1].isdecimal() else ""
    return (f"{head}{number}" for number in sorted(CODES))


# what a parameter is called in a command's usage (`HOST|RUN`) → what may stand there, as far as it is begun
NAMES: Mapping[str, Callable[["Client", str], Iterable[str]]] = {
    "HOST": _hosts,
    "OTHER": _hosts,
    "MAC": _cards,
    "PV": _codes,
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
            server, state = _service(ctx)
            client = options.connect(options.meant(server, state), state)
            found = [name for kind in self.kinds for name in NAMES[kind](client, incomplete)]
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
