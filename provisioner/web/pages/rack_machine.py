"""A machine that nobody knows: what it says of itself, and which host it becomes."""

from urllib.parse import quote

from flask import Response, request
from pydantic import ValidationError

from provisioner.api.machines import Adoption, MachineAssignment
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.person import Role
from provisioner.errors import InputError, NotFoundError, ProvisionError
from provisioner.validation import sentences
from provisioner.web.operators import hosts, machines, profiles
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import rack_words
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import status_of, the_caller

FIELDS = ("name", "profile", "rack")


def show(mac: str) -> Shown:
    """What it said of itself; of one that is a host by now, which."""
    try:
        return Shown("rack_machine.html", {"machine": machines.show(mac).machine, "mac": mac, "host": ""})
    except NotFoundError:
        host = hosts.show(mac).host.name
        return Shown("rack_machine.html", {"machine": None, "mac": mac, "host": host})


def _is_known(mac: str) -> bool:
    """Whether it is a host by now: whoever presses twice, or comes second, is told which."""
    try:
        return not isinstance(show(mac).values["machine"], UnknownMachine)
    except NotFoundError:
        return False


def ask_new(mac: str) -> Shown | Response:
    """As which host it is taken into the inventory."""
    return _new(mac, {}, None)


def adopt(mac: str) -> Response | Shown:
    """Make a host of it; or say all that is wrong with what was typed."""
    given = {field: request.form.get(field, "").strip() for field in FIELDS}
    given["name"] = given["name"].lower()
    if not given["name"]:
        return _new(mac, given, InputError("the host has no name yet", hint="type what its rack label says"))
    try:
        made = machines.adopt(
            mac, Adoption.model_validate({key: text for key, text in given.items() if text})
        )
    except ValidationError as fault:
        return _new(mac, given, InputError(sentences(fault), hint="correct it, and press the button again"))
    except ProvisionError as fault:
        note_fault_of_people(fault)
        return _new(mac, given, fault)
    return go(f"/t/host/{made.host.name}")


def _new(mac: str, given: dict[str, str], fault: ProvisionError | None) -> Shown | Response:
    if _is_known(mac):
        return go(f"/t/machine/{quote(mac)}")
    machine = machines.show(mac).machine
    values: dict[str, object] = {"machine": machine, "given": given, "profiles": profiles.list_all().profiles}
    values["faults"] = rack_words.of_fault(fault, given["name"]) if fault else []
    return Shown("rack_new.html", values, status_of(fault) if fault else 200)


def ask_known(mac: str) -> Shown | Response:
    """Which of the hosts that were never seen it is."""
    return _known(mac, None)


def assign(mac: str) -> Response | Shown:
    """Let it be the machine of a host that was never seen."""
    name = request.form.get("host", "")
    if not name:
        return _known(mac, InputError("no host was chosen", hint="tap the one that it is"))
    try:
        made = machines.assign(mac, MachineAssignment(host=name))
    except ProvisionError as fault:
        note_fault_of_people(fault)
        return _known(mac, fault)
    return go(f"/t/host/{made.host.name}")


def _known(mac: str, fault: ProvisionError | None) -> Shown | Response:
    if _is_known(mac):
        return go(f"/t/machine/{quote(mac)}")
    values = {
        "machine": machines.show(mac).machine,
        "unseen": machines.unseen_hosts(),
        "may_assign": the_caller().role.covers(Role.OPERATOR),
        "faults": rack_words.of_fault(fault) if fault else [],
    }
    return Shown("rack_known.html", values, status_of(fault) if fault else 200)


PAGES = (
    Page("GET", "/t/machine/<mac>", show, Role.TECHNICIAN),
    Page("GET", "/t/machine/<mac>/new", ask_new, Role.TECHNICIAN),
    Page("POST", "/t/machine/<mac>/new", adopt, Role.TECHNICIAN),
    Page("GET", "/t/machine/<mac>/known", ask_known, Role.TECHNICIAN),
    Page("POST", "/t/machine/<mac>/known", assign, Role.OPERATOR),
)
