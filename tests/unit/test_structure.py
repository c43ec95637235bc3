"""How large things may be, where tests lie, and how much may go untyped: what keeps the package readable."""

import ast
import importlib
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "provisioner"
TESTS = ROOT / "tests"
MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES, ANY_LINES = 350, 50, 8, 60
# The libraries without types whose values are `Any` whatever we write.
UNTYPED = (
    *("ansible", "dnslib", "flask", "gunicorn", "jinja", "json", "netaddr", "pydantic", "pyghmi", "sqlite"),
    *("sushy", "tftpy", "toml", "yaml", "click"),
)
# Tests of a whole, which no room's folder could hold.
WHOLES = {
    *(
        "test_ci",
        "test_docs",
        "test_layers",
        "test_mutant_shares",
        "test_mutants",
        "test_pages",
        "test_reload",
        "test_service",
        "test_skips",
    ),
    *("test_structure", "test_words"),
}


def sources() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "share" not in path.parts]


def functions() -> Iterator[tuple[str, int]]:
    """Every function of the package and how many lines it has, without decorators and docstring."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                text = ast.get_docstring(node)
                documented = (first.end_lineno or first.lineno) - first.lineno + 1 if text is not None else 0
                lines = (node.end_lineno or node.lineno) - node.lineno + 1 - documented
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_no_module_is_two_things() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES
    }
    assert long == {}


def test_no_function_has_to_be_scrolled() -> None:
    found = list(functions())
    assert [f"{name}: {lines}" for name, lines in found if lines > FUNCTION_LINES] == []
    assert statistics.median(lines for _, lines in found) <= MEDIAN_LINES


def any_lines() -> list[tuple[str, str]]:
    """Every line of code that says `Any`, with what stands before it: its place and both lines.

    Imports, comments and docstrings do not count.
    """
    found = []
    for path in sources():
        text = path.read_text()
        lines = text.splitlines()
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        numbers = {token.start[0] for token in tokens if (token.type, token.string) == (tokenize.NAME, "Any")}
        for number in sorted(numbers):
            line = lines[number - 1]
            if not re.match(r"\s*(from typing import|import) ", line):
                found.append((f"{path.relative_to(ROOT)}:{number}", f"{lines[number - 2]}\n{line}"))
    return found


def test_what_goes_untyped_has_a_budget() -> None:
    assert len(any_lines()) <= ANY_LINES, [place for place, _ in any_lines()]


def test_what_goes_untyped_says_which_library_is_why() -> None:
    """In a comment, on the line or on the one before it."""
    silent = [
        place
        for place, text in any_lines()
        if not any(name in comment.lower() for comment in re.findall(r"#.*", text) for name in UNTYPED)
    ]
    assert silent == []


def rooms() -> set[str]:
    """The package's folders, and its modules that lie in none."""
    found = {path.parent.relative_to(PACKAGE).as_posix() for path in sources()} - {"."}
    return found | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}


@pytest.mark.parametrize("rung", ["unit", "wire"])
def test_tests_lie_where_the_code_lies(rung: str) -> None:
    """`tests/unit/<room>` tests `provisioner/<room>`; what spans rooms lies above them and is listed."""
    folder = TESTS / rung
    others = {"ansible", "adversary"}  # a data folder whose programs have tests, and attacks on all rooms
    wrong = []
    for path in sorted(folder.rglob("test_*.py")):
        place = path.parent.relative_to(folder).as_posix()
        if place == "." and path.stem not in WHOLES:
            wrong.append(f"{path.relative_to(ROOT)} belongs into a room's folder")
        if place != "." and place not in rooms() | others:
            wrong.append(f"{path.relative_to(ROOT)}: there is no provisioner/{place}")
    assert wrong == []


def programs_in_strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text.count("\n") > 2 and re.search(r"^(import|from) \w+", text, flags=re.MULTILINE):
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_what_tests_start_are_files_that_are_checked() -> None:
    """A program in a string is read by no linter and by no type checker, so it rots."""
    assert [place for path in sorted(TESTS.rglob("*.py")) for place in programs_in_strings(path)] == []
    checked = (ROOT / "pyproject.toml").read_text()
    assert '"tests/**/programs/*.py"' in checked
    assert len(list(TESTS.rglob("programs/*.py"))) > 20


def taken(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """What a file takes from modules of the product: the module, a name in it, and the line."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            for alias in node.names:
                yield str(node.module), alias.name, node.lineno
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in modules and name not in own:
                yield modules[name], node.attr, node.lineno


def found(place: str) -> object:
    """A module of the product, or what it has under a name."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError:
        module, _, name = place.rpartition(".")
        return getattr(importlib.import_module(module), name, None)


def test_what_tests_take_from_the_product_is_there() -> None:
    """Most tests run only in the long suite: what has moved is missed here, in seconds."""
    missed = [
        f"{path.relative_to(ROOT)}:{line}: {place}.{name}"
        for path in sorted(TESTS.rglob("*.py"))
        for place, name, line in taken(ast.parse(path.read_text()))
        if isinstance(module := found(place), ModuleType) and not hasattr(module, name)
        if found(f"{place}.{name}") is None
    ]
    assert missed == []
