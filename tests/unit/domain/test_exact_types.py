"""What people write of hosts and profiles: `true` is no number, and no number is a `true`."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from provisioner.domain.host import Host
from provisioner.domain.profile import Profile


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model, and all that it is made of."""
    yield model
    for field in model.model_fields.values():
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from models(part)


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from parts(part)


ALL = sorted({*models(Host), *models(Profile)}, key=lambda model: model.__name__)


def fields(kinds: set[type]) -> list[tuple[type[BaseModel], str, FieldInfo]]:
    return [
        (model, name, field)
        for model in ALL
        for name, field in model.model_fields.items()
        if kinds & {part for part in parts(field.annotation) if isinstance(part, type)}
    ]


def is_taken(model: type[BaseModel], name: str, value: object) -> bool:
    """Whether there is nothing to complain about in this field."""
    try:
        TypeAdapter(model).validate_python({name: value})
    except ValidationError as fault:
        return not any(error["loc"][:1] == (name,) for error in fault.errors())
    return True


def of(field: FieldInfo, value: object) -> object:
    """The value, or a mapping of it where the field is one; its keys are those of the first level."""
    mapping = next(
        (part for part in parts(field.annotation) if getattr(part, "__origin__", None) is dict), None
    )
    if mapping is None:
        return value
    key = get_args(mapping)[0]
    return {(next(iter(key)).value if hasattr(key, "__members__") else "fp16"): value}


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    ("model", "name", "field"), fields({int, float}), ids=lambda part: getattr(part, "__name__", part)
)
def test_true_is_no_number(model: type[BaseModel], name: str, field: FieldInfo, value: bool) -> None:
    assert not is_taken(model, name, of(field, value))


@pytest.mark.parametrize("value", [0, 1, 1.0])
@pytest.mark.parametrize(
    ("model", "name", "field"), fields({bool}), ids=lambda part: getattr(part, "__name__", part)
)
def test_a_number_is_no_boolean(model: type[BaseModel], name: str, field: FieldInfo, value: object) -> None:
    assert not is_taken(model, name, value)
    assert all(is_taken(model, name, word) for word in (True, "true", "off")), (
        "an inventory's reader leaves words"
    )


def test_there_are_some() -> None:
    numbers, booleans = (
        {f"{m.__name__}.{name}" for m, name, _ in fields(kinds)} for kinds in ({int, float}, {bool})
    )
    assert {"Gpu.count", "Bmc.port", "Profile.deadlines", "Hints.min_size"} <= numbers
    assert {"Host.locked", "Bmc.verify", "Gpu.ecc", "Hints.rotational"} <= booleans
