"""A record is one line of the log, whatever a machine's words in it hold."""

import io
import logging

import pytest

from provisioner.system.log_lines import LogLines
from tests.hostile_words import FORGED, WORDS, line_faults


def written(act: str, *arguments: object, fault: BaseException | None = None) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines("%(asctime)s web: %(message)s"))
    info = (type(fault), fault, fault.__traceback__) if fault else None
    handler.handle(logging.LogRecord("web", logging.INFO, "web.py", 1, act, arguments, info))
    return stream.getvalue()


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_no_words_begin_a_line_or_command_a_terminal(words: str) -> None:
    line = written("%s is answered: %s", words, "no")
    assert line.count("\n") == 1 and line_faults(line) == [] and line.endswith(" is answered: no\n")


def test_a_traceback_is_indented_so_that_an_exception_forges_no_line() -> None:
    try:
        raise ValueError(f"what was sent is\n{FORGED} \x1b[2J")
    except ValueError as caught:
        lines = written("it broke", fault=caught).splitlines()
    assert lines[0].endswith(" web: it broke") and lines[1].startswith("  Traceback")
    assert lines[-1] == f"  {FORGED} \\x1b[2J" and all(line.startswith("  ") for line in lines[1:])
