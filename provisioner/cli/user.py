"""`provision user …`: people, and what each may do."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import question
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, local_time, print_change, print_rows
from provisioner.cli.password import read_password

if TYPE_CHECKING:
    from provisioner.api.people import UserStatus
    from provisioner.client import Client

ROLES = ("viewer", "technician", "operator", "admin")
role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What the user may do; each more than the one before.",
)


@click.group()
def user() -> None:
    """People: add, list, give a role or a password, remove.

    A Linux user of the service's machine whose name is known here comes in without a password, where the
    settings have access.socket; from elsewhere everybody needs one. root is an admin by itself.
    """


@user.command()
@click.argument("name")
@role_option
@output_option
@with_client
def add(client: "Client", name: str, role: str, output: str) -> None:
    """Let a person use the service; with a password, from elsewhere too: provision user password NAME."""
    from provisioner.domain.person import Role

    added = client.put_user(name, Role(role), only_new=True)
    print_change(output, "user", added, f"{added.name} is {added.role} now", name=added.name)


COLUMNS: "tuple[Column[UserStatus], ...]" = (
    Column("USER", lambda user: user.name),
    Column("ROLE", lambda user: user.role),
    Column("PASSWORD", lambda user: "yes" if user.has_password else "none"),
    Column("ADDED", lambda user: f"{local_time(user.created)} by {user.created_by}"),
)


@user.command("list")
@output_option
@with_client
def list_(client: "Client", output: str) -> None:
    """Everybody who may use the service, but root."""
    print_rows(output, "users", client.users(), COLUMNS, name=lambda user: user.name)


@user.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@output_option
@with_client
def role(client: "Client", name: str, role: str, output: str) -> None:
    """Give a user another role; it holds at once, for tokens too."""
    from provisioner.domain.person import Role

    changed = client.put_user(name, Role(role), only_new=False)
    print_change(output, "user", changed, f"{changed.name} is {changed.role} now", name=changed.name)


@user.command()
@click.argument("name", required=False)
@click.option("--password-file", type=click.Path(path_type=Path), help="Its first line is the new password.")
@output_option
@with_client
def password(client: "Client", name: str | None, password_file: Path | None, output: str) -> None:
    """Set a password: yours, or as an admin another user's. Whoever came in by the one before is out.

    The new one is read from --password-file, from PROVISION_PASSWORD, or asked. Who is logged in from
    elsewhere and changes his own says the current one, too.
    """
    who = client.whoami()
    name = name or who.user
    current = ""
    if name == who.user and who.way == "token":
        current = read_password(
            None, "this asks for the current password", variable="PROVISION_CURRENT_PASSWORD"
        )
    new = read_password(password_file, f"this asks for a new password of {name}", twice=True)
    changed = client.set_password(name, new, current)
    print_change(output, "user", changed, f"{changed.name} has a new password", name=changed.name)


@user.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def remove(client: "Client", name: str, yes: bool, output: str) -> None:
    """Forget a user, with all tokens and logins of that name; what was done under it stays in the log."""
    question.require_word(name, f"this removes the user {name}", yes=yes)
    gone = client.remove_user(name)
    print_change(output, "user", gone, f"{gone.name} is removed", name=gone.name)
