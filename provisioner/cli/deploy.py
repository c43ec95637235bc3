"""`provision deploy`, `retry`, `cancel`: order what happens to a host."""

import getpass
import re
import sys
from typing import Any

import click

from provisioner.cli import runs
from provisioner.cli.common import asks_service, console, emit, emit_one, prints_data, say
from provisioner.cli.watch import follow
from provisioner.client import Client
from provisioner.errors import Exit, InputError, RefusedError
from provisioner.system.units import size

MODES = {
    "full": "fetches and writes all of it, whatever the disk holds",
    "wipe": "makes the whole disk zeros, then fetches and writes all of it",
}
STAGES = ("powering", "netbooting", "writing", "restarting", "verifying", "sealing")
Row = dict[str, Any]


def ordering(command: Any) -> Any:
    """The options that every order has."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask. For scripts."),
        click.option("--no-wait", is_flag=True, help="Order, print the id, and end."),
        click.option("--timeout", type=click.FloatRange(min=1), help="Stop waiting after SECONDS (exit 7)."),
        click.option("--until", type=click.Choice(STAGES), help="End the deployment after this stage."),
        click.option("--full", is_flag=True, help="Fetch and write all, not only what differs on the disk."),
        click.option("--wipe", is_flag=True, help="First make the whole disk zeros; then as --full."),
        click.option(
            "--erase-foreign",
            is_flag=True,
            help="Erase LVM, RAID, ZFS, encrypted data or another host's system too.",
        ),
        click.option("--allow-downgrade", is_flag=True, help="Allow an older version than the host has."),
    ):
        command = option(command)
    return command


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
@ordering
@prints_data
@asks_service
def deploy(
    client: Client,
    host: str | None,
    mac: str | None,
    select: str,
    everything: bool,
    max_parallel: int | None,
    stop_after: int | None,
    expect_count: int | None,
    image: str,
    dry_run: bool,
    form: str,
    **how: Any,
) -> int:
    """Put an image on one host, or on many: power, boot from the network, write, verify, prove.

    HOST is a name, serial or MAC. What is erased is shown first, and confirmed. EXPR has terms over name,
    rack, profile, image and state, all of which must hold: rack=B3,profile=vault-*,state=failed|rejected
    """
    how["terms"] = terms(how)
    if select or everything:
        if host or mac:
            raise InputError("one host or many hosts, not both", hint="drop HOST, or --select and --all")
        wanted = {"select": select, "all": everything, "image": image, "max_parallel": max_parallel or 0}
        wanted |= {"stop_after": stop_after or 0, "by": _who(), "until": how.pop("until") or ""}
        wanted["terms"] = how.pop("terms")
        return _deploy_many(client, wanted, expect_count, dry_run=dry_run, form=form, **how)
    if max_parallel or stop_after or expect_count is not None:
        raise InputError("--max-parallel, --stop-after and --expect-count go with --select or --all")
    plan = client.plan(_host(host, mac), image)
    if dry_run:
        emit_one(form, "plan", plan | {"name": plan["host"]["name"]}, lambda: _show(plan, stderr=False))
        return Exit.DONE
    return order(client, plan, form=form, **how)


def terms(how: dict[str, Any]) -> Row:
    """What the options say of the writing; they are taken out of `how`. Raises InputError."""
    full, wipe = how.pop("full"), how.pop("wipe")
    if full and wipe:
        raise InputError("--full or --wipe, not both", hint="--wipe writes all of it anyway")
    said: Row = {name: how.pop(name) for name in ("erase_foreign", "allow_downgrade")}
    return said | {"write_mode": "wipe" if wipe else "full" if full else "delta"}


def _deploy_many(
    client: Client,
    wanted: Row,
    expect_count: int | None,
    *,
    dry_run: bool,
    form: str,
    yes: bool,
    no_wait: bool,
    timeout: float | None,
) -> int:
    if dry_run:
        found = client.plan_run(**wanted)
        emit_one(form, "plan", found | {"name": "run"}, lambda: runs.show_plan(found))
        return Exit.DONE
    done = runs.order(client, wanted, yes=yes, expect_count=expect_count)
    run = done["run"]
    if no_wait:
        emit_one(form, "run", run, lambda: click.echo(run["id"]), key="id")
        return Exit.DONE
    say(f"Run {run['id']} of {len(done['deployments'])} hosts started. Ctrl-C detaches; the run goes on.")
    rows, code = runs.follow(client, run["id"], timeout=timeout)
    if form != "table":
        emit(form, "deployments", rows, runs.COLUMNS, key="host")
    return code


@click.command()
@click.argument("host")
@ordering
@prints_data
@asks_service
def retry(client: Client, host: str, form: str, **how: Any) -> int:
    """Deploy the same image on a host once more."""
    how["terms"] = terms(how)
    last = client.deployment(host)
    return order(client, client.plan(last["host"], last["image"]), form=form, **how)


@click.command()
@click.argument("host", metavar="HOST|ID")
@asks_service
def cancel(client: Client, host: str) -> None:
    """End a deployment. A half-written disk does not boot; nothing is powered off."""
    if runs.is_run(host):
        rows = client.cancel_run(host)["deployments"]
        return say(f"{sum(row['stage'] == 'cancelled' for row in rows)} deployments of {host} are cancelled")
    row = client.cancel(host)
    say(f"{row['id']} of {row['host']} is cancelled; again with: provision retry {row['host']}")
    return None


def _host(host: str | None, mac: str | None) -> str:
    if mac:
        from provisioner.domain.values import parse_mac

        return parse_mac(mac)
    if not host:
        raise InputError("which host is not said", hint="provision deploy HOST, or --mac MAC")
    return host


def order(
    client: Client,
    plan: Row,
    *,
    form: str,
    yes: bool,
    no_wait: bool,
    timeout: float | None,
    until: str | None,
    terms: Row,
) -> int:
    """Show, ask, arm, wait. The exit code says how it ended."""
    _show(plan, stderr=True)
    if note := MODES.get(terms["write_mode"]):
        say(f"{'Writes':<10}{note}")
    if terms["erase_foreign"] and plan["erases"]["foreign"]:
        say(f"{'Foreign':<10}{plan['erases']['foreign']}: it will be lost")
    answer = "" if yes or plan["locked"] else _ask(plan)
    row = client.arm(
        plan["host"]["name"],
        image=plan["image"]["id"],
        by=_who(),
        yes=yes,
        confirmation=answer,
        stop_after=until or "",
        terms=terms,
    )
    if no_wait:
        emit_one(form, "deployment", row, lambda: click.echo(row["id"]), key="id")
        return Exit.DONE
    say(f"Deployment {row['id']} started. Ctrl-C detaches; the deployment goes on.")
    ended, code = follow(client, row["id"], timeout=timeout)
    if form != "table":
        emit_one(form, "deployment", ended, lambda: None, key="id")
    return code


def _who() -> str:
    try:
        return re.sub(r"[^\w.@ -]", "_", getpass.getuser())[:80]  # a directory's names have more signs
    except (OSError, KeyError):
        return "operator"


def _ask(plan: Row) -> str:
    if not sys.stdin.isatty():
        raise RefusedError(
            f"{plan['host']['name']}: this erases a disk, and there is no terminal to ask on; "
            "nothing was changed",
            hint="give --yes in a script",
            code=133,
        )
    answer: str = click.prompt(f"Type {plan['question']} to continue", err=True)
    return answer


def _show(plan: Row, *, stderr: bool) -> None:
    from rich.text import Text

    out = console(stderr=stderr)
    for title, value in _lines(plan):
        out.print(Text.assemble((f"{title:<10}", "bold"), value), soft_wrap=True)


def _lines(plan: Row) -> list[tuple[str, str]]:
    host, image = plan["host"], plan["image"]
    place = ", ".join(word for word in (host["rack"] and f"rack {host['rack']}", host["profile"]) if word)
    lines = [
        ("Host", f"{host['name']} ({place})  {host['macs'][0]}"),
        ("Power", plan["power"]),
        (
            "Image",
            f"{image['name']} {image['version']}   {_trust(image)}   "
            f"{size(image['raw_size'])} → {size(image['pack_size'])} on the wire",
        ),
        ("Erases", _disk(plan["erases"])),
    ]
    if plan["erases"]["foreign"]:
        lines.append(("", f"not ours: {plan['erases']['foreign']}; refused without --erase-foreign"))
    if plan["holds"]:
        lines.append(("", plan["holds"]))
    if plan["locked"]:
        lines.append(("Locked", f"nothing is deployed before: provision host unlock {host['name']}"))
    return lines


def _trust(image: Row) -> str:
    """Nobody of ours has signed an installer's ISO."""
    if image["signed_by"]:
        return f"signed by {image['signed_by']} ✓"
    return f"installer ISO, SHA-256 {image['raw_sha256'][:16]}…"


def _disk(disk: Row) -> str:
    if disk["seen"]:
        words = (f"/dev/{disk['name']}", disk["model"], size(disk["size"]), disk["serial"])
        return "  ".join(word for word in words if word) + (
            f"  ({disk['content']})" if disk["content"] else ""
        )
    hints = ", ".join(f"{name} {value}" for name, value in disk["hints"].items())
    return f"not seen yet; the one disk that fits: {hints or 'no hint, so it must be the only one'}"
