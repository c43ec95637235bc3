"""`provision host …`: the machines that are known, and their profiles."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import machines
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    Column,
    info,
    local_time,
    print_field,
    print_fields,
    print_record,
    print_rows,
    say,
)
from provisioner.errors import InputError
from provisioner.power import registry
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.hosts import HostDetails, HostStatus
    from provisioner.api.sightings import DhcpSighting
    from provisioner.client import Client

NETWORKED = sorted(name for name, driver in registry.DRIVERS.items() if driver.has_bmc)


@click.group()
def host() -> None:
    """Machines: add, list, show, lock."""


def _stage(host: "HostStatus") -> str:
    stage = host.deployment.stage if host.deployment else "never deployed"
    return f"{stage} (locked)" if host.locked else stage


COLUMNS: "tuple[Column[HostStatus], ...]" = (
    Column("HOST", lambda host: host.name),
    Column("MAC", lambda host: ", ".join(host.macs)),
    Column("ADDRESS", lambda host: host.address),
    Column("RACK", lambda host: host.rack),
    Column("PROFILE", lambda host: host.profile),
    Column("STATE", _stage),
    Column("IMAGE", lambda host: host.deployment.image if host.deployment else ""),
)


@host.command("list")
@click.option("--unknown", is_flag=True, help="The machines that asked for an address and are no hosts.")
@output_option
@with_client
def list_(client: "Client", output: str, unknown: bool) -> None:
    """Every host with its last deployment; with --unknown, the machines that nobody knows."""
    if unknown:
        rows = client.machines().machines
        return print_rows(output, "machines", rows, machines.COLUMNS, name=lambda machine: machine.mac)
    return print_rows(output, "hosts", client.hosts(), COLUMNS, name=lambda host: host.name)


@host.command()
@click.argument("name", metavar="HOST")
@output_option
@with_client
def show(client: "Client", name: str, output: str) -> None:
    """One host by name, serial or MAC, with what its ramdisk last saw."""
    details = client.host(name)
    host = details.host
    also = {"facts": details.facts, "seen": details.seen, "events": details.events}
    print_record(output, "host", host, lambda: _show(details), name=host.name, also=also)


def _seen(card: "DhcpSighting") -> str:
    """One card's last DHCP packet: when, from where, behind which switch port, and what stood against it."""
    packet = card.data
    port = " ".join(word for word in (packet.circuit, packet.remote) if word)
    relay = f"relay {packet.relay}" if packet.relay else ""
    words = [card.mac, local_time(card.last_seen), card.address, relay, f"port {port}" if port else ""]
    return "  ".join(word for word in (*words, packet.note) if word)


def _show(details: "HostDetails") -> None:
    host, facts = details.host, details.facts
    print_fields(host, COLUMNS)
    print_field("BMC", f"{host.bmc.driver} {host.bmc.address or host.bmc.mac or ''}".rstrip())
    print_field("Serial", host.serial or facts.serial)
    for disk in facts.disks:
        words = (disk.name, disk.model, disk.serial, size(disk.size), disk.content)
        print_field("Disk", "  ".join(word for word in words if word))
    if not facts.is_known:
        print_field("Disk", "not seen yet: no ramdisk of ours has run on it")
    for card in details.seen:
        print_field("Asked", _seen(card))
    if last := host.deployment:
        print_field("Last", f"{last.id}, {last.stage} since {local_time(last.stage_since)}")
    for event in details.events:
        print_field("Noted", f"{local_time(event.time)}  {event.describe()}")


@host.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what is wrong, or what would be new; change nothing.")
@with_client
def apply(client: "Client", folder: Path, dry_run: bool) -> None:
    """Add or replace the hosts and profiles of an inventory folder: all of them, or none."""
    from provisioner.state import inventory

    listed = cache(client.hosts)
    hosts, profiles = inventory.read(folder, registry.DRIVERS, advise=info, known=listed)
    if dry_run:
        client.apply(hosts, profiles, dry_run=True)
        known = {host.name for host in listed()}
        for host in hosts:
            say(f"{host.name}: {'replaced' if host.name in known else 'new'}")
        return info(f"{len(hosts)} hosts and {len(profiles)} profiles are right; nothing was changed")
    applied = client.apply(hosts, profiles)
    return info(f"{len(applied.hosts)} hosts and {len(applied.profiles)} profiles are known now")


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
@with_client
def add(
    client: "Client",
    name: str | None,
    named: str | None,
    macs: tuple[str, ...],
    seen: str | None,
    profile: str,
    serial: str,
    rack: str,
    address: str,
    driver: str,
    secret: str,
) -> None:
    """Add one host, or replace it; with --from-seen, adopt a machine that asked on the deployment LAN.

    provision host add NAME --mac MAC --profile PROFILE

    provision host add --from-seen MAC --name NAME [--profile PROFILE]
    """
    wanted = _wanted_name(name, named)
    if bool(macs) == bool(seen):
        raise InputError("which machine it is is not said", hint="give --mac, or --from-seen, not both")
    bmc = {"driver": driver, "address": address, "secret": secret} if address else {}
    described = {"name": wanted, "profile": profile, "serial": serial, "rack": rack, "bmc": bmc}
    if seen:
        return _adopt(client, seen, described)
    if not profile:
        raise InputError("which profile it has is not said", hint="--profile NAME; provision profile list")
    from provisioner.state import inventory

    host = inventory.make_host({**described, "macs": list(macs)}, registry.DRIVERS)
    client.apply([host], [])
    return info(f"{wanted} is known now")


def _wanted_name(name: str | None, named: str | None) -> str:
    if not (wanted := name or named) or (name and named and name != named):
        raise InputError("one name is needed", hint="provision host add NAME …")
    return wanted


def _adopt(client: "Client", seen: str, described: Mapping[str, object]) -> None:
    from provisioner.api.machines import Adoption
    from provisioner.client.calls import request

    host = client.adopt(seen, request(Adoption, **described))
    info(f"{host.name} is known now: {', '.join(host.macs)}, serial {host.serial or 'unknown'}")


@host.command()
@click.argument("name", metavar="HOST")
@with_client
def lock(client: "Client", name: str) -> None:
    """Refuse every deployment of a host."""
    info(f"{client.lock(name, locked=True).name} is locked")


@host.command()
@click.argument("name", metavar="HOST")
@with_client
def unlock(client: "Client", name: str) -> None:
    """Allow deployments of a host again."""
    info(f"{client.lock(name, locked=False).name} can be deployed")
