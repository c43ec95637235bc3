"""Saves what can be read of a row of which something cannot."""

from collections.abc import Callable

from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import Stage
from provisioner.state.connection import Row, SqlValue
from provisioner.state.reading import FAULTS


def deployment(row: Row, make: Callable[[Row], Deployment]) -> Deployment:
    """The deployment with each column that can be read; the others are empty, the stage is `failed`."""
    blank = _blank(str(row["id"]))
    kept = dict(blank)
    for name, value in row.items():
        try:
            make({**blank, name: value})
        except FAULTS:
            continue
        kept[name] = value
    return make(kept)


def _blank(ident: str) -> dict[str, SqlValue]:
    """A deployment of which nothing is known but its id."""
    required = {name: field for name, field in Deployment.model_fields.items() if field.is_required()}
    nothing: dict[str, SqlValue] = {
        name: "" if field.annotation is str else 0 for name, field in required.items()
    }
    return {**nothing, "id": ident, "stage": Stage.FAILED.value}
