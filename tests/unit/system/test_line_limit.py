"""Who can repeat what a log line tells of does not fill the disk with it."""

import logging

from provisioner.system.line_limit import BURST, PER_HOUR, LineLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(line: int, text: str = "hello from %s", *words: object) -> logging.LogRecord:
    return logging.LogRecord("test", logging.WARNING, "agent.py", line, text, words or ("10.77.0.9",), None)


def test_a_kind_is_bounded_and_the_others_are_not_hindered() -> None:
    limit = LineLimit(Clock())
    written = [limit.filter(record(7, "hello from %s", number)) for number in range(10 * BURST)]
    assert sum(written) == BURST and all(written[:BURST])
    assert limit.filter(record(8)), "another place in the program"


def test_what_was_left_out_is_counted_on_the_next_line() -> None:
    clock = Clock()
    limit = LineLimit(clock)
    for _ in range(BURST + 5):
        limit.filter(record(7))
    clock.now += 3600 / PER_HOUR
    late = record(7)
    assert limit.filter(late)
    assert late.getMessage() == "hello from 10.77.0.9 (5 more such lines were left out before)"
    assert not limit.filter(record(7))


def test_a_day_of_a_flood_is_some_thousand_lines() -> None:
    clock = Clock()
    limit, written = LineLimit(clock), 0
    for _ in range(86_400):
        clock.now += 1
        written += limit.filter(record(7))
    assert BURST < written <= BURST + 24 * PER_HOUR
