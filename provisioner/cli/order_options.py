"""The options that every order has, as one value."""

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import Command
from provisioner.domain.stage import STOPS
from provisioner.errors import InputError

if TYPE_CHECKING:
    from provisioner.domain.deployment import Terms, WriteMode


@dataclass(frozen=True)
class OrderOptions:
    """How an order is confirmed, waited for and carried out; `timeout` in seconds, `until` a stage.

    `declined` are the options that were given as `--no-…`, `kept` those of the order that is repeated.
    """

    yes: bool
    no_wait: bool
    timeout: float | None
    until: str
    write_mode: "WriteMode"
    erase_foreign: bool
    allow_downgrade: bool
    preflight: bool | None  # None where nothing was said of it
    declined: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()

    @property
    def terms(self) -> "Terms":
        """What of it belongs to the order itself."""
        from provisioner.domain.deployment import Terms

        return Terms(
            write_mode=self.write_mode,
            erase_foreign=self.erase_foreign,
            allow_downgrade=self.allow_downgrade,
        )

    def once_more(self, terms: "Terms", until: str) -> "OrderOptions":
        """With the terms of an order before, and where it was to end, unless others are given or declined."""
        before = {
            "wipe": terms.write_mode == "wipe" and self.write_mode == "delta",
            "full": terms.write_mode == "full" and self.write_mode == "delta",
            "erase-foreign": terms.erase_foreign and not self.erase_foreign,
            "allow-downgrade": terms.allow_downgrade and not self.allow_downgrade,
            "until": bool(until) and not self.until,
        }
        kept = [name for name, is_so in before.items() if is_so and name not in self.declined]
        return replace(
            self,
            until=until if "until" in kept else self.until,
            write_mode=terms.write_mode if {"wipe", "full"} & set(kept) else self.write_mode,
            erase_foreign=self.erase_foreign or "erase-foreign" in kept,
            allow_downgrade=self.allow_downgrade or "allow-downgrade" in kept,
            kept=tuple(kept),
        )

    def describe_kept(self, ident: str) -> str:
        """What holds once more of an order before, and how to take it back; empty where nothing does."""
        if not self.kept:
            return ""
        said = ", ".join(f"--{name} {self.until}" if name == "until" else f"--{name}" for name in self.kept)
        back = ", ".join(f"--no-{name}" for name in self.kept)
        return f"as ordered in {ident}: {said} (otherwise: {back})"


@dataclass(frozen=True)
class RunOptions:
    """How an order for many hosts is carried out and confirmed: counts, None where nothing was given."""

    max_parallel: int | None
    canary: int | None
    stop_after: int | None
    expect_count: int | None

    @property
    def is_given(self) -> bool:
        """Whether any of them was."""
        return any(count is not None for count in vars(self).values())


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
        no_until: bool,
        full: bool | None,
        wipe: bool | None,
        erase_foreign: bool | None,
        allow_downgrade: bool | None,
        preflight: bool | None,
        **kwargs: object,
    ) -> object:
        if until and no_until:
            raise InputError("--until or --no-until, not both")
        mode = _write_mode(full=bool(full), wipe=bool(wipe))
        accepted = (bool(erase_foreign), bool(allow_downgrade))
        said = {
            "full": full,
            "wipe": wipe,
            "erase-foreign": erase_foreign,
            "allow-downgrade": allow_downgrade,
        }
        declined = {name for name, given in said.items() if given is False} | (
            {"until"} if no_until else set()
        )
        how = OrderOptions(
            yes, no_wait, timeout, until or "", mode, *accepted, preflight, frozenset(declined)
        )
        return command(*args, how=how, **kwargs)

    for option in OPTIONS:
        option(wrapped)
    return wrapped


OPTIONS = (
    click.option(
        "--preflight/--no-preflight",
        default=None,
        help="Ask the BMCs first, as is done for many hosts anyway; with --yes, refuse what would fail.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask. For scripts."),
    click.option("--no-wait", is_flag=True, help="Order, print the id, and end."),
    click.option("--timeout", type=click.FloatRange(min=1), help="Stop waiting after SECONDS (exit 7)."),
    click.option("--until", type=click.Choice(STOPS), help="End the deployment after this stage."),
    click.option("--no-until", is_flag=True, help="Of a retry: do not end early, as the order before did."),
    click.option(
        "--full/--no-full", default=None, help="Fetch and write all, not only what differs on the disk."
    ),
    click.option("--wipe/--no-wipe", default=None, help="First make the whole disk zeros; then as --full."),
    click.option(
        "--erase-foreign/--no-erase-foreign",
        default=None,
        help="Erase LVM, RAID, ZFS, encrypted data or another host's system too.",
    ),
    click.option(
        "--allow-downgrade/--no-allow-downgrade",
        default=None,
        help="Allow an older version than the host has.",
    ),
)


def run_options(command: Command) -> Command:
    """Adds the options of an order for many hosts, and calls with them as `many`."""

    @functools.wraps(command)
    def wrapped(
        *args: object,
        max_parallel: int | None,
        canary: int | None,
        stop_after: int | None,
        expect_count: int | None,
        **kwargs: object,
    ) -> object:
        return command(*args, many=RunOptions(max_parallel, canary, stop_after, expect_count), **kwargs)

    for option in reversed(RUN_OPTIONS):
        option(wrapped)
    return wrapped


RUN_OPTIONS = (
    click.option("--max-parallel", type=click.IntRange(1), help="So many of them at one time."),
    click.option("--canary", type=click.IntRange(1), help="The rest waits until so many are ready."),
    click.option("--stop-after", type=click.IntRange(1), help="Begin no more when so many failed alike."),
    click.option(
        "--expect-count", type=click.IntRange(0), help="With --yes: refuse any other number of hosts."
    ),
)
