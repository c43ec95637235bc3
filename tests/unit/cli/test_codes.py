"""Every PV code that the program can show is explained, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.domain.lifecycle import STAGES
from provisioner.explanations.codes import CODES

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
EXPECTED = re.compile(r"(?<![a-z])(codes?|numbers?|causes?)(?![a-z])")
SHOWN = {  # they are given errors to show, so a code in them is reached by nothing
    TESTS / "unit" / "cli" / name
    for name in ("test_codes.py", "test_failures.py", "test_output.py", "test_run_frame.py", "test_watch.py")
}


def _is_code(words: str) -> bool:
    """Whether these are names of PV codes; a `returncode` and a `status_code` are others'."""
    return bool(EXPECTED.search(words.replace("status_code", "").replace("exit_code", "").replace("_", " ")))


def _integers(node: ast.AST) -> set[int]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and type(n.value) is int}


def _parameters(tree: ast.Module) -> dict[str, list[str]]:
    """Of the functions and dataclasses of a test's file."""
    found = dict[str, list[str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = [each.arg for each in node.args.args]
        elif isinstance(node, ast.ClassDef):
            fields = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
            found[node.name] = [each.id for each in fields if isinstance(each, ast.Name)]
    return found


def _called(node: ast.Call, parameters: dict[str, list[str]]) -> set[int]:
    """What a test hands over as a code: to its parameters, to a helper, to a row of its table."""
    name = ast.unparse(node.func)
    if name.endswith("parametrize"):
        return _integers(node.args[1]) if _is_code(ast.unparse(node.args[0])) else set()
    pairs = zip(parameters.get(name, ()), node.args, strict=False)
    return set[int]().union(*(_integers(given) for parameter, given in pairs if _is_code(parameter)))


def expected(tree: ast.Module) -> set[int]:
    """The codes that a file of tests expects: `PV-…` in a text, compared with a code, or handed over as one.

    What stands in a docstring is not expected, nor what an error is made with (`code=`).
    """
    parameters, found = _parameters(tree), set[int]()
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in silent:
            found |= {int(number) for number in re.findall(r"PV-(\d{3})\b", str(node.value))}
        elif isinstance(node, ast.Compare) and _is_code(ast.unparse(node)):
            found |= _integers(node)
        elif isinstance(node, ast.For | ast.comprehension) and _is_code(ast.unparse(node.target)):
            found |= _integers(node.iter)
        elif isinstance(node, ast.Call):
            found |= _called(node, parameters)
    return found


def reached() -> set[int]:
    """The codes that a test expects of the product."""
    files = set(TESTS.rglob("*.py")) - SHOWN
    return set[int]().union(*(expected(ast.parse(path.read_text())) for path in files))


def test_every_code_is_reached_by_a_test() -> None:
    """Not by a number that stands there for something else, nor by a test that only shows errors."""
    assert sorted(set(CODES) - reached()) == sorted(UNREACHED)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("assert fault.code == 210", {210}),
        ("assert 'failed (PV-210)' in said", {210}),
        ("def refused(said, number): ...\nrefused(said, 210)", {210}),
        ("class Case:\n    code: int\nCase(210)", {210}),
        ("@pytest.mark.parametrize(('a', 'code'), [(1, 210)])\ndef test(): ...", {1, 210}),
        ("'Ends with PV-210.'", set()),
        ("raise PowerError('x', code=210)", set()),
        ("assert reply.status == 210 and reply.status_code == 210 and done.returncode == 210", set()),
        ("open(210)", set()),
    ],
)
def test_what_counts_as_reached(text: str, wanted: set[int]) -> None:
    assert expected(ast.parse(text)) == wanted
