"""The deployment LAN: who asks, who answers besides us, whose each address is; adopting strangers."""

from collections.abc import Sequence
from urllib.parse import quote

from flask import Response, request
from pydantic import ValidationError

from provisioner.api.answer import EventQuery
from provisioner.api.machines import Adoption, MachineQuery
from provisioner.api.net import MODES, AddressLease
from provisioner.discovery import network_feed, served_networks, vendors
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.person import Role
from provisioner.domain.values import parse_mac
from provisioner.errors import InputError, NotFoundError, ProvisionError
from provisioner.site import external
from provisioner.validation import sentences
from provisioner.web.operators import hosts, machines, net, profiles
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import look
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import status_of, the_caller, the_site

LONGEST = 200  # characters of a filter
FEW = 40  # addresses that are shown until all are asked for
FIELDS = ("name", "profile", "rack", "serial")
SERVERS = {
    "dnsmasq": "dnsmasq",
    "kea": "Kea DHCP",
    "isc": "ISC dhcpd",
    "chrony": "chrony, on this service's own machine",
}


def show() -> Shown:
    """What machines do, newest first, with all that is known of their network."""
    site = the_site()
    text, protocol = request.args.get("q", "").strip()[:LONGEST], request.args.get("protocol", "")
    status = net.show(EventQuery())
    strangers = machines.list_all(MachineQuery()).machines
    leases = [each for each in net.leases().leases if _is_of(text, each)]
    networks, stray_relays = served_networks.look(site)
    values = {
        "text": text,
        "protocol": protocol if protocol in look.PROTOCOLS else "",
        "status": status,
        "mode": MODES[status.mode],
        "boot_files": [(file, vendors.architecture(file.arch)) for file in status.files],
        "strangers": [each for each in strangers if _has(text, each)],
        "feed": network_feed.newest(site, text, protocol if protocol in look.PROTOCOLS else ""),
        "most": network_feed.MOST,
        "leases": leases if request.args.get("addresses") == "all" else leases[:FEW],
        "addresses": len(leases),
        "networks": networks,
        "stray_relays": stray_relays,
        "has_asked": bool(site.database.sightings.all()),
    }
    return Shown("network.html", values)


def _has(text: str, machine: UnknownMachine) -> bool:
    said = (machine.vendor, machine.architecture, machine.address, machine.port, machine.describe())
    return _fits(text, machine.macs, said)


def _is_of(text: str, lease: AddressLease) -> bool:
    return _fits(text, (lease.mac,), (lease.address, lease.kind, lease.host, lease.role))


def _fits(text: str, macs: Sequence[str], said: Sequence[str]) -> bool:
    """Whether it is one of the MACs, in any notation, or all of its words are said."""
    try:
        return parse_mac(text) in macs
    except InputError:
        words = " ".join((*macs, *said)).lower()
        return all(word in words for word in text.lower().split())


def show_machine(mac: str) -> Shown | Response:
    """One machine that nobody knows, and the form by which it becomes a host; of a host by now, its page."""
    try:
        machine = machines.show(mac).machine
    except NotFoundError as fault:
        return _host_of(mac, fault)
    return _form(mac, machine, {"serial": machine.serial})


def _form(mac: str, machine: UnknownMachine, given: dict[str, str], faults: Sequence[str] = ()) -> Shown:
    known = [profile.name for profile in profiles.list_all().profiles]
    if len(known) == 1:
        given = {"profile": known[0], **given}
    values = {
        "mac": mac,
        "machine": machine,
        "given": given,
        "profiles": known,
        "faults": faults,
        "may_adopt": the_caller().role.covers(Role.TECHNICIAN),
    }
    return Shown("network_machine.html", values, 400 if faults else 200)


def _host_of(mac: str, unknown: NotFoundError) -> Response:
    """The page of the host that it is. Raises the NotFoundError that is given where it is none."""
    try:
        return go(f"/hosts/{quote(hosts.show(mac).host.name)}")
    except NotFoundError:
        raise unknown from None


def adopt(mac: str) -> Response | Shown:
    """Make a host of it; what is wrong is told in the form."""
    try:
        machine = machines.show(mac).machine
    except NotFoundError as fault:  # whoever presses twice, or comes second
        return _host_of(mac, fault)
    given = {name: request.form.get(name, "").strip() for name in FIELDS}
    try:
        told = {name: value for name, value in given.items() if value}
        host = machines.adopt(mac, Adoption.model_validate({"name": "", **told})).host
    except ValidationError as fault:
        return _form(mac, machine, given, [sentences(fault)])
    except ProvisionError as fault:
        note_fault_of_people(fault)
        shown = _form(mac, machine, given, [_told(each) for each in (fault, *fault.also)])
        return Shown(shown.template, shown.values, status_of(fault))
    return go(f"/hosts/{host.name}")


def _told(fault: ProvisionError) -> str:
    return f"{fault}. {fault.hint}" if fault.hint else str(fault)


def print_configuration(kind: str) -> Shown:
    """What the site's own server must be told, as text. Raises NotFoundError for one that we do not know."""
    made = net.configuration(kind)
    values = {"made": made, "title": SERVERS.get(kind, kind), "kinds": external.KINDS, "servers": SERVERS}
    return Shown("network_print.html", values)


PAGES = (
    Page("GET", "/network", show, Role.VIEWER),
    Page("GET", "/network/machines/<mac>", show_machine, Role.VIEWER),
    Page("POST", "/network/machines/<mac>/adopt", adopt, Role.TECHNICIAN),
    Page("GET", "/network/print/<kind>", print_configuration, Role.VIEWER),
)
