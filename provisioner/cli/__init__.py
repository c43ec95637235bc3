"""The command `provision`: words to calls; the one place that maps errors to exit codes."""

import os
import sys
import traceback
from typing import Any

import click

from provisioner import __version__
from provisioner.cli import (
    bmc,
    deploy,
    explain,
    host,
    image,
    mirror,
    net,
    profile,
    ramdisk,
    rehearse,
    serve,
    watch,
)
from provisioner.cli.common import complain
from provisioner.errors import Exit, ProvisionError

COMMANDS: tuple[click.Command, ...] = (
    *(deploy.deploy, watch.status, watch.watch, deploy.retry, deploy.cancel),
    *(
        host.host,
        profile.profile,
        image.image,
        mirror.mirror,
        bmc.bmc,
        net.net,
        ramdisk.ramdisk,
        rehearse.rehearse,
        serve.serve,
        explain.explain,
    ),
)


class _InOrder(click.Group):
    """Lists its commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="provision")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours on a terminal."
)
def provision(color: str) -> None:
    """Power, network-boot, image and prove machines on one deployment LAN.

    Exit codes: 0 done, 1 internal error, 2 usage, 3 deployment failed, 4 partly failed, 5 service or BMC
    unreachable, 6 refused, 7 still running at --timeout, 8 deployed but rejected by its verification,
    9 a locked file has left its archive, 130 detached.
    """
    if color != "auto":  # an option says more than the environment
        wanted, other = ("NO_COLOR", "FORCE_COLOR")[:: 1 if color == "never" else -1]
        os.environ[wanted] = "1"
        os.environ.pop(other, None)


for command in COMMANDS:
    provision.add_command(command)


def main(argv: list[str] | None = None) -> Any:
    """Run, and end the process with the documented exit code."""
    sys.exit(run(argv))


def run(argv: list[str] | None = None) -> int:
    """Run one command line; its exit code. Every error becomes sentences on stderr."""
    try:
        code = provision.main(argv, prog_name="provision", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as fault:
        fault.show()
        return Exit.USAGE
    except click.ClickException as fault:
        fault.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; provision status shows what is ordered", err=True)
        return Exit.DETACHED
    except ProvisionError as fault:
        complain(fault)
        return int(fault.exit)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception:
        traceback.print_exc()
        click.echo(
            "✗ this is a fault of the program itself (PV-600); please report the lines above", err=True
        )
        return Exit.INTERNAL
