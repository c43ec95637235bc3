"""`provision profile …`: what kinds of hosts there are, and how to learn one from a machine."""

from typing import Any

import click

from provisioner.cli.common import Column, asks_service, emit, emit_one, prints_data, say
from provisioner.client import Client
from provisioner.system.units import size

Row = dict[str, Any]


@click.group()
def profile() -> None:
    """Kinds of hosts: list, show, learn from a machine."""


def _disk(row: Row) -> str:
    hints = row["disks"][0] if row["disks"] else {}
    said = {key: value for key, value in hints.items() if value not in ("", 0, None)}
    return ", ".join(
        f"{key} {size(value) if key.endswith('_size') else value}" for key, value in said.items()
    )


def _gpus(row: Row) -> str:
    return ", ".join(f"{gpu['count']} × {gpu['name'] or gpu['id']}" for gpu in row["gpus"])


COLUMNS: tuple[Column, ...] = (
    ("PROFILE", lambda r: r["name"]),
    ("IMAGE", lambda r: r["image"]),
    ("DISK", _disk),
    ("GPUS", _gpus),
    ("MEMORY", lambda r: size(r["memory_min"]) if r["memory_min"] else ""),
    ("HOSTS", lambda r: ", ".join(r["hosts"])),
)


@profile.command("list")
@prints_data
@asks_service
def list_(client: Client, form: str) -> None:
    """Every profile and the hosts that have it."""
    emit(form, "profiles", client.profiles(), COLUMNS)


@profile.command()
@click.argument("name")
@prints_data
@asks_service
def show(client: Client, name: str, form: str) -> None:
    """One profile."""
    row = client.profile(name)
    emit_one(form, "profile", row, lambda: _show(row))


def _show(row: Row) -> None:
    for title, value in COLUMNS:
        click.echo(f"{title.capitalize():<10}{value(row)}".rstrip())
    click.echo(f"{'Seal':<10}{row['seal']}")
    for stage, seconds in row["deadlines"].items():
        click.echo(f"{'Deadline':<10}{stage} {seconds} s")


@profile.command()
@click.argument("machine", metavar="HOST|MAC")
@click.option("--name", default="", help="Its name; else the host's profile, or the machine's product.")
@click.option(
    "--device", "devices", multiple=True, metavar="ID", help="A PCI id, vendor:device, that counts as a GPU."
)
@click.option("--apply", "store", is_flag=True, help="Store it in the service.")
@click.option("--replace", is_flag=True, help="Allow --apply to change the hardware of an existing profile.")
@prints_data
@asks_service
def learn(client: Client, machine: str, form: str, store: bool, **rest: Any) -> None:
    """Make a profile from what a machine showed in its last inventory or deployment.

    It is printed as inventory/profiles.yml has it. Disks are told by size, model and kind; GPUs by PCI id
    and count; all the memory that was seen must be there. Of an existing profile, image, deadlines and seal
    stay. Read it before a host is deployed with it: the hints say which disk is erased.
    """
    done = client.learn(machine, devices=list(rest.pop("devices")), apply=store, **rest)
    emit_one(form, "profile", done["profile"], lambda: click.echo(done["yaml"], nl=False))
    if store:
        say(f"the profile {done['profile']['name']} is stored")
