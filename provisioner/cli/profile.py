"""`provision profile …`: what kinds of hosts there are, and how to learn one from a machine."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, print_field, print_fields, print_record, print_rows, write
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.profiles import ProfileStatus
    from provisioner.client import Client


@click.group()
def profile() -> None:
    """Kinds of hosts: list, show, learn from a machine."""


def _disk(profile: "ProfileStatus") -> str:
    hints = profile.disk.model_dump(exclude_defaults=True)
    return ", ".join(
        f"{key} {size(value) if key.endswith('_size') else value}" for key, value in hints.items()
    )


COLUMNS: "tuple[Column[ProfileStatus], ...]" = (
    Column("PROFILE", lambda profile: profile.name),
    Column("IMAGE", lambda profile: profile.image),
    Column("DISK", _disk),
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
@click.argument("name")
@output_option
@with_client
def show(client: "Client", name: str, output: str) -> None:
    """One profile."""
    row = client.profile(name)
    print_record(output, "profile", row, lambda: _show(row), name=row.name)


def _show(row: "ProfileStatus") -> None:
    print_fields(row, COLUMNS)
    print_field("Seal", row.seal)
    for stage, seconds in row.deadlines.items():
        print_field("Deadline", f"{stage} {seconds} s")


@profile.command()
@click.argument("machine", metavar="HOST|MAC")
@click.option("--name", default="", help="Its name; else the host's profile, or the machine's product.")
@click.option(
    "--device", "devices", multiple=True, metavar="ID", help="A PCI id, vendor:device, that counts as a GPU."
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
    store: bool,
    replace: bool,
) -> None:
    """Make a profile from what a machine showed in its last inventory or deployment.

    It is printed as inventory/profiles.yml has it. Disks are told by size, model and kind; GPUs by PCI id
    and count; all the memory that was seen must be there. Of an existing profile, image, deadlines and seal
    stay. Read it before a host is deployed with it: the hints say which disk is erased.
    """
    from provisioner.api.profiles import ProfileLesson

    lesson = ProfileLesson(machine=machine, name=name, devices=devices, apply=store, replace=replace)
    learned = client.learn(lesson)
    profile, text = learned.profile, learned.yaml
    print_record(output, "profile", profile, lambda: write(text), name=profile.name)
    if store:
        info(f"the profile {profile.name} is stored")
