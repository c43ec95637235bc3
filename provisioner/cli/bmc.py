"""`provision bmc …`: ask and tell a host's BMC, through the service's worker; its console."""

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import info, print_record, say, write
from provisioner.cli.polling import poll
from provisioner.errors import Exit, InputError
from provisioner.state.recording import TerminalText
from provisioner.system.units import size

if TYPE_CHECKING:
    from provisioner.api.bmc import BmcBoot, BmcPower, BmcTest
    from provisioner.api.console import ConsoleOutput
    from provisioner.client import Client


@click.group()
def bmc() -> None:
    """BMCs: test, power, boot device, console, login."""


def _print(output: str, host: str, result: "BmcTest | BmcPower | BmcBoot", sentence: str) -> None:
    print_record(output, "bmc", result, lambda: say(sentence), name=host, also={"host": host})


@bmc.command()
@click.argument("host")
@output_option
@with_client
def test(client: "Client", host: str, output: str) -> None:
    """Log in, and read power state and boot device."""
    result = client.test_bmc(host)
    suite = f", IPMI cipher suite {result.suite}" if result.suite else ""
    _print(output, host, result, f"{host}: BMC ok, power {result.state}, boot device {result.boot}{suite}")


@bmc.command()
@click.argument("host")
@click.argument("act", type=click.Choice(["state", "on", "off", "reset"]), default="state")
@output_option
@with_client
def power(client: "Client", host: str, act: str, output: str) -> None:
    """Read the power state, or change it and read it back."""
    result = client.power(host, act)
    _print(output, host, result, f"{host}: power {result.state}{_unconfirmed(result)}")


@bmc.command()
@click.argument("host")
@click.argument("device", type=click.Choice(["show", "network", "disk"]), default="show")
@output_option
@with_client
def boot(client: "Client", host: str, device: str, output: str) -> None:
    """Read what boots next, or set it for one boot and read it back."""
    result = client.boot_device(host, "" if device == "show" else device)
    _print(output, host, result, f"{host}: boot device {result.boot}{_unconfirmed(result)}")


def _unconfirmed(result: "BmcPower | BmcBoot") -> str:
    """What a sentence about the act must add."""
    return f"{'' if result.confirmed else ' (not confirmed)'} {result.note}".rstrip()


@bmc.command()
@click.argument("host", metavar="HOST|ID")
@click.option("--follow", "-f", is_flag=True, help="Go on until the deployment rests. Ctrl-C stops.")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), help="Only the last LINES lines.")
@click.option("--raw", is_flag=True, help="The bytes as they came, with what a terminal would obey.")
@with_client
def console(client: "Client", host: str, follow: bool, lines: int | None, raw: bool) -> int:
    """Show the serial console of a host's last deployment, or of the deployment with that ID.

    The service records it by IPMI's Serial-over-LAN from before the power-on until the deployment rests.
    """
    deployment = client.deployment(host)
    reader = _Reader(client, deployment.id, lines or 0, raw=raw)
    info(f"{deployment.host}  {deployment.id}  serial console")
    try:
        if follow:
            for piece in poll(reader.read, info):
                if not piece.live and not piece.data:
                    break
        else:
            while reader.read(0).data:
                pass
            if not reader.offset:
                info("nothing was said yet; --follow waits for it")
    except KeyboardInterrupt:
        info(f"Detached; the recording goes on. Back with: provision bmc console {deployment.host} --follow")
        return Exit.DETACHED
    reader.end()
    return Exit.DONE


class _Reader:
    """Reads a recording and prints it; `offset` is how far it has come, in bytes."""

    def __init__(self, client: "Client", ident: str, lines: int, *, raw: bool) -> None:
        self.offset = 0
        self._client, self._ident, self._lines = client, ident, lines
        self._raw, self._text = raw, TerminalText()
        self._newest = b""
        self._column = 0  # of text, since the last line feed

    def read(self, wait: float) -> "ConsoleOutput":
        """Print the next bytes, for which the service waits so many seconds at most."""
        piece = self._client.console(self._ident, offset=self.offset, lines=self._lines, wait=wait)
        self._print(base64.b64decode(piece.data))
        self._newest = base64.b64decode(piece.newest)
        self.offset, self._lines = piece.offset, 0
        return piece

    def end(self) -> None:
        """What a full recording kept of its newest bytes, and the last line's end."""
        self._print(b"", last=True)
        if self._newest:
            info("")
            info(f"[cut here at {size(self.offset)}: what follows are the newest {size(len(self._newest))}]")
            self._print(self._newest, last=True)
        if self._column and not self._raw:
            say("")

    def _print(self, data: bytes, *, last: bool = False) -> None:
        if self._raw:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        text = self._text.add(data, last=last)
        self._column = len(text.rpartition("\n")[2]) or (0 if "\n" in text else self._column)
        write(text)


@bmc.command()
@click.argument("name")
@click.option("--user", required=True)
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the password.")
@with_client
def secret(client: "Client", name: str, user: str, password_file: Path | None) -> None:
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
    info(f"the login {name} is kept by the service")
