"""Every PV code that the program can show is explained, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from provisioner.cli.explain import CODES
from provisioner.domain.lifecycle import STAGES

PACKAGE = Path(__file__).parents[3] / "provisioner"


def _numbers(node: ast.AST) -> Iterator[int]:
    value = None
    named = [t.id for t in node.targets if isinstance(t, ast.Name)] if isinstance(node, ast.Assign) else []
    if (isinstance(node, ast.keyword) and node.arg == "code") or (
        isinstance(node, ast.Assign) and {"code", "CODES"} & set(named)
    ):
        value = node.value
    elif isinstance(node, ast.Dict):
        for key, item in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "code" and isinstance(item, ast.IfExp):
                value = item.orelse
    for part in ast.walk(value) if value is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, int) and part.value >= 100:
            yield part.value


def used() -> set[int]:
    found = {row.code for row in STAGES}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= set(_numbers(node))
    return found


def test_every_code_is_explained() -> None:
    assert used() - set(CODES) == set()


def test_no_code_is_explained_that_nothing_uses() -> None:
    assert set(CODES) - used() == set()


TESTS = Path(__file__).parents[2]
UNREACHED: dict[int, str] = {}  # code → why no test can reach it


def reached() -> set[int]:
    """Numbers that stand in tests: as a code, or as `PV-…` in a text. This file does not count."""
    found = set[int]()
    for path in TESTS.rglob("*.py"):
        if path == Path(__file__):
            continue
        text = path.read_text()
        found |= {int(number) for number in re.findall(r"PV-(\d{3})\b", text)}
        constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        found |= {node.value for node in constants if type(node.value) is int}
    return found


def test_every_code_is_reached_by_a_test() -> None:
    """By the number alone, which may stand there for something else; a new code without a test is seen."""
    assert set(CODES) - reached() == set(UNREACHED)
