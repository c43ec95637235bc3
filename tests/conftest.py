"""A skipped test fails the run unless tests/skips.txt lists it with its reason."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from hypothesis import settings
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart

# how long an example takes says something of the machine's other work, nothing of the program; and what is
# tried is the same each time, so that a change is judged by what it changes. `make test-examples` has others
settings.register_profile("unhurried", deadline=None, derandomize=True)
settings.register_profile("chance", deadline=None, max_examples=5000)
settings.register_profile("hours", deadline=None, max_examples=1_000_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unhurried"))


class CompiledTemplates(BytecodeCache):
    """Every application compiles its templates; a thousand of one process compile the same text once."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self.kept.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


class CompiledRule(Rule):
    """Likewise how the path of a rule is taken apart and put together."""

    parsed: ClassVar[dict[object, tuple[list[RulePart], list[tuple[bool, str]], dict[str, Any]]]] = {}
    kept: ClassVar[dict[object, Callable[..., tuple[str, str]]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        if key not in self.kept:
            self.kept[key] = super()._compile_builder(append_unknown)
        return self.kept[key]

    def _parse_rule(self, rule: str) -> Iterable[RulePart]:
        key = (rule, *self.map.converters.items())
        if key not in self.parsed:
            trace, converters = self._trace, self._converters
            self._trace, self._converters = [], {}
            self.parsed[key] = [*super()._parse_rule(rule)], self._trace, self._converters
            self._trace, self._converters = trace, converters
        parts, trace, converters = self.parsed[key]
        self._trace += trace
        self._converters |= converters
        self.arguments |= converters.keys()
        return parts


Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}
Flask.url_rule_class = CompiledRule

LISTED = Path(__file__).with_name("skips.txt")
UNIT = Path(__file__).with_name("unit")
MARKS = ("alone", "long", "roles")
LAST = 0.2  # of the unit tests' files: they are short, so that all processes end at the same time


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where `-m` begins with a mark, a file that does not name it has no such test, and is not imported."""
    mark, _, more = config.option.markexpr.partition(" ")
    if mark not in MARKS or "or" in more.split() or not collection_path.match("test_*.py"):
        return None
    return None if _names(collection_path, mark) else True


@cache
def _names(file: Path, mark: str) -> bool:
    return f"mark.{mark}" in file.read_text()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests wait for programs stand between those whose tests compute; each stays whole."""
    for item in items:
        for mark in filter(item.get_closest_marker, MARKS):
            assert _names(item.path, mark), f"{item.path} is {mark}, but `-m {mark}` passes it over"
    units: dict[Path, list[pytest.Item]] = {}
    others: dict[Path, list[pytest.Item]] = {}
    for item in items:
        (units if UNIT in item.path.parents else others).setdefault(item.path, []).append(item)
    step = len(others) / (len(units) * (1 - LAST)) if units else 0.0
    places = [(number + 0.0, part) for number, part in enumerate(others.values())]
    places += [(number * step + 0.5, part) for number, part in enumerate(units.values())]
    places.sort(key=lambda place: place[0])
    items[:] = [item for _, part in places for item in part]


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
