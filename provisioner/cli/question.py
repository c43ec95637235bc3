"""Questions to whoever sits at the terminal; who leaves one by Ctrl-C or Ctrl-D has changed nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from provisioner.cli.keyboard import read_hidden, read_line
from provisioner.cli.output import info
from provisioner.errors import Exit, RefusedError

NOTHING = "nothing was changed"
click.termui.visible_prompt_func = read_line  # where click lets its input() be replaced
click.termui.hidden_prompt_func = read_hidden


def require_terminal(what: str, hint: str) -> None:
    """Raises RefusedError (PV-133) where nobody can be asked; `what` says what would be done."""
    if not sys.stdin.isatty():
        raise RefusedError(f"{what}, and there is no terminal to ask on; {NOTHING}", hint=hint, code=133)


def ask(question: str, *, hidden: bool = False) -> str:
    """What is typed, on one line; a secret is `hidden`."""
    try:
        answer: str = click.prompt(question, hide_input=hidden, err=True)
    except click.Abort:
        _leave()
    return answer


def ask_count(question: str) -> int:
    """The whole number that is typed; asked again until it is one."""
    try:
        answer: int = click.prompt(question, type=int, err=True)
    except click.Abort:
        _leave()
    return answer


def require_word(
    word: str,
    what: str,
    *,
    yes: bool,
    wanted: str = "to remove it",
    show: Callable[[], None] = lambda: None,
) -> None:
    """Ask for a word to be typed, so that nobody agrees by habit; with `yes` nothing is asked.

    `show` prints what must be seen before it is answered.

    Raises RefusedError (PV-133) for any other word, and where nobody can be asked.
    """
    if yes:
        return
    require_terminal(what, "give --yes in a script")
    show()
    if ask(f"Type {word} {wanted}").strip() != word:
        raise RefusedError(f"not confirmed, {NOTHING}", code=133)


def confirm(question: str) -> bool:
    """Whether it is answered by yes; no, where only Enter is pressed."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        _leave()


@contextmanager
def changing_nothing() -> Iterator[None]:
    """Within it something is only looked at; who leaves it by Ctrl-C is told that nothing was changed."""
    try:
        yield
    except KeyboardInterrupt:
        info("")
        info(f"interrupted: {NOTHING}")
        raise click.exceptions.Exit(Exit.DETACHED) from None


def _leave() -> NoReturn:
    info("")
    info(f"interrupted at the question: {NOTHING}")
    raise click.exceptions.Exit(Exit.DETACHED)
