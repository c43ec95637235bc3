"""Ctrl-C at a question, however soon it is typed, leaves the question."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from tests.wire.conftest import Terminal

PROGRAM = Path(__file__).with_name("programs") / "ask.py"
ROUNDS = 150
KEY_C = "\x03"


@pytest.mark.parametrize("spread", [0.0, 0.0005, 0.003])
def test_a_ctrl_c_that_comes_with_the_prompt_is_not_lost(spread: float) -> None:
    """`spread`: up to so many seconds after the prompt's first byte."""
    moment = random.Random(7)
    terminal = Terminal([sys.executable, str(PROGRAM), str(ROUNDS)], {})
    try:
        for number in range(ROUNDS):
            terminal.await_text(f"[question {number}")
            until = time.perf_counter() + moment.random() * spread
            while time.perf_counter() < until:
                pass
            terminal.type(KEY_C)
            terminal.await_text(f"asked {number}: 130")
        assert terminal.end() == 0
        assert terminal.seen.count("interrupted at the question: nothing was changed") == ROUNDS
    finally:
        terminal.close()


def test_what_is_typed_at_a_hidden_question_is_not_echoed() -> None:
    terminal = Terminal([sys.executable, str(PROGRAM), "2"], {})
    try:
        terminal.await_text("[question 0]: ")
        terminal.type("shown-word\r")
        terminal.await_text("[question 1]: ")
        terminal.type("hidden-word\r")
        assert terminal.end() == 0
        assert "shown-word" in terminal.seen and "hidden-word" not in terminal.seen
        assert terminal.seen.endswith("[question 1]: \r\n")
    finally:
        terminal.close()


@pytest.mark.parametrize("number", [0, 1])
def test_the_end_of_input_leaves_a_question(number: int) -> None:
    terminal = Terminal([sys.executable, str(PROGRAM), "2"], {})
    try:
        for before in range(number):
            terminal.await_text(f"[question {before}]: ")
            terminal.type("word\r")
        terminal.await_text(f"[question {number}]: ")
        terminal.type("\x04")
        terminal.await_text(f"asked {number}: 130")
    finally:
        terminal.close()
