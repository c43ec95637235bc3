"""`provision host …`: the machines that are known, and their profiles."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from provisioner.cli import machines
from provisioner.cli.host_boot import boot_words, prove_boot
from provisioner.cli.host_removal import move, remove
from provisioner.cli.inventory_apply import apply, import_, show_changes, tell_advice
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
)
from provisioner.cli.verdict_output import verification_words
from provisioner.errors import InputError
from provisioner.power import registry
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.hosts import HistoryEntry, HostDetails, HostStatus
    from provisioner.api.sightings import DhcpSighting
    from provisioner.client import Client

NETWORKED = sorted(name for name, driver in registry.DRIVERS.items() if driver.has_bmc)


@click.group()
def host() -> None:
    """Machines: add, import, list, show, edit, rename, move, lock, remove."""


for command in (apply, import_, move, remove, prove_boot):
    host.add_command(command)


def _stage(host: "HostStatus") -> str:
    stage = host.deployment.stage if host.deployment else "never deployed"
    lacks = ["firmware's boot not seen"] * bool(host.deployment and host.deployment.lacks_firmware_boot)
    also = lacks + ["locked"] * host.locked + ["verified over SSH"] * (host.verification is not None)
    return f"{stage} ({', '.join(also)})" if also else stage


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
    for neighbour in facts.neighbours:
        print_field("Switch", neighbour.describe())
    for disk in facts.disks:
        words = (disk.name, disk.model, disk.serial, size(disk.size), disk.content)
        print_field("Disk", "  ".join(word for word in words if word))
    if not facts.is_known:
        print_field("Disk", "not seen yet: no ramdisk of ours has run on it")
    for card in details.seen:
        print_field("Asked", _seen(card))
    if last := host.deployment:
        print_field("Last", f"{last.id}, {last.stage} since {local_time(last.stage_since)}")
        if boot := boot_words(last):
            print_field("Boot", boot)
    if host.verification:
        print_field("Verified", verification_words(host.verification))
    for event in details.events:
        print_field("Noted", f"{local_time(event.time)}  {event.describe()}")


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
@output_option
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
    output: str,
) -> None:
    """Add one host that is not known yet; with --from-seen, adopt a machine that asked on the deployment LAN.

    provision host add NAME --mac MAC --profile PROFILE

    provision host add --from-seen MAC --name NAME [--profile PROFILE]
    """
    wanted = _wanted_name(name, named)
    if bool(macs) == bool(seen):
        raise InputError("which machine it is is not said", hint="give --mac, or --from-seen, not both")
    bmc = {"driver": driver, "address": address, "secret": secret} if address else {}
    described = {"name": wanted, "profile": profile, "serial": serial, "rack": rack, "bmc": bmc}
    if seen:
        return _adopt(client, seen, described, output)
    if not profile:
        raise InputError("which profile it has is not said", hint="--profile NAME; provision profile list")
    from provisioner.state import inventory

    host = inventory.make_host({**described, "macs": list(macs)}, registry.DRIVERS)
    tell_advice(client.apply([host], [], only_new=True))
    return print_change(output, "host", client.host(wanted).host, f"{wanted} is known now", name=wanted)


def _wanted_name(name: str | None, named: str | None) -> str:
    if not (wanted := name or named) or (name and named and name != named):
        raise InputError("one name is needed", hint="provision host add NAME …")
    return wanted


def _adopt(client: "Client", seen: str, described: Mapping[str, object], output: str) -> None:
    from provisioner.api.machines import Adoption
    from provisioner.client.request import request

    host = client.adopt(seen, request(Adoption, **described))
    sentence = f"{host.name} is known now: {', '.join(host.macs)}, serial {host.serial or 'unknown'}"
    print_change(output, "host", host, sentence, name=host.name)


@host.command()
@click.argument("name", metavar="HOST")
@output_option
@with_client
def lock(client: "Client", name: str, output: str) -> None:
    """Refuse every deployment of a host; nor is it removed or moved."""
    locked = client.lock(name, locked=True)
    print_change(output, "host", locked, f"{locked.name} is locked", name=locked.name)


@host.command()
@click.argument("name", metavar="HOST")
@output_option
@with_client
def unlock(client: "Client", name: str, output: str) -> None:
    """Allow deployments of a host again."""
    unlocked = client.lock(name, locked=False)
    print_change(output, "host", unlocked, f"{unlocked.name} can be deployed", name=unlocked.name)


@host.command()
@click.argument("name", metavar="HOST")
@click.option("--mac", "macs", multiple=True, help="All of its MACs from now on; the first one boots.")
@click.option("--profile")
@click.option("--serial", help="The serial on its label; empty: none.")
@click.option("--uuid", help="Its system UUID; empty: none.")
@click.option("--rack")
@click.option("--bmc", "address", metavar="ADDRESS", help="The address of its BMC; empty: by hand.")
@click.option("--bmc-driver", "driver", type=click.Choice(NETWORKED))
@click.option("--secret", help="The name of the BMC's login.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@output_option
@with_client
def edit(
    client: "Client",
    name: str,
    dry_run: bool,
    output: str,
    macs: tuple[str, ...],
    address: str | None,
    driver: str | None,
    secret: str | None,
    **texts: str | None,
) -> None:
    """Change what is known of a host: only what is given. What changes is shown.

    Where somebody else changes it at the same time, nothing is changed (PV-146): give the command again.

    Where a file of the inventory has it, change it there: `provision host apply` puts it back else.
    """
    from provisioner.domain import inventory_diff
    from provisioner.state import inventory

    before = client.host(name).host
    body = before.as_host().model_dump(mode="json", exclude_unset=True)
    body |= {key: value for key, value in texts.items() if value is not None}
    if macs:
        body["macs"] = list(macs)
    body["bmc"] = _edited_bmc(body.get("bmc") or {}, address, driver, secret)
    after = inventory.make_host(body, registry.DRIVERS)
    changes = inventory_diff.between(([before], []), ([after], []))
    if not changes:
        show_changes(output, changes)
        return info(f"{before.name} is so already; nothing was changed")
    applied = client.apply([after], [], dry_run=dry_run, shown=[before])
    show_changes(output, changes)
    tell_advice(applied)
    return info("nothing was changed" if dry_run else f"{after.name} is changed")


def _edited_bmc(
    bmc: "Mapping[str, object]", address: str | None, driver: str | None, secret: str | None
) -> dict[str, object]:
    """A driver without a word of it is IPMI; another driver has another port."""
    if address == "":
        return {}
    given = {"address": address, "driver": driver, "secret": secret}
    edited = {**bmc, **{key: value for key, value in given.items() if value is not None}}
    if driver and driver != bmc.get("driver"):
        edited.pop("port", None)
    return {"driver": "ipmi", **edited} if edited else {}


HISTORY: "tuple[Column[HistoryEntry], ...]" = (
    Column("TIME", lambda entry: local_time(entry.event.time)),
    Column("WHAT", lambda entry: entry.event.describe()),
    Column("DEPLOYMENT", lambda entry: entry.event.deployment),
    Column("OUTCOME", lambda entry: entry.outcome),
)


@host.command()
@click.argument("name", metavar="HOST")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="So many at most.")
@output_option
@with_client
def history(client: "Client", name: str, limit: int, output: str) -> None:
    """Every order and change of a host, the newest first; of one that was removed, too, by its name."""
    found = client.history(name, limit)
    print_rows(output, "history", found.history, HISTORY, name=lambda entry: entry.event.kind)


@host.command()
@click.argument("name", metavar="HOST")
@click.argument("new", metavar="NAME")
@output_option
@with_client
def rename(client: "Client", name: str, new: str, output: str) -> None:
    """Call a host otherwise, with its hardware, fixed addresses and history.

    The machine calls itself by its old name until it is deployed again. Give it the new name in the
    inventory's file too, or `provision host apply` refuses the file, since two hosts have its MACs.
    """
    before = client.host(name).host.name
    renamed = client.rename_host(before, new)
    is_new = renamed.name != before
    sentence = f"{new} is its name now" if is_new else f"it is called {new} already; nothing was changed"
    print_change(output, "host", renamed, sentence, name=renamed.name)
