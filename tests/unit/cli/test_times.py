"""Moments as people type them."""

import time
from datetime import UTC, datetime

import click
import pytest

from provisioner.cli.output import local_time
from provisioner.cli.times import Moment


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("90m", 5400), ("2h", 7200), ("3d", 259200), ("1w", 604800), ("0s", 0)]
)
def test_so_long_ago(text: str, seconds: float) -> None:
    assert Moment().convert(text, None, None) == pytest.approx(time.time() - seconds, abs=5)


@pytest.mark.parametrize("text", ["2026-11-29T08:00:00Z", "2026-11-29T09:00:00+01:00", " 2026-11-29T08:00Z"])
def test_a_moment_with_its_zone(text: str) -> None:
    assert Moment().convert(text, None, None) == datetime(2026, 11, 29, 8, tzinfo=UTC).timestamp()


def test_a_moment_without_a_zone_is_the_readers_own() -> None:
    assert Moment().convert("2026-11-29", None, None) == datetime(2026, 11, 29).astimezone().timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "-3d", "2026-13-01", "99999999999d", "1.5h"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time; write 90m"):
        Moment().convert(text, None, None)


@pytest.mark.parametrize(("zone", "shown"), [("UTC", "10:00:00 UTC"), ("Europe/Berlin", "11:00:00 CET")])
def test_times_of_tables_have_their_zone(zone: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moment = datetime(2026, 11, 29, 10, tzinfo=UTC).timestamp()
        assert local_time(moment) == f"2026-11-29 {shown}"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert local_time(0) == ""
