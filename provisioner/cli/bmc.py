"""`provision bmc …`: ask and tell a host's BMC, through the service's worker."""

import os
from pathlib import Path
from typing import Any

import click

from provisioner.cli.common import asks_service, emit_one, prints_data, say
from provisioner.client import Client
from provisioner.errors import InputError


@click.group()
def bmc() -> None:
    """BMCs: test, power, boot device, login."""


def _print(form: str, host: str, row: dict[str, Any], sentence: str) -> None:
    emit_one(form, "bmc", {"host": host, **row}, lambda: click.echo(sentence), key="host")


@bmc.command()
@click.argument("host")
@prints_data
@asks_service
def test(client: Client, host: str, form: str) -> None:
    """Log in, and read power state and boot device."""
    row = client.bmc(host, "test")
    suite = f", IPMI cipher suite {row['suite']}" if row.get("suite") else ""
    _print(form, host, row, f"{host}: BMC ok, power {row['state']}, boot device {row['boot']}{suite}")


@bmc.command()
@click.argument("host")
@click.argument("act", type=click.Choice(["state", "on", "off", "reset"]), default="state")
@prints_data
@asks_service
def power(client: Client, host: str, act: str, form: str) -> None:
    """Read the power state, or change it and read it back."""
    row = client.bmc(host, "power", act)
    read = "" if row["confirmed"] else " (not confirmed)"
    _print(form, host, row, f"{host}: power {row['state']}{read} {row['note']}".rstrip())


@bmc.command()
@click.argument("host")
@click.argument("device", type=click.Choice(["show", "network", "disk"]), default="show")
@prints_data
@asks_service
def boot(client: Client, host: str, device: str, form: str) -> None:
    """Read what boots next, or set it for one boot and read it back."""
    row = client.bmc(host, "boot", "" if device == "show" else device)
    read = "" if row["confirmed"] else " (not confirmed)"
    _print(form, host, row, f"{host}: boot device {row['boot']}{read} {row['note']}".rstrip())


@bmc.command()
@click.argument("name")
@click.option("--user", required=True)
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the password.")
@asks_service
def secret(client: Client, name: str, user: str, password_file: Path | None) -> None:
    """Keep a BMC's login under a name that the inventory uses.

    The password is read from --password-file, from PROVISION_BMC_PASSWORD, or asked; never an argument.
    """
    if password_file:
        try:
            password = password_file.read_text().splitlines()[0]
        except (OSError, IndexError) as fault:
            raise InputError(f"{password_file}: no password can be read: {fault}") from fault
    else:
        password = os.environ.get("PROVISION_BMC_PASSWORD") or click.prompt("Password", hide_input=True)
    client.put_secret(name, user, password)
    say(f"the login {name} is kept by the service")
