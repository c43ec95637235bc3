"""The operator's table of causes has every code by which one can be named."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECTION = "## Why a deployment waits"


def named_codes() -> set[int]:
    """The numbers that the judges give as `code`, and those of the verification's table."""
    found = set[int]()
    for path in (ROOT / "provisioner" / "diagnosis").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            values = [node.value] if isinstance(node, ast.keyword) and node.arg == "code" else []
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CODES":
                values = [node.value]
            for value in values:
                parts = (part.value for part in ast.walk(value) if isinstance(part, ast.Constant))
                found |= {part for part in parts if type(part) is int and part >= 100}
    return found


def documented() -> set[int]:
    """`PV-201, 202`, `PV-535 to 542`."""
    page = (ROOT / "docs" / "operator.md").read_text()
    table = page.split(SECTION)[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| PV-")]
    found = set[int]()
    for cell in cells:
        for first, last in re.findall(r"(\d{3})(?: to (\d{3}))?", cell):
            found |= set(range(int(first), int(last or first) + 1))
    return found


def test_the_table_has_every_code_of_a_cause() -> None:
    assert named_codes() - documented() == set()
    assert len(named_codes()) >= 50
