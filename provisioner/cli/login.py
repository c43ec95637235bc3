"""`provision login|logout|whoami`: who this user is to a service."""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import logins, question
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import info, local_time, print_change, print_field, print_record
from provisioner.cli.password import read_password
from provisioner.domain.values import fingerprint_digits
from provisioner.errors import InputError, ProvisionError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from provisioner.api.people import LoginAnswer, WhoAmI
    from provisioner.client import Client

PATIENCE = 10.0  # seconds for a certificate


@dataclass(frozen=True)
class LoggedOut:
    """Where nobody is logged in any more, and who was."""

    url: str
    user: str


@click.command()
@click.argument("url", metavar="URL")
@click.option("--user", help="Your name there; else that of this machine.")
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the password.")
@click.option(
    "--fingerprint", default="", help="The SHA-256 of the service's certificate, in place of asking."
)
@output_option
def login(url: str, user: str | None, password_file: Path | None, fingerprint: str, output: str) -> None:
    """Log in to a service on another machine (https://ADDRESS).

    It is then the one that is meant where no --server is given, and no service runs here. At the first time
    its certificate is shown: compare it with what the service says at its start on its own machine. From then
    on any other certificate is refused. The password is read from --password-file, from PROVISION_PASSWORD,
    or asked. The login ends after 12 hours, or by provision logout.
    """
    from provisioner.client import Client
    from provisioner.client.transport import normal_url

    url, known = normal_url(url), logins.read()
    pinned = _certificate(url, known.find(url), fingerprint)
    name = user or getpass.getuser()
    password = read_password(password_file, f"this asks for the password of {name}")
    answer = Client(server=url, fingerprint=pinned).log_in(name, password)
    server = logins.KnownServer(fingerprint=pinned, token=answer.token, user=answer.user)
    logins.write(known.with_server(url, server, current=url))
    _tell(output, answer, url)


def _tell(output: str, answer: "LoginAnswer", url: str) -> None:
    from provisioner.api.people import WhoAmI

    identity = WhoAmI(user=answer.user, role=answer.role, way="token", expires=answer.expires)
    until = local_time(answer.expires)
    sentence = f"{answer.user} is logged in at {url} as {answer.role} until {until}"
    print_change(output, "identity", identity, sentence, name=answer.user)


def _certificate(url: str, known: logins.KnownServer | None, said: str) -> str:
    """The SHA-256 that is believed from now on. Raises RefusedError (PV-133, PV-706), UnreachableError."""
    from provisioner.client import pinned
    from provisioner.client.transport import address_of, parsed

    host, port = address_of(parsed(url))
    found = pinned.fetch_fingerprint(host, port, PATIENCE)
    if said:
        if fingerprint_digits(said) != found:
            raise pinned.changed(f"{host}:{port}", fingerprint_digits(said), found)
        return found
    if known:
        if known.fingerprint != found:
            raise pinned.changed(f"{host}:{port}", known.fingerprint, found)
        return found
    question.require_terminal(f"the certificate of {url} is not known here", "--fingerprint SHA256")
    info(f"The certificate of {url} is not known here yet. Its SHA-256 is")
    info(f"  {pinned.shown(found)}")
    if not question.confirm("Is it the one that the service shows on its own machine?"):
        raise RefusedError(f"the certificate was not believed; {question.NOTHING}", code=133)
    return found


@click.command()
@click.argument("url", metavar="URL", required=False)
@output_option
def logout(url: str | None, output: str) -> None:
    """Log out of a service, by default the one that was logged in to last; its certificate stays known."""
    from provisioner.client import Client
    from provisioner.client.transport import normal_url

    known = logins.read()
    place = normal_url(url) if url else known.current
    server = known.find(place)
    if not server or not server.token:
        raise InputError(f"nobody is logged in at {place or 'any service'} here", hint="provision whoami")
    try:
        Client(server=place, token=server.token, fingerprint=server.fingerprint).log_out()
    except (UnreachableError, RefusedError) as fault:
        _require_harmless(fault)
        info(f"the service could not be told: {fault}; the token ends by itself within 12 hours")
    current = "" if place == known.current else known.current
    logins.write(
        known.with_server(place, logins.KnownServer(fingerprint=server.fingerprint), current=current)
    )
    gone = LoggedOut(url=place, user=server.user)
    print_change(output, "logout", gone, f"{gone.user} is logged out of {place}", name=place)


def _require_harmless(fault: ProvisionError) -> None:
    """A token that is known to nobody any more is as good as logged out; another certificate is not."""
    if isinstance(fault, RefusedError) and fault.code not in (601, 708):
        raise fault


@click.command()
@output_option
@with_client
def whoami(client: "Client", output: str) -> None:
    """Who the service takes you for, and what you may do there."""
    who = client.whoami()
    print_record(output, "identity", who, lambda: _show(who, client.place), name=who.user)


def _show(who: "WhoAmI", place: str) -> None:
    way = "as the Unix socket's peer" if who.way == "socket" else f"by the token {who.token}"
    print_field("User", who.user)
    print_field("Role", who.role)
    print_field("Known", f"{way}, at {place}")
    if who.expires:
        print_field("Until", local_time(who.expires))
