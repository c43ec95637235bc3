"""`provision token …`: tokens for programs."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, local_time, print_change, print_record, print_rows, say
from provisioner.cli.user import ROLES

if TYPE_CHECKING:
    from provisioner.api.people import TokenStatus
    from provisioner.client import Client

DAYS = 90.0


@click.group()
def token() -> None:
    """Tokens for programs that call the API: create, list, revoke. The service keeps their hashes alone."""


@token.command()
@click.option("--role", type=click.Choice(ROLES), help="What it may do; your own role unless given.")
@click.option("--days", type=float, default=DAYS, show_default=True, help="Until it ends.")
@click.option("--note", default="", help="What it is for, as lists show it.")
@click.option("--user", default="", help="Whose it is, as an admin; yours unless given.")
@output_option
@with_client
def create(client: "Client", role: str | None, days: float, note: str, user: str, output: str) -> None:
    """Make a token and print it, this once. A program shows it as PROVISION_TOKEN, or as a bearer token."""
    from provisioner.api.people import TokenOrder
    from provisioner.client.request import request

    made = client.create_token(request(TokenOrder, user=user, role=role, days=days, note=note))
    print_record(
        output, "token", made.token, lambda: say(made.text), name=made.text, also={"text": made.text}
    )
    until = local_time(made.token.expires)
    info(f"{made.token.id} of {made.token.user} is worth the role {made.token.role} until {until}")


COLUMNS: "tuple[Column[TokenStatus], ...]" = (
    Column("TOKEN", lambda token: token.id),
    Column("USER", lambda token: token.user),
    Column("ROLE", lambda token: token.role),
    Column("KIND", lambda token: token.kind),
    Column("UNTIL", lambda token: local_time(token.expires)),
    Column("NOTE", lambda token: token.note),
)


@token.command("list")
@click.option("--all", "everybodys", is_flag=True, help="Everybody's, as an admin.")
@output_option
@with_client
def list_(client: "Client", everybodys: bool, output: str) -> None:
    """Your tokens and logins, without their texts."""
    print_rows(
        output, "tokens", client.tokens(everybodys=everybodys).tokens, COLUMNS, name=lambda token: token.id
    )


@token.command()
@click.argument("ident", metavar="TOKEN")
@output_option
@with_client
def revoke(client: "Client", ident: str, output: str) -> None:
    """Let a token, or a login, be worth nothing from now on. TOKEN is its id, as lists show it."""
    gone = client.revoke_token(ident)
    print_change(output, "token", gone, f"{gone.id} of {gone.user} is worth nothing any more", name=gone.id)
