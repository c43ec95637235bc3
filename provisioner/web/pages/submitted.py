"""What a form has sent: as the model that the API takes, or what is wrong with it.

A refusal is written down, as the API does, and the page is shown again with it.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from provisioner.domain.deployment import Terms
from provisioner.errors import InputError, ProvisionError, RefusedError
from provisioner.validation import sentences
from provisioner.web.operators.refused import note_fault_of_people
from provisioner.web.request import status_of

Made = TypeVar("Made", bound=BaseModel)
Done = TypeVar("Done")
NOTHING_SHOWN = "0" * 64  # the digest of no plan: who was shown none orders none
LONGEST = 40  # characters of a number that is none: a fault names them
WRITE_MODES = (
    ("delta", "only what differs"),
    ("full", "all of the image"),
    ("wipe", "zeros everywhere, then the image"),
)


def model(kind: type[Made], /, **values: object) -> Made:
    """Raises InputError (PV-100), which says all that is wrong."""
    try:
        return kind.model_validate(values)
    except ValidationError as fault:
        raise InputError(
            f"the form cannot be used: {sentences(fault)}", hint="correct it, then send it again"
        ) from fault


def from_json(kind: type[Made], text: str) -> Made:
    """Of a hidden field that a page of ours has filled. Raises InputError (PV-100)."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as fault:
        raise InputError("the form is not as it was shown", hint="open the page again") from fault


def number(form: Mapping[str, str], key: str) -> int | str:
    """As a model takes it, which says of a text what is wrong; 0 where nothing is said."""
    text = form.get(key, "").strip()[:LONGEST]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text or 0


def whole(text: str, otherwise: int) -> int:
    """A whole number of an address or a form, if it is one that anything here can have."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


def terms(form: Mapping[str, str]) -> Terms:
    """How the disk may be written, and what is given up for it."""
    return model(
        Terms,
        write_mode=form.get("write_mode") or "delta",
        erase_foreign="erase_foreign" in form,
        allow_downgrade="allow_downgrade" in form,
    )


def attempt(act: Callable[[], Done]) -> tuple[Done | None, ProvisionError | None]:
    """What it gives, or why it was refused, which is written down as the API does.

    Where what the page is about is not there, it is the page, made next, that raises NotFoundError.
    """
    try:
        return act(), None
    except ProvisionError as fault:
        note_fault_of_people(fault)
        return None, fault


def status_with(fault: ProvisionError | None) -> int:
    """Of a form that is shown again with what is wrong; of one that is shown first, 200."""
    return status_of(fault) if fault else 200


def text(name: str) -> str:
    """One field of what was sent, without blanks around it; empty where there is none."""
    return request.form.get(name, "").strip()


def digest() -> str:
    """What a form says was shown: the digest of a plan; of none that there is where it says nothing."""
    told = request.form.get("shown", "")
    return told if re.fullmatch(r"[0-9a-f]{64}", told) else NOTHING_SHOWN


def require_word(form: Mapping[str, str], word: str, about: str) -> None:
    """What takes something away is confirmed by its name. Raises RefusedError (PV-133)."""
    if form.get("confirmation", "").strip() != word:
        raise RefusedError(f"{about}: not confirmed, nothing was changed", hint=f"type {word}", code=133)


def require_pause(since: float, about: str) -> None:
    """What goes on does so after the pause that was looked at: a page may be older than the present one.

    Raises RefusedError (PV-146) where it was paused anew.
    """
    if since and request.form.get("paused", "") != str(since):
        raise RefusedError(
            f"{about} was paused once more since this page was shown: nothing was done",
            hint="look at why it waits now",
            code=146,
        )
