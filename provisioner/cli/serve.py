"""`provision serve`: the service of one deployment LAN."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import inherit
from provisioner.cli.output import info, say
from provisioner.errors import Exit, SettingsError

if TYPE_CHECKING:
    from provisioner.settings import Settings


@click.command()
@click.option(
    "--settings", "file", type=click.Path(path_type=Path), help="A TOML file; see systemd/provisioner.toml."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    callback=inherit,
    help="The folder for everything that is written.",
)
@click.option("--interface", help="The interface of the deployment LAN.")
@click.option("--address", metavar="CIDR", help="The service's own address there, as 10.77.0.1/24.")
@click.option("--http-port", type=int, help="The port of the web service, for machines.")
@click.option(
    "--process",
    "--only",
    "only",
    type=click.Choice(["dhcp", "tftp", "dns", "web", "api", "worker"]),
    help="Run this process alone, without a parent, after --prepare; systemd's units do.",
)
@click.option("--prepare", is_flag=True, help="Make the state folder ready for single processes, and end.")
@click.option("--dry-run", is_flag=True, help="Read the settings, say whether they can be used, and end.")
@click.option("--is-wanted", is_flag=True, hidden=True, help="Whether the settings have --process: 0 or 1.")
@click.option(
    "--init", is_flag=True, help="Make folder, keys and certificate, say the certificate's SHA-256, and end."
)
@click.option("--pulse-fd", type=int, default=-1, hidden=True)
@click.option("--secrets-fd", type=int, default=-1, hidden=True)
@click.option("--fork-server", type=int, default=-1, hidden=True)
def serve(
    file: Path | None,
    state: Path | None,
    interface: str | None,
    address: str | None,
    http_port: int | None,
    only: str | None,
    prepare: bool,
    dry_run: bool,
    is_wanted: bool,
    init: bool,
    pulse_fd: int,
    secrets_fd: int,
    fork_server: int,
) -> int:
    """Answer DHCP, TFTP, DNS and HTTP on one LAN, and work on deployments, until told to stop.

    All services run under one parent. One that hangs or ends is started again; one that fails five times
    within ten minutes stops all. Under systemd each is a unit of its own (--process), behind one that makes
    the state folder ready (--prepare). The interface is never configured.
    On SIGHUP the settings are read again; what is under way goes on.
    """
    given = _given(state=state, interface=interface, address=address, http_port=http_port)
    load = _loader(file, given)
    if only and is_wanted:
        return Exit.DONE if only in load().processes else Exit.INTERNAL
    if dry_run:
        info(f"the settings can be used: {', '.join(load().processes)}")
        return Exit.DONE

    # the questions above need not wait for this: systemd asks for six processes at once
    from provisioner import cli, daemon
    from provisioner.system.sd_notify import SystemdNotifier

    if fork_server >= 0:
        return cli.run() if daemon.serve_forks(fork_server) else Exit.DONE
    if init:
        say(daemon.initialize(load()))
        return Exit.DONE
    notifier = SystemdNotifier(os.environ.pop("NOTIFY_SOCKET", ""))  # no child may speak in its name
    if prepare:
        return daemon.prepare_alone(load())
    credentials = os.environ.pop("CREDENTIALS_DIRECTORY", "")  # nor look for keys where it does
    if only:
        return daemon.serve_one(
            load(), only, pulse_fd, load, notifier, secrets_fd=secrets_fd, credentials=credentials
        )
    argv = [sys.executable, "-m", "provisioner", *_child_words(file, given)]
    return daemon.serve(load(), argv, load, notifier, credentials)


def _given(**options: object) -> dict[str, str]:
    """The options that were used, as a settings file would have them."""
    return {name: str(value) for name, value in options.items() if value is not None}


def _loader(file: Path | None, given: dict[str, str]) -> Callable[[], "Settings"]:
    """What reads the settings, each time anew. Raises SettingsError where there are too few."""
    from provisioner import settings

    if file:
        return partial(settings.load, file, **given)
    _require_network(given)
    return partial(settings.check, given, source="the command line")


def _require_network(given: dict[str, str]) -> None:
    """Raises SettingsError where the command line alone does not say what is served."""
    if not {"interface", "address"} <= given.keys():
        raise SettingsError(
            "which network is to be served is not said",
            hint="provision serve --interface IF --address CIDR [--state DIR], or --settings FILE",
        )


def _child_words(file: Path | None, given: dict[str, str]) -> list[str]:
    """The same command line for a child."""
    words = ["serve"]
    if file:
        words += ["--settings", str(file)]
    for name, value in given.items():
        words += [f"--{name.replace('_', '-')}", value]
    return words
