"""The command `provision`: words to calls; the one place that maps errors to exit codes."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import click

from provisioner import __version__
from provisioner.cli import help_page, streams
from provisioner.cli.error_output import print_error, print_error_line, print_usage
from provisioner.cli.lazy import Lazy, Places
from provisioner.cli.options import service_options, wants_data
from provisioner.cli.output import info
from provisioner.errors import Exit, InputError, ProvisionError
from provisioner.system import file_fault

Tell = Callable[[ProvisionError], None]
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
    "diagnose": (
        "diagnose:diagnose",
        "Why a host's deployment waits: causes, their evidence, what to do. Exit code 3 where one is named.",
    ),
    "retry": ("deploy:retry", "Deploy the same image on a host once more"),
    "pause": ("control:pause", "Let no further host of a run begin"),
    "resume": ("control:resume", "Let a paused deployment, or a paused run, go on."),
    "cancel": ("control:cancel", "End a deployment, a verification, or all of a run"),
    "report": ("report:report", "How each host of a run ended"),
    "verify": (
        "verify:verify",
        "Judge a host once more, after it was sealed; nothing is written on its disk.",
    ),
    "certificate": (
        "certificate:certificate",
        "Certificates of GPU acceptance: get a host's, verify, write in another form; keys.",
    ),
    "host": ("host:host", "Machines: add, import, list, show, edit, rename, move, lock, remove."),
    "profile": ("profile:profile", "Kinds of hosts: list, show, learn, remove; what a host would be served."),
    "image": ("image:image", "Images: build, compare, sign, pack, add, list, verify, write."),
    "mirror": (
        "mirror:mirror",
        "The site mirror: lock, make, verify, and prove that a build asks nothing else.",
    ),
    "bmc": ("bmc:bmc", "BMCs: test, power, boot device, light, sensors, console, login."),
    "net": ("net:net", "The deployment LAN: who asks there, and who answers."),
    "ramdisk": ("ramdisk:ramdisk", "The ramdisk: build."),
    "rehearse": (
        "rehearse:rehearse",
        "Deploy a QEMU machine: real firmware, a BMC's protocol, PXE, image, first boot and Ansible.",
    ),
    "login": (
        "login:login",
        "Log in to a service on another machine (https://ADDRESS).",
    ),
    "logout": (
        "login:logout",
        "Log out of a service, by default the one that was logged in to last; its certificate stays known.",
    ),
    "whoami": ("login:whoami", "Who the service takes you for, and what you may do there."),
    "user": ("user:user", "People: add, list, give a role or a password, remove."),
    "token": (
        "token:token",
        "Tokens for programs that call the API: create, list, revoke. The service keeps their hashes alone.",
    ),
    "serve": (
        "serve:serve",
        "Answer DHCP, TFTP, DNS and HTTP on one LAN, and work on deployments, until told to stop.",
    ),
    "audit": ("audit:audit", "Who did what: list, verify, export; the key that signs it."),
    "check": (
        "check:check",
        "Look at all that the service needs: what is wrong comes first, each with what to do.",
    ),
    "support-dump": (
        "support_dump:support_dump",
        "Write one file for whoever helps: events, logs, settings, versions, the last deployments.",
    ),
    "backup": (
        "backup:backup",
        "Write the state folder to FILE, while the service runs: database, keys, secrets, logs, ramdisk.",
    ),
    "restore": (
        "backup:restore",
        "Make the state folder, which must be empty or not there, from a backup; whole, or not at all.",
    ),
    "bundle": ("bundle:bundle", "The bundle for an air-gapped site: make, verify, install."),
    "explain": ("explanation:explain", "Say what an error code means and what to do; works offline."),
    "completion": (
        "completion:completion",
        "Print the script with which a shell completes commands, options and names on the Tab key.",
    ),
}


SERVER, STATE = service_options(expose_value=False)


@click.group(cls=Lazy, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="provision")
@SERVER
@STATE
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours on a terminal."
)
def provision(color: str) -> None:
    """Power, network-boot, image and prove machines on one deployment LAN.

    --server and --state may stand anywhere on the line. With -o json (jsonl, yaml) an error is one line of
    JSON, the last on stderr: {"schema_version": …, "error": {"message", "hint", "code", "exit"}}.

    Exit codes: 0 done, 1 internal error, 2 usage, 3 deployment failed, 4 partly failed, 5 service or BMC
    unreachable, 6 refused, 7 still running at --timeout, 8 deployed but rejected by its verification,
    9 a locked file has left its archive, 130 Ctrl-C: detached, or nothing was changed.
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
    words = sys.argv[1:] if argv is None else argv
    tell = print_error_line if wants_data(words) else print_error
    code = _run(words, tell)
    if fault := streams.unwritten():
        code = _tell(fault, tell)
    streams.give_up(sys.stderr)
    return code


def _run(argv: list[str], tell: Tell) -> int:
    try:
        code = provision.main(
            argv, prog_name="provision", standalone_mode=False, terminal_width=help_page.width()
        )
        return code if isinstance(code, int) else Exit.DONE
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as fault:
        return _tell_usage(fault, tell)
    except (click.Abort, KeyboardInterrupt):
        info("interrupted; provision status shows what is ordered")
        return Exit.DETACHED
    except ProvisionError as fault:
        return _tell(fault, tell)
    except SystemExit as end:
        if end.code != 1:  # click's, for a broken pipe; others are gunicorn's
            raise
        gone = BrokenPipeError(errno.EPIPE, "", "a pipe or connection")
        return Exit.DONE if streams.is_unread() else _tell(file_fault.explained(gone), tell)
    except OSError as fault:
        return _tell(streams.unwritten() or file_fault.explained(fault), tell)
    except Exception:
        for line in traceback.format_exc().splitlines():
            info(line)
        hint = "please report the lines above"
        return _tell(ProvisionError("this is a fault of the program itself", hint=hint), tell)


def _tell(fault: ProvisionError, tell: Tell) -> int:
    with suppress(OSError):  # there is nowhere to say it; the exit code does
        tell(fault)
    return int(fault.exit)


def _tell_usage(fault: click.ClickException, tell: Tell) -> int:
    """What click refused (PV-105); people see how the command is used, too."""
    context = fault.ctx if isinstance(fault, click.UsageError) else None
    path = context.command_path if context else "provision"
    is_bare = isinstance(fault, click.exceptions.NoArgsIsHelpError)
    if context and tell is print_error:
        print_usage(context.get_help() if is_bare else context.get_usage())
    sentence = f"{path}: which command is not said" if is_bare else " ".join(fault.format_message().split())
    return _tell(InputError(sentence.removesuffix("."), hint=f"{path} --help", code=105), tell)
