"""One way to take something away: the service says whether it can be, then the person is asked."""

from collections.abc import Callable
from typing import TypeVar

from provisioner.cli import question

Gone = TypeVar("Gone")


def confirmed(
    remove: Callable[[str, bool], Gone],
    text: str,
    *,
    name: Callable[[Gone], str],
    noun: str = "",
    yes: bool,
    show: Callable[[Gone], None] = lambda _: None,
) -> Gone:
    """What was removed. `remove(text, dry_run)` asks the service; `name` is the word that is to be typed.

    Raises what the service refuses, before anybody is asked; RefusedError (PV-133) as `require_word`.
    """
    found = remove(text, True)
    word = name(found)
    question.require_word(word, f"this removes {noun}{word}", yes=yes, show=lambda: show(found))
    return remove(word, False)
