"""`provision bmc …`: ask and tell a host's BMC, through the service's worker; its console."""

import base64
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import question, removal
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, print_change, print_record, print_rows, say, write
from provisioner.cli.password import read_password
from provisioner.cli.polling import poll
from provisioner.errors import Exit, InputError
from provisioner.state.recording import TerminalText
from provisioner.state.secrets import require_name
from provisioner.system.units import named, size

if TYPE_CHECKING:
    from provisioner.api.bmc import (
        BmcBoot,
        BmcIdentified,
        BmcPower,
        BmcRotated,
        BmcSensorStatus,
        BmcTest,
        LoginStored,
        LoginUse,
    )
    from provisioner.api.console import ConsoleOutput
    from provisioner.client import Client


@click.group()
def bmc() -> None:
    """BMCs: test, power, boot device, light, sensors, console, login."""


def _print(
    output: str, host: str, result: "BmcTest | BmcPower | BmcBoot | BmcIdentified | BmcRotated", sentence: str
) -> None:
    print_record(output, "bmc", result, lambda: say(sentence), name=host, also={"host": host})


@bmc.command()
@click.argument("host", required=False)
@click.option("--select", default="", metavar="EXPR", help="All hosts that fit, as rack=B3,state!=ready.")
@click.option("--all", "everything", is_flag=True, help="All hosts.")
@output_option
@with_client
def test(client: "Client", host: str | None, select: str, everything: bool, output: str) -> int:
    """Log in, and read power state and boot device; of many hosts at the same time, what failed first.

    Exit code of many: 0 where nothing failed, 4 where some failed, 5 where none answered as it should.
    """
    if select or everything:
        if host:
            raise InputError("one host or many hosts, not both", hint="drop HOST, or --select and --all")
        return _test_many(client, select, output, everything=everything)
    if not host:
        raise InputError("which host is not said", hint="provision bmc test HOST, --select EXPR or --all")
    with question.changing_nothing():
        result = client.test_bmc(host)
    suite = f", IPMI cipher suite {result.suite}" if result.suite else ""
    _print(output, host, result, f"{host}: BMC ok, power {result.state}, boot device {result.boot}{suite}")
    if result.note and output == "table":
        info(result.note)
    return Exit.DONE


def _test_many(client: "Client", select: str, output: str, *, everything: bool) -> int:
    from provisioner.api.bmc import BmcSelection
    from provisioner.cli import preflight
    from provisioner.client.request import request

    found = preflight.ask(client, request(BmcSelection, select=select, all=everything))
    if output == "table":
        preflight.show_checks(found)
    else:
        print_rows(output, "tests", found.checks, preflight.COLUMNS, name=lambda check: check.host)
    results = {check.result for check in found.checks}
    if not results & {"failed", "unknown"}:
        return Exit.DONE
    return Exit.PARTLY if "ok" in results else Exit.UNREACHABLE


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


@bmc.command()
@click.argument("host")
@click.option("--off", is_flag=True, help="Switch it off.")
@click.option("--seconds", type=click.IntRange(1, 255), help="For so long; else until --off.")
@output_option
@with_client
def identify(client: "Client", host: str, off: bool, seconds: int | None, output: str) -> None:
    """Switch the identification light on, so that whoever stands there finds the machine before it is erased.

    IPMI's Chassis Identify, Redfish's LocationIndicatorActive or IndicatorLED; read back where the BMC tells.
    """
    if off and seconds:
        raise click.UsageError("--off or --seconds, not both")
    result = client.identify(host, "off" if off else "on", seconds or 0)
    _print(output, host, result, f"{host}: light {result.light}{_unconfirmed(result)}")


@bmc.command()
@click.argument("host")
@output_option
@with_client
def sensors(client: "Client", host: str, output: str) -> None:
    """Read the BMC's sensors: temperatures, fans, voltages, power supplies; what is not well comes first."""
    result = client.sensors(host)
    rows = sorted(result.sensors, key=lambda sensor: HEALTHS.index(sensor.health))
    print_rows(output, "sensors", rows, SENSORS, name=lambda sensor: sensor.name)
    if result.note:
        info(result.note)


@bmc.command()
@click.argument("host")
@output_option
@with_client
def rotate(client: "Client", host: str, output: str) -> None:
    """Give the BMC another password: random, kept encrypted for the worker, and shown to nobody.

    The one before is kept until a login with the new one has worked; if anything is killed in between, the
    worker finds out which one holds. From then on the host has a login of its own for the name in the
    inventory.
    """
    result = client.rotate(host)
    _print(output, host, result, f"{host}: user {result.user} has {result.note}")


HEALTHS = ("critical", "warning", "unknown", "ok")
SENSORS: "tuple[Column[BmcSensorStatus], ...]" = (
    Column("HEALTH", lambda sensor: sensor.health),
    Column("SENSOR", lambda sensor: sensor.name),
    Column("KIND", lambda sensor: sensor.kind),
    Column("VALUE", lambda sensor: "" if sensor.value is None else f"{sensor.value:g} {sensor.unit}"),
    Column("STATES", lambda sensor: ", ".join(sensor.states)),
)


def _unconfirmed(result: "BmcPower | BmcBoot | BmcIdentified") -> str:
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


class _Secrets(click.Group):
    """`provision bmc secret NAME --user USER` keeps a login, as `secret put` does.

    A word without --user that is like a command is a command that was mistyped.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_command = not args or args[0] in (*self.commands, *ctx.help_option_names)
        has_user = any(word.startswith("--u") for word in args)
        if not is_command and (has_user or not get_close_matches(args[0], self.commands)):
            args = ["put", *args]
        return super().parse_args(ctx, args)


@bmc.group(cls=_Secrets)
def secret() -> None:
    """Logins of BMCs, by the names that the inventory uses: put, list, remove.

    provision bmc secret NAME --user USER does what `put` does. A login is never shown.
    """


@secret.command()
@click.argument("name")
@click.option("--user", required=True)
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the password.")
@click.option("--host", default="", help="For this host's BMC alone, where others share the name.")
@output_option
@with_client
def put(client: "Client", name: str, user: str, password_file: Path | None, host: str, output: str) -> None:
    """Keep a BMC's login under a name that the inventory uses, in place of the one that was kept so.

    The password is read from --password-file, from PROVISION_BMC_PASSWORD, or asked; never an argument.
    """
    require_name(name)
    password = read_password(
        password_file, f"this asks for the password of the login {name}", variable="PROVISION_BMC_PASSWORD"
    )
    stored = client.put_secret(name, user, password, host)
    print_change(output, "secret", stored, _stored(stored), name=name)


def _stored(login: "LoginStored") -> str:
    """What is kept now, and whose BMCs are logged in to by it."""
    kept = "is replaced by this one" if login.replaced else "is kept by the service"
    if login.hosts:
        return f"the login {login.secret} {kept}; it is for the BMC of {named(login.hosts)}"
    return f"the login {login.secret} {kept}; no host uses it" + ("" if login.replaced else " yet")


LOGINS: "tuple[Column[LoginUse], ...]" = (
    Column("LOGIN", lambda login: login.secret),
    Column("HOSTS", lambda login: ", ".join(login.hosts) or "(none)"),
    Column("WITH ONE OF THEIR OWN", lambda login: ", ".join(login.own)),
)


@secret.command("list")
@output_option
@with_client
def list_(client: "Client", output: str) -> None:
    """Every login that is kept, and the hosts whose BMC it is for; never the login itself."""
    print_rows(output, "secrets", client.secrets(), LOGINS, name=lambda login: login.secret)


@secret.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def remove(client: "Client", name: str, yes: bool, output: str) -> None:
    """Forget a login that no host needs."""

    def forget(text: str, dry_run: bool) -> "LoginStored":
        return client.remove_secret(text, dry_run=dry_run)

    gone = removal.confirmed(forget, name, name=lambda one: one.secret, noun="the login ", yes=yes)
    print_change(output, "secret", gone, f"the login {name} is removed", name=name)
