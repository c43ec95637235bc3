"""At the rack: what asks for an address now, what a label says, and one host; for a phone in one hand."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from flask import Response, request

from provisioner.api.answer import WaitQuery
from provisioner.api.bmc import BmcFailed, BmcIdentified, BmcOrder
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.hosts import HostStatus
from provisioner.api.machines import MachineQuery
from provisioner.api.sightings import DhcpSighting
from provisioner.deployment import label_lookup
from provisioner.deployment.label_lookup import Match, NearMatch
from provisioner.domain.host import Host
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING, UNSUCCESSFUL, Stage
from provisioner.errors import InputError, NotFoundError, ProvisionError, UnreadableError
from provisioner.power import registry
from provisioner.web.operators import bmc, certificates, deployments, hosts, machines
from provisioner.web.pages import look, moving, rack_words, submitted
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_site

RECENT = 120.0  # seconds for which somebody who asked is still listed
MOST = 30  # that are listed
LONGEST = 120  # characters of a scan that are shown again


class Asking(NamedTuple):
    """Who asked by DHCP at `time` (seconds since 1970): a known host, or a stranger."""

    mac: str
    time: float
    host: Host | None = None
    look: Look = look.STRANGER
    machine: UnknownMachine | None = None
    is_bmc: bool = False


class Action(NamedTuple):
    """The one thing to do next with a host."""

    path: str
    label: str
    icon: str
    tone: str = ""


def show() -> Shown:
    """Who asked in the last two minutes, the newest first; above it a label is scanned or typed."""
    text = request.args.get("find", "")[:LONGEST]
    asking = list(_asking())[:MOST]
    values: dict[str, object] = {"asking": asking, "find": text, "faults": [], "near": ()}
    values["under_way"] = _under_way({one.host.name for one in asking if one.host})
    if not text:
        return Shown("rack.html", values)
    try:
        values["near"] = (NearMatch(text, label_lookup.find(the_site(), text)),)
    except (NotFoundError, InputError) as fault:
        values |= {"faults": rack_words.of_fault(fault), "near": label_lookup.near(the_site(), text)}
    return Shown("rack.html", values)


def _under_way(told: set[str]) -> list[Moving]:
    """Who is being deployed and is not told already, what was ordered last first."""
    rows = reversed(the_site().database.deployments.under_way())
    return moving.of([row for row in rows if row.host not in told][:MOST], moving.IN_A_LIST)


def find() -> Response:
    """To the host or the stranger whose label it is; else back, with what was read."""
    text = request.form.get("text", "").strip()
    try:
        return _go_to(label_lookup.find(the_site(), text))
    except (NotFoundError, InputError):
        return go("/t?" + urlencode({"find": text[:LONGEST] or " "}))


def _go_to(found: Match) -> Response:
    return go(f"/t/host/{found.host}" if found.host else f"/t/machine/{found.machine}")


def _asking() -> Iterator[Asking]:
    site = the_site()
    listed = machines.list_all(MachineQuery()).machines
    strangers = {mac: machine for machine in listed for mac in machine.macs}
    told: set[str] = set()
    for seen in hosts.sightings().sightings:
        if site.clock() - seen.last_seen > RECENT:
            return
        one = _known(seen) if seen.host else Asking(seen.mac, seen.last_seen, machine=strangers.get(seen.mac))
        name = one.host.name if one.host else one.machine.mac if one.machine else one.mac
        if name not in told:
            told.add(name)
            yield one


def _known(seen: DhcpSighting) -> Asking:
    database = the_site().database
    try:
        host = database.hosts.get(seen.host or "")
    except (NotFoundError, UnreadableError):  # it went just now, or its row is damaged: the others are listed
        return Asking(seen.mac, seen.last_seen, look=look.UNREADABLE)
    over_ssh = database.verifications.open_of(host.name) is not None
    stands = moving.look_of_host(deployments.standing(the_site(), host.name), is_verified=over_ssh)
    return Asking(seen.mac, seen.last_seen, host, stands, is_bmc=seen.role == "bmc")


def show_host(name: str) -> Shown:
    """Which host it is, how it stands, and the one thing to do next."""
    details = hosts.show(name)
    host, found = details.host, deployments.standing(the_site(), details.host.name)
    row = DeploymentStatus.model_validate(found) if found else None
    known = certificates.list_of_host(host.name).certificates
    under_way = moving.of([row]) if row and row.stage not in RESTING else []
    needs_somebody = bool(under_way and under_way[0].needs_somebody)
    stands = look.of_host(row, is_verified=host.verification is not None)
    values = {
        "host": host,
        "row": row,
        "stands": under_way[0].look if needs_somebody else stands,
        "asked": max((seen.last_seen for seen in details.seen), default=0.0),
        "action": _action(host, row, needs_somebody=needs_somebody),
        "certificate": known[0] if known else None,
        "has_bmc": registry.find(host.bmc.driver, host.name).has_bmc,
        "light": _light(host),
    }
    return Shown("rack_host.html", values)


def _action(host: HostStatus, row: DeploymentStatus | None, *, needs_somebody: bool) -> Action:
    path = f"/t/host/{quote(host.name)}"
    if needs_somebody:
        return Action(f"{path}/steps", "What to do now", "alert")
    if row and row.stage not in RESTING:
        return Action(f"{path}/steps", "Follow", "arrow")
    if host.verification:
        return Action(f"/hosts/{quote(host.name)}", "Follow its verification", "arrow")
    if row and row.stage in UNSUCCESSFUL:
        return Action(f"{path}/steps", "What is wrong", "alert")
    if row and row.stage == Stage.READY:
        return Action(f"{path}/label", "Certificate and label", "print")
    return Action(f"{path}/deploy", "Deploy", "disk")


def _light(host: HostStatus) -> tuple[str, str]:
    """Tone and sentence of what came of the last press on the light; empty where nobody pressed."""
    number = request.args.get("light", "")
    ident = submitted.whole(number, 0)
    if not ident:
        return "", ""
    try:
        asked = bmc.result(ident, WaitQuery()).request
    except ProvisionError as fault:
        return "bad", f"{fault}."
    if asked.host != host.name or asked.action != "identify":
        return "", ""
    result = asked.result
    if isinstance(result, BmcFailed):
        return "bad", f"{result.error.message}. {result.error.hint}"
    if not isinstance(result, BmcIdentified):
        return "busy", f"Asking its BMC to switch the light {asked.argument}…"
    if not result.confirmed:
        return "warn", f"The light was switched {asked.argument}; the BMC does not say whether it is."
    return "ok", f"The light is {result.light}."


def switch_light(name: str) -> Response:
    """Let its BMC switch the light by which one finds it."""
    argument = request.form.get("light", "")
    if argument not in ("on", "off"):
        raise InputError("the light can be switched on or off", hint="press one of the two buttons")
    host = hosts.show(name).host.name
    ordered = bmc.order(BmcOrder(host=host, action="identify", argument="on" if argument == "on" else "off"))
    return go(f"/t/host/{quote(host)}?light={ordered.request}")


PAGES = (
    Page("GET", "/t", show, Role.TECHNICIAN),
    Page("POST", "/t/find", find, Role.TECHNICIAN),
    Page("GET", "/t/host/<name>", show_host, Role.TECHNICIAN),
    Page("POST", "/t/host/<name>/light", switch_light, Role.TECHNICIAN),
)
