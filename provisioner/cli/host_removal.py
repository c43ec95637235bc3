"""`provision host remove` and `move`: a host is no more; what it is, is shown before."""

from typing import TYPE_CHECKING

import click

from provisioner.cli import question, removal
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, info_field, print_change, print_fields

if TYPE_CHECKING:
    from provisioner.api.hosts import HostStatus
    from provisioner.client import Client


def _bmc(host: "HostStatus") -> str:
    bmc = host.bmc
    where = bmc.address or bmc.mac or ""
    login = f"login {bmc.secret}" if bmc.secret else ""
    return " ".join(str(word) for word in (bmc.driver, where, bmc.system, login) if word)


COLUMNS: "tuple[Column[HostStatus], ...]" = (
    Column("HOST", lambda host: host.name),
    Column("MAC", lambda host: ", ".join(host.macs)),
    Column("SERIAL", lambda host: host.serial),
    Column("UUID", lambda host: host.uuid),
    Column("BMC", _bmc),
    Column("RACK", lambda host: host.rack),
    Column("PROFILE", lambda host: host.profile),
    Column("LOCK", lambda host: "locked" if host.locked else "none"),
    Column("STATE", lambda host: host.deployment.stage if host.deployment else "never deployed"),
)


def _show(host: "HostStatus") -> None:
    print_fields(host, COLUMNS, info_field)


@click.command()
@click.argument("name", metavar="HOST")
@click.argument("to", metavar="OTHER")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def move(client: "Client", name: str, to: str, yes: bool, output: str) -> None:
    """Say that HOST's machine is OTHER now, as after a mainboard was moved: HOST is no more.

    OTHER has its cards, serial, UUID, BMC and hardware from now on, and keeps its own name, rack, profile,
    disk and history. A locked host is not moved, and nothing is moved to it. Change the inventory's file
    likewise.
    """
    source, target = client.host(name).host, client.host(to).host
    shown = (source.as_host(), target.as_host())
    client.move_host(shown, dry_run=True)

    def show() -> None:
        _show(source)
        info("")
        _show(target)
        info(f"{target.name} becomes {', '.join(source.macs)}; {source.name} is no more")

    about = f"this removes the host {source.name}"
    question.require_word(target.name, about, yes=yes, wanted="to go on", show=show)
    moved = client.move_host(shown)
    sentence = f"{moved.name} is {', '.join(moved.macs)} now, and {source.name} is no more"
    print_change(output, "host", moved, sentence, name=moved.name)


@click.command()
@click.argument("name", metavar="HOST")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def remove(client: "Client", name: str, yes: bool, output: str) -> None:
    """Forget a host that is neither deployed nor locked. Its disk is not touched, and its history stays.

    Where a file of the inventory still has it, `provision host apply` brings it back. Else all that was
    known of it is in `provision host history HOST -o json`.
    """

    def forget(text: str, dry_run: bool) -> "HostStatus":
        return client.remove_host(text, dry_run=dry_run)

    gone = removal.confirmed(forget, name, name=lambda one: one.name, noun="the host ", yes=yes, show=_show)
    known = f"all that was known of it: provision host history {gone.name} -o json"
    print_change(output, "host", gone, f"{gone.name} is removed; {known}", name=gone.name)
