"""One profile from a file, without a service: of inventory/profiles.yml, or as `profile show` prints it."""

import json
from collections.abc import Mapping
from pathlib import Path

from provisioner.domain.profile import Profile
from provisioner.errors import InputError
from provisioner.state import inventory, yaml_file
from provisioner.system import file_fault
from provisioner.system.units import named

LARGEST = 1 << 20  # bytes
HINT = "give inventory/profiles.yml, or what provision profile show NAME -o json prints"


def read(path: Path, name: str = "") -> Profile:
    """The profile of a file; of several the one of this name.

    Raises InputError, InventoryError (PV-110): it is none; FileError (PV-150).
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    if len(data) > LARGEST:
        raise InputError(f"{path.name} is larger than any profile", hint=HINT)
    bodies = _of_json(data, path) if data.lstrip()[:1] == b"{" else _of_yaml(path)
    return inventory.make_profile(_chosen(bodies, name, path))


def _of_json(data: bytes, path: Path) -> dict[str, Mapping[str, object]]:
    """As the API and `-o json` have it: below `profile`, with the names of its hosts."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise InputError(f"{path.name} is no JSON: {str(fault)[:200]}", hint=HINT) from fault
    body = found.get("profile")
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise InputError(f"{path.name} has no profile in it", hint=HINT)
    return {body["name"]: {key: value for key, value in body.items() if key not in ("name", "hosts")}}


def _of_yaml(path: Path) -> dict[str, Mapping[str, object]]:
    found = yaml_file.load(path)
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path.name} has no profile in it", hint=HINT)
    for name, body in found.items():
        if not isinstance(body, dict | None):
            raise InputError(f"{path.name}: profile {name} is no mapping", hint=HINT)
    return {str(name): _said(body or {}) for name, body in found.items()}


def _said(body: Mapping[str, object]) -> dict[str, object]:
    """Null is what nobody said, also below."""
    plain = inventory.without_nulls(dict(body))
    return plain if isinstance(plain, dict) else {}


def _chosen(bodies: Mapping[str, Mapping[str, object]], name: str, path: Path) -> dict[str, object]:
    if name and name not in bodies:
        raise InputError(f"{path.name} has no profile {name!a}", hint=f"it has {named(bodies)}")
    if not name and len(bodies) > 1:
        raise InputError(
            f"{path.name} has several profiles, and which is meant is not said",
            hint=f"--name, one of: {named(bodies)}",
        )
    chosen = name or next(iter(bodies))
    return {"name": chosen, **bodies[chosen]}
