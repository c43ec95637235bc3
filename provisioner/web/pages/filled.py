"""What was filled into a form, as the model that the API takes; and what is wrong with it."""

from collections.abc import Mapping
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from provisioner.errors import InputError, ProvisionError
from provisioner.validation import sentences
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.request import status_of

_Model = TypeVar("_Model", bound=BaseModel)


def filled(model: type[_Model], values: Mapping[str, object]) -> _Model:
    """The model of these values. Raises InputError (PV-100), which tells all faults at once."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        hint = "correct it, then send it again"
        raise InputError(f"the form cannot be used: {sentences(fault)}", hint=hint) from fault


def text(name: str) -> str:
    """One field of the form, without blanks around it; empty where there is none."""
    return request.form.get(name, "").strip()


def require_same(name: str, typed: str, what: str) -> None:
    """What takes something away for ever is confirmed by its name. Raises InputError (PV-100)."""
    if typed != name:
        hint = "type it as it is written above the field"
        raise InputError(f"{what} was not removed: {name} has to be typed", hint=hint)


def status_with(fault: ProvisionError | None) -> int:
    """Of a form that is shown again with what is wrong; what was refused is written down, as the API does."""
    if fault is None:
        return 200
    note_fault_of_people(fault)
    return status_of(fault)
