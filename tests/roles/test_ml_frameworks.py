"""The role ml_frameworks, with wheels that only bear the frameworks' names."""

import pytest

from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


@pytest.mark.parametrize(
    ("name", "module"), [("pytorch", "torch"), ("tensorflow", "tensorflow"), ("vllm", "vllm")]
)
def test_each_framework_has_an_environment_of_its_own(ubuntu: Tree, name: str, module: str) -> None:
    said = ubuntu.run(f"/opt/ml/{name}/bin/python", "-c", f"import {module}; print({module}.__file__)")
    assert said.startswith(f"/opt/ml/{name}/lib/")
    listed = ubuntu.run(f"/opt/ml/{name}/bin/pip", "list", "--format=freeze").split()
    assert [line for line in listed if line.startswith(("torch", "tensorflow", "vllm"))] == [f"{module}==1.0"]


def test_everybody_may_use_them(ubuntu: Tree) -> None:
    assert ubuntu.run("find", "/opt/ml", "!", "-type", "l", "!", "-perm", "-o=r") == ""


def test_an_import_that_fails_fails_the_build(ubuntu: Tree) -> None:
    sets = [{**one, "modules": ["absent"]} for one in ubuntu.variables["ml_frameworks_sets"]]  # type: ignore[attr-defined]
    begin = ["--start-at-task", "ml_frameworks : Import each framework"]
    outcome = ubuntu.play("--tags", "ml_frameworks", *begin, ml_frameworks_sets=sets[:1])
    assert outcome.code and "No module named 'absent'" in outcome.text
