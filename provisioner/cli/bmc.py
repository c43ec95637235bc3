"""`provision bmc …`: ask and tell a host's BMC, through the service's worker; its console."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import click

from provisioner.cli.common import asks_service, emit_one, prints_data, say
from provisioner.cli.new_events import repeat
from provisioner.client import Client
from provisioner.errors import Exit, InputError
from provisioner.state.recording import TerminalText
from provisioner.system.units import size


@click.group()
def bmc() -> None:
    """BMCs: test, power, boot device, console, login."""


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
@click.argument("host", metavar="HOST|ID")
@click.option("--follow", "-f", is_flag=True, help="Go on until the deployment rests. Ctrl-C stops.")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), help="Only the last LINES lines.")
@click.option("--raw", is_flag=True, help="The bytes as they came, with what a terminal would obey.")
@asks_service
def console(client: Client, host: str, follow: bool, lines: int | None, raw: bool) -> int:
    """Show the serial console of a host's last deployment, or of the deployment with that ID.

    The service records it by IPMI's Serial-over-LAN from before the power-on until the deployment rests.
    """
    row = client.deployment(host)
    show = _Shown(raw=raw)
    say(f"{row['host']}  {row['id']}  serial console")
    try:
        if follow:
            for news in repeat(lambda wait: _next(client, row["id"], show, lines, wait), say, None):
                if not news["live"] and not news["data"]:
                    break
        else:
            while _next(client, row["id"], show, lines, 0)["data"]:
                pass
            if not show.offset:
                say("nothing was said yet; --follow waits for it")
    except KeyboardInterrupt:
        say(f"Detached; the recording goes on. Back with: provision bmc console {row['host']} --follow")
        return Exit.DETACHED
    show.end()
    return Exit.DONE


def _next(client: Client, ident: str, show: "_Shown", lines: int | None, wait: float) -> dict[str, Any]:
    """The next piece of the recording, shown."""
    wanted = 0 if show.began else lines or 0
    news = client.console(ident, offset=show.offset, lines=wanted, wait=wait)
    show.take(news)
    return news


class _Shown:
    """What of a recording is on the screen."""

    def __init__(self, *, raw: bool) -> None:
        self.offset, self.began = 0, False
        self._raw, self._text = raw, TerminalText()
        self._newest = b""
        self._column = 0  # of text, since the last line feed

    def take(self, news: dict[str, Any]) -> None:
        """Print the next bytes."""
        self._print(base64.b64decode(news["data"]))
        self._newest = base64.b64decode(news["newest"])
        self.offset, self.began = news["offset"], True

    def end(self) -> None:
        """What a full recording kept of its newest bytes, and the last line's end."""
        self._print(b"", last=True)
        if self._newest:
            say(f"\n[cut here at {size(self.offset)}: what follows are the newest {size(len(self._newest))}]")
            self._print(self._newest, last=True)
        if self._column and not self._raw:
            click.echo()

    def _print(self, data: bytes, *, last: bool = False) -> None:
        if self._raw:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        text = self._text.add(data, last=last)
        self._column = len(text.rpartition("\n")[2]) or (0 if "\n" in text else self._column)
        click.echo(text, nl=False)
        sys.stdout.flush()


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
