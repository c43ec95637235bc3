"""`provision deploy`, `retry`: order what happens to a host, or to many."""

from typing import TYPE_CHECKING

import click

from provisioner.cli import plan as plans
from provisioner.cli import question, runs
from provisioner.cli.options import output_option, with_client
from provisioner.cli.order_options import OrderOptions, RunOptions, order_options, run_options
from provisioner.cli.output import info, print_record, print_rows, say
from provisioner.cli.watch import follow
from provisioner.errors import Exit, InputError, RefusedError
from provisioner.system.units import counted

if TYPE_CHECKING:
    from provisioner.api.deployments import DeploymentStatus
    from provisioner.api.runs import RunOrder
    from provisioner.client import Client
    from provisioner.domain.plan import Plan


@click.command()
@click.argument("host", required=False)
@click.option("--mac", help="The host by its MAC, in any notation.")
@click.option("--select", default="", metavar="EXPR", help="All hosts that fit, as rack=B3,state!=ready.")
@click.option("--all", "everything", is_flag=True, help="All hosts.")
@run_options
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
    image: str,
    dry_run: bool,
    output: str,
    how: OrderOptions,
    many: RunOptions,
) -> int:
    """Put an image on one host, or on many: power, boot from the network, write, verify, prove.

    HOST is a name, serial or MAC. What is erased is shown first, and confirmed. EXPR has terms over name,
    rack, profile, image and state, all of which must hold: rack=B3,profile=vault-*,state=failed|rejected
    """
    if select or everything:
        if host or mac:
            raise InputError("one host or many hosts, not both", hint="drop HOST, or --select and --all")
        wanted = _run_order(many, how, select=select, all=everything, image=image)
        return (
            _plan_many(client, wanted, output, how)
            if dry_run
            else _deploy_many(client, wanted, output, how, many)
        )
    _refuse_for_one(many, "--select or --all")
    plan = client.plan(_host(host, mac), image, how.terms)
    return _show_plan(client, plan, output, how) if dry_run else order(client, plan, output, how)


def _show_plan(client: "Client", plan: "Plan", output: str, how: OrderOptions) -> int:
    """What would be done, to stdout, and every refusal, the BMC's too; whether the order would be taken."""
    from provisioner.cli import preflight

    name = plan.host.name
    found = preflight.look(client, [plan], asks=how.preflight is not False)
    plan = plan.model_copy(update={"refusals": (*plan.refusals, *found.fatal)})
    print_record(output, "plan", plan, lambda: plans.show(plan, stderr=False), name=name, also={"name": name})
    _show_ways(plan, how)
    preflight.show_passed(found)
    preflight.show(found, fatal=False)
    plans.show_refusals(plan.refusals)
    return Exit.REFUSED if plan.refusals else Exit.DONE


def _show_ways(plan: "Plan", how: OrderOptions) -> None:
    """How it would be written, and where it would end, as far as it is not as usual; to stderr."""
    if note := plans.MODES.get(how.write_mode):
        info(f"{'Writes':<10}{note}")
    if how.erase_foreign and plan.erases.foreign:
        info(f"{'Foreign':<10}{plan.erases.foreign}: it will be lost")
    if how.allow_downgrade:
        info(f"{'Version':<10}an older one than the host has is allowed (--allow-downgrade)")
    if how.until:
        info(f"{'Ends':<10}after {how.until}, as ordered (--until)")


def _refuse_for_one(many: RunOptions, many_hosts: str) -> None:
    """Raises InputError where one host was named, and options of a run were given."""
    if many.is_given:
        words = "--max-parallel, --canary, --stop-after and --expect-count"
        raise InputError(f"{words} are for many hosts: {many_hosts}")


def _run_order(many: RunOptions, how: OrderOptions, **hosts: object) -> "RunOrder":
    from provisioner.api.runs import RunOrder
    from provisioner.client.request import request

    return request(
        RunOrder,
        max_parallel=many.max_parallel or 0,
        canary=many.canary or 0,
        stop_after=many.stop_after or 0,
        until=how.until,
        terms=how.terms,
        **hosts,
    )


def _plan_many(client: "Client", wanted: "RunOrder", output: str, how: OrderOptions) -> int:
    from provisioner.cli import preflight

    plan = client.plan_run(wanted)
    print_record(
        output,
        "plan",
        plan,
        lambda: plans.show_run(plan, wanted, stderr=False),
        name="run",
        also={"name": "run"},
    )
    found = preflight.look(client, plan.plans, plan.left_out, asks=how.preflight is not False)
    preflight.show_passed(found)
    preflight.show(found)
    return Exit.DONE if plan.plans else Exit.REFUSED


def _deploy_many(
    client: "Client", wanted: "RunOrder", output: str, how: OrderOptions, many: RunOptions
) -> int:
    armed = runs.order(client, wanted, how, many.expect_count)
    run = armed.run
    if how.no_wait:
        print_record(output, "run", run, lambda: say(run.id), name=run.id)
        return Exit.DONE
    info(
        f"Run {run.id} of {counted(len(armed.deployments), 'host')} started."
        " Ctrl-C detaches; the run goes on."
    )
    rows, code = runs.follow(client, run.id, timeout=how.timeout)
    if output != "table":
        print_rows(output, "deployments", rows, runs.COLUMNS, name=lambda row: row.host)
    return code


@click.command()
@click.argument("host", metavar="HOST|RUN")
@run_options
@click.option("--dry-run", is_flag=True, help="Print what would be done, and end.")
@order_options
@output_option
@with_client
def retry(
    client: "Client", host: str, dry_run: bool, output: str, how: OrderOptions, many: RunOptions
) -> int:
    """Deploy the same image on a host once more; of a run, on every host that failed or was cancelled.

    All that was said of the order before holds once more and is shown, unless it is said otherwise now: how
    it writes, what it may lose, where it ends (--no-wipe, --no-until and the like take it back), and the
    limits of a run, which is retried as a new run.
    """
    from provisioner.domain import retry as again

    if runs.is_run(host):
        wanted = _retry_order(client, host, how, many)
        if dry_run:
            return _plan_many(client, wanted, output, how)
        return _deploy_many(client, wanted, output, how, many)
    _refuse_for_one(many, "provision retry RUN")
    last = client.deployment(host)
    again.require_deployment(last)
    how = how.once_more(again.terms_of(last, client.events(last.id).events), last.stop_after)
    _say_kept(how, last.id)
    plan = client.plan(last.host, last.image, how.terms)
    if host == last.id:
        again.require_same_machine(last, plan.host)
    return _show_plan(client, plan, output, how) if dry_run else order(client, plan, output, how)


def _say_kept(how: OrderOptions, ident: str) -> None:
    if said := how.describe_kept(ident):
        info(f"{'Keeps':<10}{said}")


def _retry_order(client: "Client", ident: str, how: OrderOptions, many: RunOptions) -> "RunOrder":
    """With the terms and limits of the run before, unless others are given."""
    old = client.run(ident).run
    limits = RunOptions(
        max_parallel=many.max_parallel or old.max_parallel,
        canary=many.canary or old.canary,
        stop_after=many.stop_after or old.stop_after,
        expect_count=None,
    )
    how = how.once_more(old.terms, old.until)
    _say_kept(how, ident)
    return _run_order(limits, how, retry=ident)


def _host(host: str | None, mac: str | None) -> str:
    if mac:
        from provisioner.domain.values import parse_mac

        return parse_mac(mac)
    if not host:
        raise InputError("which host is not said", hint="provision deploy HOST, or --mac MAC")
    return host


def order(client: "Client", plan: "Plan", output: str, how: OrderOptions) -> int:
    """Show, ask, arm, wait. The exit code says how it ended."""
    from provisioner.cli import preflight

    plans.show(plan, stderr=True)
    _show_ways(plan, how)
    if plan.refusals:
        plans.show_refusals(plan.refusals[1:])  # the first is what the order raises
    else:
        runs.judge(preflight.look(client, [plan], asks=bool(how.preflight)), 1, how)
    armed = _arm(client, plan, how)
    if how.no_wait:
        print_record(output, "deployment", armed, lambda: say(armed.id), name=armed.id)
        return Exit.DONE
    info(f"Deployment {armed.id} started. Ctrl-C detaches; the deployment goes on.")
    ended, code = follow(client, armed, timeout=how.timeout)
    if output != "table":
        print_record(output, "deployment", ended, lambda: None, name=ended.id)
    return code


def _arm(client: "Client", plan: "Plan", how: OrderOptions) -> "DeploymentStatus":
    """Asked or with --yes. Raises RefusedError; where the plan is otherwise by now, with what is."""
    name, image = plan.host.name, plan.image.id
    confirmation = "" if how.yes or plan.refusals else _ask(plan)  # refused anyway
    try:
        return client.arm(
            name,
            image=image,
            yes=how.yes,
            confirmation=confirmation,
            stop_after=how.until,
            terms=how.terms,
            shown=plan.digest,
        )
    except RefusedError as refused:
        plans.raise_changed(refused, [plan], lambda: [client.plan(name, image, how.terms)])
        raise


def _ask(plan: "Plan") -> str:
    question.require_terminal(f"{plan.host.name}: this erases a disk", "give --yes in a script")
    return question.ask(f"Type {plan.question} to continue")
