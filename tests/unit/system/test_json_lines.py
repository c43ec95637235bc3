"""The log as JSON: whole lines, known fields, and nothing that a machine's words could make of them."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from provisioner.system import json_lines
from provisioner.system.json_lines import JsonLines, about
from tests.hostile_words import WORDS, line_faults

ENTRY = '"}\n{"time": "2026-01-01T00:00:00.000Z", "level": "info", "process": "api", "message": "forged"}'


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that speaks JSON."""
    monkeypatch.setattr(json_lines, "_process", "")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    json_lines.speak_json("worker")
    yield
    logging.captureWarnings(False)


def written(message: str, *arguments: object, fault: BaseException | None = None) -> str:
    info = (type(fault), fault, fault.__traceback__) if fault else None
    record = logging.LogRecord("web", logging.WARNING, "web.py", 1, message, arguments, info)
    return JsonLines("api").format(record)


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_is_an_object_with_time_level_process_and_message() -> None:
    said = json.loads(written("%s is answered", "vc-1"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {"level": "warning", "process": "api", "message": "vc-1 is answered", "logger": "web"}


@pytest.mark.parametrize("words", [*WORDS.values(), ENTRY], ids=[*WORDS, "an entry"])
def test_no_words_make_a_line_or_a_field(words: str) -> None:
    line = written("%s is answered", words)
    assert len(line.splitlines()) == 1 and line.isascii() and line.isprintable()
    said = json.loads(line)
    assert said.keys() == {"time", "level", "process", "message", "logger"} and said["process"] == "api"
    assert line_faults(said["message"] + "\n") == [], "who prints what he has taken out is commanded nothing"


def test_a_traceback_is_a_list_that_forges_nothing() -> None:
    try:
        raise ValueError(f"it said\n{ENTRY}\x1b[2J")
    except ValueError as caught:
        [said] = read(written("it broke", fault=caught))
    assert said["message"] == "it broke" and said["trace"][0].startswith("Traceback")
    assert said["trace"][-1].endswith("\\x1b[2J") and said["process"] == "api"


def test_a_line_says_which_host_and_deployment_it_is_about() -> None:
    with about("vc-1", "d-01JD8ABCDE"):
        said = json.loads(written("silent"))
    assert (said["host"], said["deployment"]) == ("vc-1", "d-01JD8ABCDE")
    assert "host" not in json.loads(written("silent"))


def test_a_sentence_and_what_to_do_are_one_line(spoken: None, capsys: pytest.CaptureFixture[str]) -> None:
    json_lines.say("the port is taken (PV-604)\n  → stop the other one")
    json_lines.say("all services are ready")
    first, second = read(capsys.readouterr().err)
    assert (first["message"], first["hint"]) == ("the port is taken (PV-604)", "stop the other one")
    assert second.keys() == {"time", "level", "process", "message"} and second["process"] == "worker"


def test_what_nobody_caught_is_a_line_too(spoken: None) -> None:
    handler = logging.StreamHandler(stderr := io.StringIO())
    handler.setFormatter(JsonLines("worker"))
    logging.getLogger("uncaught").addHandler(handler)
    try:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        fault = ValueError(ENTRY)
        sys.excepthook(ValueError, fault, None)
    finally:
        logging.getLogger("uncaught").removeHandler(handler)
    first, second = read(stderr.getvalue())
    assert first["level"] == second["level"] == "critical"
    assert first["trace"][-1] == "ZeroDivisionError: division by zero" and "forged" in second["trace"][-1]


def test_as_text_a_sentence_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    json_lines.say("one\n  → two")
    assert capsys.readouterr().err == "one\n  → two\n" and not json_lines.is_json()
