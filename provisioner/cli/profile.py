"""`provision profile …`: what kinds of hosts there are, and how to learn one from a machine."""

import difflib
from typing import TYPE_CHECKING

import click

from provisioner.cli import removal
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    Column,
    info,
    local_time,
    print_change,
    print_field,
    print_fields,
    print_record,
    print_rows,
    write,
)
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.hosts import HostRendering, RenderedText
    from provisioner.api.profiles import ProfileStatus
    from provisioner.client import Client


@click.group()
def profile() -> None:
    """Kinds of hosts: list, show, learn, remove; what a host would be served."""


COLUMNS: "tuple[Column[ProfileStatus], ...]" = (
    Column("PROFILE", lambda profile: profile.name),
    Column("IMAGE", lambda profile: profile.image),
    Column("DISK", lambda profile: profile.disk.describe()),
    Column("GPUS", lambda profile: ", ".join(f"{gpu.count} × {gpu.name or gpu.id}" for gpu in profile.gpus)),
    Column("MEMORY", lambda profile: size(profile.memory_min) if profile.memory_min else ""),
    Column("HOSTS", lambda profile: ", ".join(profile.hosts)),
)


@profile.command("list")
@output_option
@with_client
def list_(client: "Client", output: str) -> None:
    """Every profile and the hosts that have it."""
    print_rows(output, "profiles", client.profiles(), COLUMNS, name=lambda profile: profile.name)


@profile.command()
@click.argument("name", metavar="PROFILE")
@output_option
@with_client
def show(client: "Client", name: str, output: str) -> None:
    """One profile."""
    row = client.profile(name)
    print_record(output, "profile", row, lambda: _show(row), name=row.name)


def _show(row: "ProfileStatus") -> None:
    print_fields(row, COLUMNS)
    print_field("Seal", row.seal)
    print_field("Restart", row.restart)
    for stage, seconds in row.deadlines.items():
        print_field("Deadline", f"{stage} {seconds} s")


@profile.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def remove(client: "Client", name: str, yes: bool, output: str) -> None:
    """Forget a profile that no host has.

    Where a file of the inventory still has it, `provision host apply` brings it back.
    """

    def forget(text: str, dry_run: bool) -> "ProfileStatus":
        return client.remove_profile(text, dry_run=dry_run)

    gone = removal.confirmed(forget, name, name=lambda one: one.name, noun="the profile ", yes=yes)
    print_change(output, "profile", gone, f"the profile {gone.name} is removed", name=gone.name)


@profile.command()
@click.argument("host")
@click.option("--diff", "only_diff", is_flag=True, help="Show only what differs from the last time.")
@output_option
@with_client
def render(client: "Client", host: str, output: str, only_diff: bool) -> None:
    """What a host would be served if it were ordered now: boot script, seed, answers of the installer.

    With the image of its profile, by the code that serves them; and the difference to what it was served the
    last time. Nonce, token and the deployment's id have placeholders.
    """
    rendering = client.render(host)
    name = rendering.host
    print_record(output, "rendering", rendering, lambda: _show_files(rendering, only_diff), name=name)


def _show_files(rendering: "HostRendering", only_diff: bool) -> None:
    for file in rendering.files:
        difference = _difference(file)
        if only_diff and file.last is not None and not difference:
            continue
        info(f"── {file.name}: {_summary(file, difference)}")
        write(difference if only_diff and file.last is not None else file.text)
        if difference and not only_diff:
            info(f"── {file.name}, against the last time:")
            write(difference)


def _summary(file: "RenderedText", difference: str) -> str:
    if file.last is None:
        return "never served yet"
    return f"{'differs from' if difference else 'as'} what was served at {local_time(file.served)}"


def _difference(file: "RenderedText") -> str:
    """As `diff -u` has it; empty where there is none, or nothing to compare with."""
    if file.last is None:
        return ""
    before, now = file.last.splitlines(keepends=True), file.text.splitlines(keepends=True)
    lines = difflib.unified_diff(before, now, "last time", "now")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@profile.command()
@click.argument("machine", metavar="HOST|MAC")
@click.option("--name", default="", help="Its name; else the host's profile, or the machine's product.")
@click.option(
    "--device", "devices", multiple=True, metavar="ID", help="A PCI id, vendor:device, that counts as a GPU."
)
@click.option(
    "--report", default="", metavar="ID", help="An accepted report; the host's newest unless given."
)
@click.option("--apply", "store", is_flag=True, help="Store it in the service.")
@click.option("--replace", is_flag=True, help="Allow --apply to change the hardware of an existing profile.")
@output_option
@with_client
def learn(
    client: "Client",
    machine: str,
    output: str,
    name: str,
    devices: tuple[str, ...],
    report: str,
    store: bool,
    replace: bool,
) -> None:
    """Make a profile from what a machine showed in its last inventory or deployment.

    It is printed as inventory/profiles.yml has it. Disks are told by size, model and kind; GPUs by PCI id
    and count; all the memory that was seen must be there. Of an existing profile, image, deadlines and seal
    stay. Read it before a host is deployed with it: the hints say which disk is erased.

    Where the host has an accepted report of its GPUs, what they are becomes what the profile expects, and
    what was measured its limits: rates less 10 %, temperature and 8 °C more. provision certificate list HOST
    shows its reports.
    """
    from provisioner.api.profiles import ProfileLesson

    lesson = ProfileLesson(
        machine=machine, name=name, devices=devices, report=report, apply=store, replace=replace
    )
    learned = client.learn(lesson)
    profile, text = learned.profile, learned.yaml
    print_record(output, "profile", profile, lambda: write(text), name=profile.name)
    if learned.report:
        info(f"GPUs and limits are of the report {learned.report}: read the limits before you trust them")
    elif learned.note:
        info(learned.note)
    if store:
        info(f"the profile {profile.name} is stored")
