"""A skipped test fails the run unless tests/skips.txt lists it with its reason."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes says something of the machine's other work, nothing of the program
settings.register_profile("unhurried", deadline=None)
settings.register_profile("hours", deadline=None, max_examples=1_000_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unhurried"))

LISTED = Path(__file__).with_name("skips.txt")


def _allowed() -> dict[str, str]:
    lines = [line.split("#", 1)[0].strip() for line in LISTED.read_text().splitlines()]
    return dict(line.split(maxsplit=1) for line in lines if line)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """What the service sets for its process would else hold for all later tests of this one."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = {report.nodeid for report in reporter.stats.get("skipped", [])} if reporter else set()
    unlisted = sorted(skipped - set(_allowed()))
    if unlisted:
        reporter.write_line("skipped, but not listed with a reason in tests/skips.txt:", red=True)
        for name in unlisted:
            reporter.write_line(f"  {name}", red=True)
        session.exitstatus = 1
