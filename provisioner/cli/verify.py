"""`provision verify …`: judge a host once more, after its deployment; on the host itself, or from here."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import connect, output_option, server_option, state_option
from provisioner.domain.acceptance import Level
from provisioner.errors import InputError

if TYPE_CHECKING:
    from provisioner.client import Client

FILE = click.Path(path_type=Path)
LEVELS = click.Choice([level.value for level in Level])


@click.command()
@click.argument("host", required=False)
@click.option("--local", is_flag=True, help="This very machine, without a service and a network.")
@click.option("--level", type=LEVELS, help="How much is done; what the profile says unless given.")
@click.option(
    "--seconds", type=click.IntRange(600, 7 * 86400), help="Of the level soak; the profile's unless given."
)
@click.option(
    "--key", type=FILE, help="Of a HOST: an SSH key that it accepts. With --local: what signs the report."
)
@click.option("--user", default="", metavar="NAME", help="Who logs in with the SSH key; you unless given.")
@click.option(
    "--address",
    default="",
    metavar="IP",
    help="With the SSH key: where HOST is by now, if elsewhere.",
)
@click.option("--profile", type=FILE, help="With --local: what the machine must be.")
@click.option("--name", default="", help="With --local: which profile of that file, where it has several.")
@click.option("--to", "target", type=FILE, help="With --local: the report, .json, .pdf or .html.")
@click.option("--yes", is_flag=True, help="By the ramdisk: restart the host without asking.")
@click.option("--no-wait", is_flag=True, help="By the ramdisk: do not wait for its end.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), help="By the ramdisk: wait SECONDS at most (exit code 7)."
)
@output_option
@server_option
@state_option
def verify(
    host: str | None,
    local: bool,
    level: str | None,
    seconds: int | None,
    key: Path | None,
    user: str,
    address: str,
    profile: Path | None,
    name: str,
    target: Path | None,
    yes: bool,
    no_wait: bool,
    timeout: float | None,
    output: str,
    server: str,
    state: Path,
) -> int:
    """Judge a host once more, after it was sealed; nothing is written on its disk.

    HOST --key FILE: the service logs in with an SSH key that the host's owner gives for this one time. The
    key stays in memory, and only until the verification ends. The host must show the SSH host key that it had
    when it was deployed, and let the user be root by sudo without a password. The report is signed by the
    site and in certificate list; the deployment stays what it is.

    HOST alone: the host is restarted into the ramdisk, which reads what it is and writes nothing; then it
    boots its disk again. It needs no key. NVIDIA's driver is not there: where the profile names one the
    verdict is incomplete at best, and a fault that is seen rejects.

    --local --profile FILE: on the machine itself, as root, with inventory/profiles.yml or what profile show
    -o json prints. What only an order knows, image and disk, is not judged. The report is signed with a key
    of certificate keygen; without --key there is no report, only what is shown.
    """
    chosen = Level(level) if level else None
    if local:
        _require_mine(is_another=bool(host or user or address))
        return _here(profile, name, chosen, seconds or 0, key, target, output)
    host = _require_host(host, is_mine=bool(profile or name or target))
    if key:
        return _by_key(connect(server, state), host, chosen, seconds or 0, key, user, address, output)
    _require_keyless(user, address, chosen)
    return _by_ramdisk(connect(server, state), host, yes, no_wait, timeout, output)


def _here(
    profile: Path | None,
    name: str,
    level: Level | None,
    seconds: int,
    key: Path | None,
    target: Path | None,
    output: str,
) -> int:
    if profile is None:
        raise InputError("what the machine must be is not said", hint="--profile FILE")
    from provisioner.cli import verify_local

    order = verify_local.LocalOrder(profile, name, level, key, target, seconds)
    return verify_local.verify(order, output)


def _by_key(
    client: "Client",
    host: str,
    level: Level | None,
    seconds: int,
    key: Path,
    user: str,
    address: str,
    output: str,
) -> int:
    from provisioner.cli import verify_host

    return verify_host.verify(client, verify_host.KeyOrder(host, level, seconds, key, user, address), output)


def _by_ramdisk(
    client: "Client", host: str, yes: bool, no_wait: bool, timeout: float | None, output: str
) -> int:
    from provisioner.cli import verify_ramdisk

    order = verify_ramdisk.RamdiskOrder(host, yes=yes, no_wait=no_wait, timeout=timeout)
    return verify_ramdisk.verify(client, order, output)


def _require_mine(*, is_another: bool) -> None:
    if is_another:
        words = "--local is this machine: HOST, --user and --address are of another"
        raise InputError(words, hint="drop them")


def _require_host(host: str | None, *, is_mine: bool) -> str:
    """The host that the service shall verify."""
    if is_mine:
        hint = "the service has the profile; the report: provision certificate HOST --to FILE.pdf"
        raise InputError("--profile, --name and --to are for --local", hint=hint)
    if not by_service():
        raise InputError("this machine has no service: it judges itself", hint="--local --profile FILE")
    if host is None:
        raise InputError("which host is not said", hint="provision verify HOST, or --local")
    return host


def _require_keyless(user: str, address: str, level: Level | None) -> None:
    """Nothing is said that only a login with a key can do."""
    if user or address:
        option = "--user" if user else "--address"
        raise InputError(f"{option} is for a login with an SSH key", hint="--key FILE")
    if level:
        raise InputError("--level is for --key and --local", hint="the ramdisk makes all that it can")


def by_service() -> bool:
    """Whether what asks a service is installed: a finished cube has none of it (golden/product.py)."""
    return Path(__file__).with_name("verify_ramdisk.py").exists()
