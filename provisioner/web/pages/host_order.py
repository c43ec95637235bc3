"""One host is ordered: its plan, what must be typed, and the order; and its verification by the ramdisk."""

from collections.abc import Mapping

from flask import Response, request

from provisioner.api.deployments import DeploymentOrder, OrderAnswer
from provisioner.api.examinations import ExaminationOrder
from provisioner.domain.person import Role
from provisioner.domain.stage import STOPS
from provisioner.errors import ProvisionError
from provisioner.web.operators import deployments, hosts, images, verifications
from provisioner.web.pages import submitted
from provisioner.web.pages.host import path_of
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import status_of, the_caller


def ask(name: str) -> Shown | Response:
    """What an order would do, and the form that orders it."""
    found = hosts.show(name).host.name
    if found != name:
        return go(path_of(found, "deploy"))
    return _form(name, request.args.to_dict(), None)


def order(name: str) -> Shown | Response:
    """Order it as it was shown, or say why not, with what would be done now."""
    form = request.form.to_dict()
    given, fault = submitted.attempt(lambda: deployments.order(_body(name, form, arm=True)))
    if not isinstance(given, OrderAnswer):
        return _form(name, form, fault)
    return go(f"/deployments/{given.deployment.id}")


def _body(name: str, form: Mapping[str, str], *, arm: bool) -> DeploymentOrder:
    return submitted.model(
        DeploymentOrder,
        host=name,
        image=form.get("image", ""),
        arm=arm,
        confirmation=form.get("confirmation", ""),
        stop_after=form.get("stop_after", ""),
        terms=submitted.terms(form),
        shown=submitted.digest() if arm else "",
    )


def _form(name: str, form: Mapping[str, str], fault: ProvisionError | None) -> Shown:
    """`fault` is why the order was not taken; where there is no plan, why there is none."""
    found, unplanned = submitted.attempt(lambda: deployments.order(_body(name, form, arm=False)))
    values = {
        "host": hosts.show(name).host,
        "plan": found.plan if found else None,
        "form": form,
        "fault": fault,
        "unplanned": unplanned,
        "images": images.list_all().images,
        "write_modes": submitted.WRITE_MODES,
        "stops": STOPS,
        "may_give_up": the_caller().role.covers(Role.OPERATOR),
    }
    return Shown("host_deploy.html", values, submitted.status_with(fault))


def ask_verify(name: str) -> Shown:
    """What a verification from the ramdisk does."""
    return Shown("host_verify.html", {"host": hosts.show(name).host, "fault": None})


def verify(name: str) -> Shown | Response:
    """Order it."""

    def act() -> str:
        submitted.require_word(request.form, name, f"{name} would be restarted")
        return verifications.examine(ExaminationOrder(host=name)).deployment.id

    ident, fault = submitted.attempt(act)
    if fault:
        return Shown("host_verify.html", {"host": hosts.show(name).host, "fault": fault}, status_of(fault))
    return go(f"/deployments/{ident}")


PAGES = (
    Page("GET", "/hosts/<name>/deploy", ask, Role.TECHNICIAN),
    Page("POST", "/hosts/<name>/deploy", order, Role.TECHNICIAN),
    Page("GET", "/hosts/<name>/verify", ask_verify, Role.TECHNICIAN),
    Page("POST", "/hosts/<name>/verify", verify, Role.TECHNICIAN),
)
