"""`provision host …`: the machines that are known, and their profiles."""

from pathlib import Path
from typing import Any

import click

from provisioner.cli import machines
from provisioner.cli.common import Column, asks_service, emit, emit_one, local_time, prints_data, say
from provisioner.client import Client
from provisioner.errors import InputError
from provisioner.power import registry
from provisioner.system.units import size

Row = dict[str, Any]
NETWORKED = sorted(name for name, driver in registry.DRIVERS.items() if driver.has_bmc)


@click.group()
def host() -> None:
    """Machines: add, list, show, lock."""


def _stage(row: Row) -> str:
    return row["deployment"]["stage"] if row["deployment"] else "never deployed"


def _image(row: Row) -> str:
    return row["deployment"]["image"] if row["deployment"] else ""


COLUMNS: tuple[Column, ...] = (
    ("HOST", lambda r: r["name"]),
    ("MAC", lambda r: ", ".join(r["macs"])),
    ("ADDRESS", lambda r: r["address"]),
    ("RACK", lambda r: r["rack"]),
    ("PROFILE", lambda r: r["profile"]),
    ("STATE", lambda r: _stage(r) + (" (locked)" if r["locked"] else "")),
    ("IMAGE", _image),
)


@host.command("list")
@click.option("--unknown", is_flag=True, help="The machines that asked for an address and are no hosts.")
@prints_data
@asks_service
def list_(client: Client, form: str, unknown: bool) -> None:
    """Every host with its last deployment; with --unknown, the machines that nobody knows."""
    if unknown:
        return emit(form, "machines", client.machines()["machines"], machines.COLUMNS, key="mac")
    return emit(form, "hosts", client.hosts(), COLUMNS)


@host.command()
@click.argument("name", metavar="HOST")
@prints_data
@asks_service
def show(client: Client, name: str, form: str) -> None:
    """One host by name, serial or MAC, with what its ramdisk last saw."""
    found = client.host(name)
    row, facts, seen = found["host"], found["facts"], found["seen"]
    emit_one(form, "host", row | {"facts": facts, "seen": seen}, lambda: _show(row, facts, seen))


def _seen(row: Row) -> str:
    """One card's last DHCP packet: when, from where, behind which switch port, and what stood against it."""
    data = row["data"]
    port = " ".join(word for word in (data.get("circuit"), data.get("remote")) if word)
    words = [row["mac"], local_time(row["last_seen"]), row["address"]]
    words += [f"relay {data['relay']}" if data.get("relay") else "", f"port {port}" if port else ""]
    return "  ".join(word for word in (*words, data.get("note", "")) if word)


def _show(row: Row, facts: Row, seen: list[Row]) -> None:
    for title, value in COLUMNS:
        click.echo(f"{title.capitalize():<10}{value(row)}")
    bmc = row["bmc"]
    click.echo(f"{'BMC':<10}{bmc['driver']} {bmc['address'] or bmc['mac'] or ''}".rstrip())
    click.echo(f"{'Serial':<10}{row['serial'] or facts.get('serial', '')}")
    for disk in facts.get("disks", []):
        words = (disk["name"], disk["model"], disk["serial"], size(disk["size"]), disk["content"])
        click.echo(f"{'Disk':<10}{'  '.join(word for word in words if word)}")
    if not facts:
        click.echo(f"{'Disk':<10}not seen yet: no ramdisk of ours has run on it")
    for card in seen:
        click.echo(f"{'Asked':<10}{_seen(card)}")
    last = row["deployment"]
    if last:
        click.echo(f"{'Last':<10}{last['id']}, {last['stage']} since {local_time(last['stage_since'])}")


@host.command()
@click.argument("folder", type=click.Path(path_type=Path))
@asks_service
def apply(client: Client, folder: Path) -> None:
    """Add or replace the hosts and profiles of an inventory folder: all of them, or none."""
    from provisioner.state import inventory

    hosts, profiles = inventory.read(folder, registry.DRIVERS)
    # only what was said: what is locked stays locked, what is left out takes the service's defaults
    done = client.apply(
        [item.model_dump(mode="json", exclude_unset=True) for item in hosts],
        [item.model_dump(mode="json", exclude_unset=True) for item in profiles],
    )
    say(f"{len(done['hosts'])} hosts and {len(done['profiles'])} profiles are known now")


@host.command()
@click.argument("name", required=False)
@click.option("--name", "named", metavar="NAME", help="The same as the argument.")
@click.option("--mac", "macs", multiple=True, help="Any notation; the first one boots.")
@click.option(
    "--from-seen",
    "seen",
    metavar="MAC",
    help="A machine of `host list --unknown`: its MACs, serial and UUID are taken from what it said.",
)
@click.option("--profile", default="", help="With --from-seen and one profile only, that one is taken.")
@click.option("--serial", default="", help="The serial on its label, as SMBIOS says it.")
@click.option("--rack", default="")
@click.option("--bmc", "address", default="", metavar="ADDRESS", help="Without it you press the button.")
@click.option("--bmc-driver", "driver", type=click.Choice(NETWORKED), default="ipmi", show_default=True)
@click.option("--secret", default="", help="The name of the BMC's login (provision bmc secret NAME).")
@asks_service
def add(
    client: Client, name: str | None, named: str | None, macs: tuple[str, ...], seen: str | None, **rest: str
) -> None:
    """Add one host, or replace it; with --from-seen, adopt a machine that asked on the deployment LAN.

    provision host add NAME --mac MAC --profile PROFILE

    provision host add --from-seen MAC --name NAME [--profile PROFILE]
    """
    address, secret, driver = rest.pop("address"), rest.pop("secret"), rest.pop("driver")
    bmc = {"driver": driver, "address": address, "secret": secret} if address else {}
    if not (wanted := name or named) or (name and named and name != named):
        raise InputError("one name is needed", hint="provision host add NAME …")
    if bool(macs) == bool(seen):
        raise InputError("which machine it is is not said", hint="give --mac, or --from-seen, not both")
    if seen:
        made = client.adopt(seen, name=wanted, bmc=bmc, **rest)
        return say(f"{wanted} is known now: {', '.join(made['macs'])}, serial {made['serial'] or 'unknown'}")
    if not rest["profile"]:
        raise InputError("which profile it has is not said", hint="--profile NAME; provision profile list")
    client.apply([{"name": wanted, "macs": list(macs), "bmc": bmc, **rest}], [])
    return say(f"{wanted} is known now")


@host.command()
@click.argument("name", metavar="HOST")
@asks_service
def lock(client: Client, name: str) -> None:
    """Refuse every deployment of a host."""
    say(f"{client.lock(name, locked=True)['name']} is locked")


@host.command()
@click.argument("name", metavar="HOST")
@asks_service
def unlock(client: Client, name: str) -> None:
    """Allow deployments of a host again."""
    say(f"{client.lock(name, locked=False)['name']} can be deployed")
