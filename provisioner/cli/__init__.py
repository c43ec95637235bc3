"""The command `provision`: words to calls; the one place that maps errors to exit codes."""

import errno
import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import click

from provisioner import __version__
from provisioner.cli import streams
from provisioner.cli.lazy import Lazy, Places
from provisioner.cli.output import info, print_error
from provisioner.errors import Exit, ProvisionError
from provisioner.system import file_fault

COMMANDS: Places = {
    "deploy": (
        "deploy:deploy",
        "Put an image on one host, or on many: power, boot from the network, write, verify, prove.",
    ),
    "status": (
        "watch:status",
        "What is under way and what ended last; with HOST (name, serial, MAC or id), its story.",
    ),
    "watch": ("watch:watch", "Follow a host's deployment, or a run of many, until it ends."),
    "retry": ("deploy:retry", "Deploy the same image on a host once more."),
    "cancel": ("deploy:cancel", "End a deployment."),
    "resume": ("deploy:resume", "Let a paused deployment go on."),
    "host": ("host:host", "Machines: add, list, show, lock."),
    "profile": ("profile:profile", "Kinds of hosts: list, show, learn from a machine."),
    "image": ("image:image", "Images: build, compare, sign, pack, add, list, verify, write."),
    "mirror": (
        "mirror:mirror",
        "The site mirror: lock, make, verify, and prove that a build asks nothing else.",
    ),
    "bmc": ("bmc:bmc", "BMCs: test, power, boot device, console, login."),
    "net": ("net:net", "The deployment LAN: who asks there, and who answers."),
    "ramdisk": ("ramdisk:ramdisk", "The ramdisk: build."),
    "rehearse": (
        "rehearse:rehearse",
        "Deploy a QEMU machine: real firmware, a BMC's protocol, PXE, image, first boot and Ansible.",
    ),
    "serve": (
        "serve:serve",
        "Answer DHCP, TFTP, DNS and HTTP on one LAN, and work on deployments, until told to stop.",
    ),
    "explain": ("explain:explain", "Say what an error code means and what to do; works offline."),
}


@click.group(cls=Lazy, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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


def main(argv: list[str] | None = None) -> NoReturn:
    """Run, and end the process with the documented exit code."""
    streams.hold()
    sys.exit(run(argv))


def run(argv: list[str] | None = None) -> int:
    """Run one command line; its exit code. Every error becomes sentences on stderr."""
    code = _run(argv)
    if fault := streams.unwritten():
        code = _tell(fault)
    streams.give_up(sys.stderr)
    return code


def _run(argv: list[str] | None) -> int:
    try:
        code = provision.main(argv, prog_name="provision", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as fault:
        with suppress(OSError):
            fault.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        info("interrupted; provision status shows what is ordered")
        return Exit.DETACHED
    except ProvisionError as fault:
        return _tell(fault)
    except SystemExit as end:
        if end.code != 1:  # click's, for a broken pipe; others are gunicorn's
            raise
        gone = BrokenPipeError(errno.EPIPE, "", "a pipe or connection")
        return Exit.DONE if streams.is_unread() else _tell(file_fault.explained(gone))
    except OSError as fault:
        return _tell(streams.unwritten() or file_fault.explained(fault))
    except Exception:
        for line in traceback.format_exc().splitlines():
            info(line)
        info("✗ this is a fault of the program itself (PV-600); please report the lines above")
        return Exit.INTERNAL


def _tell(fault: ProvisionError) -> int:
    with suppress(OSError):  # there is nowhere to say it; the exit code does
        print_error(fault)
    return int(fault.exit)
