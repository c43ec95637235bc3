"""Models of which only those keys are written that were given: where absent and default differ."""

from collections.abc import Callable

from pydantic import BaseModel, JsonValue, WrapSerializer

JsonObject = dict[str, JsonValue]


def _dump_set(value: BaseModel, _: Callable[[BaseModel], JsonObject]) -> JsonObject:
    return value.model_dump(mode="json", exclude_unset=True)


OnlySet = WrapSerializer(_dump_set)  # Annotated[Model, OnlySet]
