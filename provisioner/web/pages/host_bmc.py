"""A host's BMC is asked by the worker: test, light, sensors, power; what came of it."""

from collections.abc import Mapping

from flask import Response, request

from provisioner.api.answer import WaitQuery
from provisioner.api.bmc import BmcOrder
from provisioner.domain.person import Role
from provisioner.errors import NotFoundError
from provisioner.web.operators import bmc, hosts
from provisioner.web.pages import submitted
from provisioner.web.pages.host import path_of
from provisioner.web.pages.page import Page, Shown, go

CUTS = ("off", "reset")  # what runs on the host ends without a word
HEALTHS = ("critical", "warning", "unknown", "ok")
WORDS = {"test": "Test", "power": "Power", "identify": "Identification light", "sensors": "Sensors"}


def ask_power(name: str) -> Shown:
    """To cut its power or to reset it, which must be confirmed."""
    return Shown("host_power.html", {"host": hosts.show(name).host, "fault": None})


def order(name: str) -> Shown | Response:
    """Let the worker ask the BMC, and go on to what comes of it; what cuts the power is confirmed first."""
    form = request.form
    if form.get("action") != "power" or form.get("argument") not in CUTS:
        return _go_to(name, _ask(name, form))

    def act() -> int:
        submitted.require_word(form, name, f"the power of {name} would be cut")
        return _ask(name, form)

    number, fault = submitted.attempt(act)
    if number is None:
        told = submitted.status_with(fault)
        return Shown("host_power.html", {"host": hosts.show(name).host, "fault": fault}, told)
    return _go_to(name, number)


def _ask(name: str, form: Mapping[str, str]) -> int:
    action, argument = form.get("action", ""), form.get("argument", "")
    return bmc.order(submitted.model(BmcOrder, host=name, action=action, argument=argument)).request


def _go_to(name: str, number: int) -> Response:
    return go(path_of(name, "bmc", str(number)))


def result(name: str, ident: int) -> Shown:
    """What came of a request, as soon as it is known. Raises NotFoundError where it is none of the host's."""
    found, fault = submitted.attempt(lambda: bmc.result(ident, WaitQuery()).request)
    if isinstance(fault, NotFoundError):
        raise fault
    if found and found.host != name:
        raise NotFoundError(f"{name} was not asked that", hint="go back to the host")
    sensors = sorted(
        getattr(found.result, "sensors", ()) if found else (), key=lambda one: HEALTHS.index(one.health)
    )
    values = {
        "host": hosts.show(name).host,
        "asked": found,
        "fault": fault,
        "sensors": sensors,
        "what": WORDS.get(found.action, found.action) if found else "BMC",
        "is_done": found is not None and found.state == "done",
    }
    return Shown("host_bmc.html", values)


PAGES = (
    Page("GET", "/hosts/<name>/power", ask_power, Role.TECHNICIAN),
    Page("POST", "/hosts/<name>/bmc", order, Role.TECHNICIAN),
    Page("GET", "/hosts/<name>/bmc/<int:ident>", result, Role.TECHNICIAN),
)
