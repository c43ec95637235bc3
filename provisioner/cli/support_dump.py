"""`provision support-dump`: one file for whoever helps, without secrets."""

import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import state_folder
from provisioner.cli.check import SETTINGS
from provisioner.cli.options import output_option, state_option
from provisioner.cli.output import Column, info, print_rows
from provisioner.errors import RefusedError
from provisioner.system import file_fault
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.settings import Settings
    from provisioner.system.sealed_box import Opener


@click.command("support-dump")
@click.option("--out", type=click.Path(path_type=Path), help="The archive; else support-MACHINE-TIME.tar.gz.")
@click.option(
    "--deployments",
    type=click.IntRange(0, 500),
    default=20,
    show_default=True,
    help="Of how many are logs, consoles and events in it: what moves or failed, then the newest.",
)
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    default=SETTINGS,
    help="The service's settings, whose file is in it.",
)
@output_option
@state_option
def support_dump(out: Path | None, deployments: int, file: Path, state: Path, output: str) -> None:
    """Write one file for whoever helps: events, logs, settings, versions, the last deployments.

    Secrets are taken out: what the service keeps as such, nonces, and whatever looks like a password, token,
    private key or password hash. Its README.txt lists what is in it, and so does this command. Names,
    serials and addresses of machines stay. It works whether the service runs or not, on its machine, as its
    user or as root; nothing is sent anywhere.
    """
    from provisioner.site import support_dump as dump
    from provisioner.site.site import Site
    from provisioner.state.database import Database

    state_folder.require_ours(state)
    target = out or Path(f"support-{platform.node()}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    otherwise = "settings.json has the settings that hold without a file"
    known = state_folder.settings_of(state, file, otherwise)
    try:
        site = Site(known, Database(state), opener=_opener(known))
        files = dump.write(site, file, deployments, target)
    except FileExistsError as fault:
        raise RefusedError(f"{target} exists already", hint="give another --out") from fault
    except OSError as fault:
        raise file_fault.explained(fault, target) from fault
    columns = (
        Column[dump.DumpedFile]("FILE", lambda row: row.name),
        Column[dump.DumpedFile]("SIZE", lambda row: size(row.size)),
        Column[dump.DumpedFile]("WHAT", lambda row: row.what),
    )
    print_rows(output, "files", files, columns, name=lambda row: row.name)
    info(f"{target}, {size(target.stat().st_size)}: look it through before you give it away")


def _opener(settings: "Settings") -> "Opener | None":
    """The key of the site's secrets, where it is a file that we may read: so they are found and taken out."""
    from provisioner.errors import ProvisionError
    from provisioner.state import secret_keys

    try:
        return secret_keys.look(settings)
    except ProvisionError as fault:
        info(f"{fault}: the encrypted secrets are not looked for; what looks like one goes all the same")
        return None
