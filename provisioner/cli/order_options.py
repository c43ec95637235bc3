"""The options that every order has, as one value."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import Command
from provisioner.domain.stage import STOPS
from provisioner.errors import InputError

if TYPE_CHECKING:
    from provisioner.domain.deployment import Terms, WriteMode


@dataclass(frozen=True)
class OrderOptions:
    """How an order is confirmed, waited for and carried out; `timeout` in seconds, `until` a stage."""

    yes: bool
    no_wait: bool
    timeout: float | None
    until: str
    write_mode: "WriteMode"
    erase_foreign: bool
    allow_downgrade: bool

    @property
    def terms(self) -> "Terms":
        """What of it belongs to the order itself."""
        from provisioner.domain.deployment import Terms

        return Terms(
            write_mode=self.write_mode,
            erase_foreign=self.erase_foreign,
            allow_downgrade=self.allow_downgrade,
        )


def _write_mode(*, full: bool, wipe: bool) -> "WriteMode":
    if full and wipe:
        raise InputError("--full or --wipe, not both", hint="--wipe writes all of it anyway")
    return "wipe" if wipe else "full" if full else "delta"


def order_options(command: Command) -> Command:
    """Adds the options, and calls with them as `how`."""

    @functools.wraps(command)
    def wrapped(
        *args: object,
        yes: bool,
        no_wait: bool,
        timeout: float | None,
        until: str | None,
        full: bool,
        wipe: bool,
        erase_foreign: bool,
        allow_downgrade: bool,
        **kwargs: object,
    ) -> object:
        mode = _write_mode(full=full, wipe=wipe)
        how = OrderOptions(yes, no_wait, timeout, until or "", mode, erase_foreign, allow_downgrade)
        return command(*args, how=how, **kwargs)

    for option in OPTIONS:
        option(wrapped)
    return wrapped


OPTIONS = (
    click.option("--yes", is_flag=True, help="Do not ask. For scripts."),
    click.option("--no-wait", is_flag=True, help="Order, print the id, and end."),
    click.option("--timeout", type=click.FloatRange(min=1), help="Stop waiting after SECONDS (exit 7)."),
    click.option("--until", type=click.Choice(STOPS), help="End the deployment after this stage."),
    click.option("--full", is_flag=True, help="Fetch and write all, not only what differs on the disk."),
    click.option("--wipe", is_flag=True, help="First make the whole disk zeros; then as --full."),
    click.option(
        "--erase-foreign",
        is_flag=True,
        help="Erase LVM, RAID, ZFS, encrypted data or another host's system too.",
    ),
    click.option("--allow-downgrade", is_flag=True, help="Allow an older version than the host has."),
)
