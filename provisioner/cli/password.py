"""A password from a file, from the environment, or asked; never an argument, which everybody can read."""

import os
from pathlib import Path

from provisioner.cli import question
from provisioner.errors import FileError, InputError

VARIABLE = "PROVISION_PASSWORD"


def read_password(path: Path | None, what: str, *, variable: str = VARIABLE, twice: bool = False) -> str:
    """The first line of a file, else the variable's value, else what is typed, `twice` where it is new.

    Raises InputError (PV-100), FileError (PV-150), RefusedError (PV-133) where nobody can be asked.
    """
    if path:
        return first_line(path)
    if password := os.environ.get(variable, ""):
        return password
    question.require_terminal(what, f"in a script: --password-file FILE, or {variable}")
    password = question.ask("Password", hidden=True)
    if twice and question.ask("Once more", hidden=True) != password:
        raise InputError(f"the two passwords are not the same; {question.NOTHING}", hint="try again")
    return password


def first_line(path: Path) -> str:
    """The first line of a file. Raises InputError (PV-100), FileError (PV-150)."""
    try:
        lines = path.read_text().splitlines()
    except OSError as fault:
        words = f"{path}: no password can be read: {fault.strerror or fault}"
        raise FileError(words, hint="name a file whose first line is the password") from fault
    except UnicodeError as fault:
        hint = "its first line is the password, as UTF-8"
        raise InputError(f"{path}: no password can be read: it is no text", hint=hint) from fault
    if not lines or not lines[0]:
        raise InputError(f"{path}: no password can be read: its first line is empty", hint="write it there")
    return lines[0]
