"""`provision deploy`, `retry`, `cancel`, `resume`: order what happens to a host."""

import getpass
import re
import sys
from typing import TYPE_CHECKING

import click

from provisioner.cli import plan as plans
from provisioner.cli import runs
from provisioner.cli.options import output_option, with_client
from provisioner.cli.order_options import OrderOptions, order_options
from provisioner.cli.output import info, print_record, print_rows, say
from provisioner.cli.watch import follow
from provisioner.errors import Exit, InputError, RefusedError

if TYPE_CHECKING:
    from provisioner.api.runs import RunOrder
    from provisioner.client import Client
    from provisioner.domain.plan import Plan

MODES = {
    "full": "fetches and writes all of it, whatever the disk holds",
    "wipe": "makes the whole disk zeros, then fetches and writes all of it",
}


@click.command()
@click.argument("host", required=False)
@click.option("--mac", help="The host by its MAC, in any notation.")
@click.option("--select", default="", metavar="EXPR", help="All hosts that fit, as rack=B3,state!=ready.")
@click.option("--all", "everything", is_flag=True, help="All hosts.")
@click.option("--max-parallel", type=click.IntRange(1), help="So many of them at one time.")
@click.option("--stop-after", type=click.IntRange(1), help="Begin no more when so many failed alike.")
@click.option("--expect-count", type=click.IntRange(0), help="With --yes: refuse any other number of hosts.")
@click.option("--image", default="", help="NAME or NAME@VERSION; the profile's unless given.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and end.")
@order_options
@output_option
@with_client
def deploy(
    client: "Client",
    host: str | None,
    mac: str | None,
    select: str,
    everything: bool,
    max_parallel: int | None,
    stop_after: int | None,
    expect_count: int | None,
    image: str,
    dry_run: bool,
    output: str,
    how: OrderOptions,
) -> int:
    """Put an image on one host, or on many: power, boot from the network, write, verify, prove.

    HOST is a name, serial or MAC. What is erased is shown first, and confirmed. EXPR has terms over name,
    rack, profile, image and state, all of which must hold: rack=B3,profile=vault-*,state=failed|rejected
    """
    if select or everything:
        if host or mac:
            raise InputError("one host or many hosts, not both", hint="drop HOST, or --select and --all")
        wanted = _run_order(select, everything, image, max_parallel or 0, stop_after or 0, how)
        return (
            _plan_many(client, wanted, output)
            if dry_run
            else _deploy_many(client, wanted, expect_count, output, how)
        )
    if max_parallel or stop_after or expect_count is not None:
        raise InputError("--max-parallel, --stop-after and --expect-count go with --select or --all")
    plan = client.plan(_host(host, mac), image, how.terms)
    return _show_plan(client, plan, output) if dry_run else order(client, plan, output, how)


def _show_plan(client: "Client", plan: "Plan", output: str) -> int:
    """What would be done, to stdout, and every refusal, the BMC's too; whether the order would be taken."""
    from provisioner.cli import bmc_preview

    name = plan.host.name
    bmcs = bmc_preview.ask(client, [plan.host])
    plan = plan.model_copy(update={"refusals": (*plan.refusals, *bmc_preview.refusals(bmcs))})
    print_record(output, "plan", plan, lambda: plans.show(plan, stderr=False), name=name, also={"name": name})
    bmc_preview.show(bmcs)
    plans.show_refusals(plan.refusals)
    return Exit.REFUSED if plan.refusals else Exit.DONE


def _run_order(
    select: str, everything: bool, image: str, max_parallel: int, stop_after: int, how: OrderOptions
) -> "RunOrder":
    from provisioner.api.runs import RunOrder
    from provisioner.client.calls import request

    return request(
        RunOrder,
        select=select,
        all=everything,
        image=image,
        max_parallel=max_parallel,
        stop_after=stop_after,
        by=_user(),
        until=how.until,
        terms=how.terms,
    )


def _plan_many(client: "Client", wanted: "RunOrder", output: str) -> int:
    from provisioner.cli import bmc_preview

    plan = client.plan_run(wanted)
    print_record(
        output, "plan", plan, lambda: plans.show_run(plan, stderr=False), name="run", also={"name": "run"}
    )
    bmcs = bmc_preview.ask(client, [one.host for one in plan.plans])
    bmc_preview.show(bmcs)
    plans.show_refusals(bmc_preview.refusals(bmcs))
    return Exit.DONE if plan.plans else Exit.REFUSED


def _deploy_many(
    client: "Client", wanted: "RunOrder", expect_count: int | None, output: str, how: OrderOptions
) -> int:
    armed = runs.order(client, wanted, yes=how.yes, expect_count=expect_count)
    run = armed.run
    if how.no_wait:
        print_record(output, "run", run, lambda: say(run.id), name=run.id)
        return Exit.DONE
    info(f"Run {run.id} of {len(armed.deployments)} hosts started. Ctrl-C detaches; the run goes on.")
    rows, code = runs.follow(client, run.id, timeout=how.timeout)
    if output != "table":
        print_rows(output, "deployments", rows, runs.COLUMNS, name=lambda row: row.host)
    return code


@click.command()
@click.argument("host")
@order_options
@output_option
@with_client
def retry(client: "Client", host: str, output: str, how: OrderOptions) -> int:
    """Deploy the same image on a host once more."""
    last = client.deployment(host)
    return order(client, client.plan(last.host, last.image, how.terms), output, how)


@click.command()
@click.argument("host", metavar="HOST|ID")
@with_client
def cancel(client: "Client", host: str) -> None:
    """End a deployment. A half-written disk does not boot; nothing is powered off."""
    if runs.is_run(host):
        rows = client.cancel_run(host)
        return info(f"{sum(row.stage == 'cancelled' for row in rows)} deployments of {host} are cancelled")
    row = client.cancel(host)
    return info(f"{row.id} of {row.host} is cancelled; again with: provision retry {row.host}")


@click.command()
@click.argument("host", metavar="HOST|ID")
@with_client
def resume(client: "Client", host: str) -> None:
    """Let a paused deployment go on. Look first at what status says of why it was paused."""
    row = client.resume(host)
    return info(f"{row.id} of {row.host} goes on at {row.stage}: provision watch {row.host}")


def _host(host: str | None, mac: str | None) -> str:
    if mac:
        from provisioner.domain.values import parse_mac

        return parse_mac(mac)
    if not host:
        raise InputError("which host is not said", hint="provision deploy HOST, or --mac MAC")
    return host


def order(client: "Client", plan: "Plan", output: str, how: OrderOptions) -> int:
    """Show, ask, arm, wait. The exit code says how it ended."""
    plans.show(plan, stderr=True)
    if note := MODES.get(how.write_mode):
        info(f"{'Writes':<10}{note}")
    if how.erase_foreign and plan.erases.foreign:
        info(f"{'Foreign':<10}{plan.erases.foreign}: it will be lost")
    armed = client.arm(
        plan.host.name,
        image=plan.image.id,
        by=_user(),
        yes=how.yes,
        confirmation="" if how.yes or plan.refusals else _ask(plan),  # refused anyway
        stop_after=how.until,
        terms=how.terms,
    )
    if how.no_wait:
        print_record(output, "deployment", armed, lambda: say(armed.id), name=armed.id)
        return Exit.DONE
    info(f"Deployment {armed.id} started. Ctrl-C detaches; the deployment goes on.")
    ended, code = follow(client, armed, timeout=how.timeout)
    if output != "table":
        print_record(output, "deployment", ended, lambda: None, name=ended.id)
    return code


def _user() -> str:
    try:
        return re.sub(r"[^\w.@ -]", "_", getpass.getuser())[:80]  # a directory's names have more signs
    except (OSError, KeyError):
        return "operator"


def _ask(plan: "Plan") -> str:
    if not sys.stdin.isatty():
        raise RefusedError(
            f"{plan.host.name}: this erases a disk, and there is no terminal to ask on; nothing was changed",
            hint="give --yes in a script",
            code=133,
        )
    answer: str = click.prompt(f"Type {plan.question} to continue", err=True)
    return answer
