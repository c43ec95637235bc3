"""The state folder of a service on this machine, as commands need it that ask no service."""

from pathlib import Path

from provisioner.errors import InputError, RefusedError


def require_ours(state: Path) -> None:
    """Raises InputError (PV-100): this is no state folder; RefusedError (PV-622): you may not read it."""
    try:
        is_one = (state / "secrets").is_dir()
        if is_one:
            list((state / "secrets").iterdir())
    except PermissionError as fault:
        raise RefusedError(
            f"{state}: you may not enter the service's state folder", hint="as root", code=622
        ) from fault
    if not is_one:
        raise InputError(f"{state} is no state folder of the service", hint="give --state")
