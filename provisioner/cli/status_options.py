"""Which deployments `provision status` lists: the options, and the query that they come to."""

import functools
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import Command
from provisioner.cli.times import HINT, Moment

if TYPE_CHECKING:
    from provisioner.api.deployments import DeploymentQuery

OPTIONS = (
    click.option(
        "--select",
        default="",
        metavar="EXPR",
        help="Only those that fit, as rack=B3,state=failed|rejected; as deploy --select has it.",
    ),
    click.option(
        "--since",
        type=Moment(),
        metavar="TIME",
        help=f"Only what is under way or has changed since then: {HINT}.",
    ),
    click.option("--limit", type=click.IntRange(1, 1000), help="At most so many, the newest; else 100."),
)


def status_options(command: Command) -> Command:
    """Adds the options, and calls with them as `query`: None where none of them was given."""

    @functools.wraps(command)
    def wrapped(
        *args: object, select: str, since: float | None, limit: int | None, **kwargs: object
    ) -> object:
        return command(*args, query=_query(select, since, limit), **kwargs)

    for option in reversed(OPTIONS):
        option(wrapped)
    return wrapped


def _query(select: str, since: float | None, limit: int | None) -> "DeploymentQuery | None":
    from provisioner.api.deployments import DeploymentQuery

    given = {"select": select, "since": since, "limit": limit}
    wanted = {name: value for name, value in given.items() if value}
    return DeploymentQuery.model_validate(wanted) if wanted else None
