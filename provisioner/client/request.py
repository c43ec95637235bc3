"""What is to be sent, checked before it is."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from provisioner.errors import InputError
from provisioner.validation import sentences

_Model = TypeVar("_Model", bound=BaseModel)


def request(model: type[_Model], **values: object) -> _Model:
    """What is to be sent. Raises InputError in the service's words where it would not take it."""
    try:
        return model.model_validate(values)
    except ValidationError as fault:
        raise InputError(f"the request cannot be used: {sentences(fault)}") from fault
