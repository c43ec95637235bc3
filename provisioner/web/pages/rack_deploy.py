"""What a deployment would erase, in large letters, and the four characters by which it is ordered."""

from flask import Response, request
from pydantic import ValidationError

from provisioner.api.deployments import DeploymentOrder, OrderAnswer
from provisioner.domain.person import Role
from provisioner.domain.plan import Plan
from provisioner.domain.refusal import Refusal
from provisioner.errors import InputError, ProvisionError
from provisioner.validation import sentences
from provisioner.web.operators import deployments, hosts
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.pages import advice, rack_words
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import status_of

UNDER_WAY, NOT_CONFIRMED, CHANGED = 132, 133, 146  # codes of what the page says in its own words


def ask(name: str) -> Shown:
    """The plan: image, disk, what stands against it; and the question."""
    return _shown(name, None)


def order(name: str) -> Response | Shown:
    """Arm it as it was shown, if the confirmation is right."""
    form = request.form
    try:
        body = DeploymentOrder(
            host=name,
            image=form.get("image", ""),
            arm=True,
            confirmation=form.get("confirmation", ""),
            shown=form.get("shown", ""),
        )
    except ValidationError as fault:
        return _shown(
            name, InputError(sentences(fault), hint="read what is erased once more, and confirm it")
        )
    if not body.shown:
        return _shown(name, InputError("what is erased was not shown", hint="read it here, and confirm it"))
    try:
        answer = deployments.order(body)
    except ProvisionError as fault:
        note_fault_of_people(fault)
        return _shown(name, fault)
    assert isinstance(answer, OrderAnswer)  # noqa: S101  it was ordered
    return go(f"/t/host/{answer.plan.host.name}/steps")


def _shown(name: str, fault: ProvisionError | None) -> Shown:
    host = hosts.show(name).host
    plan: Plan | None = None
    try:
        plan = deployments.order(DeploymentOrder(host=host.name)).plan
        refusals = plan.refusals
    except ProvisionError as found:
        refusals = (Refusal(code=found.code, sentence=str(found), hint=found.hint),)
    values = {
        "host": host,
        "plan": plan,
        "is_under_way": any(refusal.code == UNDER_WAY for refusal in refusals),
        "warnings": [rack_words.of_refusal(warning) for warning in plan.warnings] if plan else [],
        "power": advice.sentence(plan.power) if plan else "",
        "fixes": [rack_words.of_refusal(refusal) for refusal in refusals],
        "holds": advice.sentence(plan.holds) if plan else "",
        "faults": rack_words.of_fault(fault) if fault else [],
        "is_wrong_answer": fault is not None and fault.code == NOT_CONFIRMED,
        "is_changed": fault is not None and fault.code == CHANGED,
    }
    return Shown("rack_deploy.html", values, status_of(fault) if fault else 200)


PAGES = (
    Page("GET", "/t/host/<name>/deploy", ask, Role.TECHNICIAN),
    Page("POST", "/t/host/<name>/deploy", order, Role.TECHNICIAN),
)
