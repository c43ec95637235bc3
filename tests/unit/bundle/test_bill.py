"""What the locks name, and that they name all that the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest

from provisioner.bundle.bill import locked

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    """As the Python packaging guide normalises them."""
    found = {re.split(r"[\[<>=~!; ]", line, maxsplit=1)[0] for line in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found} - {PROJECT["name"]}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_all_that_the_project_asks_for(lock: str) -> None:
    text = (ROOT / lock).read_text()
    there = {name for name, _ in locked(text)}
    assert names(PROJECT["dependencies"]) - there == set()
    assert text.count("==") == len(there), "one package a line, each once"


def test_the_lock_of_the_tools_names_them_all() -> None:
    there = {name for name, _ in locked((ROOT / "requirements-dev.lock").read_text())}
    assert names(PROJECT["optional-dependencies"]["dev"]) - there == set()
