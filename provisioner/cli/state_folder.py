"""The state folder of a service on this machine, as commands need it that ask no service."""

from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cli.output import info
from provisioner.errors import InputError, RefusedError, SettingsError

if TYPE_CHECKING:
    from provisioner.settings import Settings


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


def settings_of(state: Path, file: Path, otherwise: str = "") -> "Settings":
    """The settings in `file` for this folder; else the defaults, after `otherwise` was said."""
    from provisioner import settings

    try:
        return settings.load(file, state=str(state))
    except SettingsError as fault:
        if otherwise:
            info(f"{fault}: {otherwise}")
        return bare_settings(state)


def bare_settings(state: Path) -> "Settings":
    """The defaults, for who asks for nothing of the network."""
    from provisioner import settings

    body = {"state": state, "interface": "unknown", "address": "192.0.2.1/24"}
    return settings.check(body, source="the command line")
