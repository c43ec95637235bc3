"""The role python_env with the real nvidia-ml-py, on the tree that docker left."""

import json
from pathlib import Path

import pytest

from provisioner import run
from tests.roles import dummies
from tests.roles.archive import Mirror
from tests.roles.conftest import ANSIBLE, Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


def test_the_verification_finds_nvidias_module(pythoned: Tree) -> None:
    script = (ANSIBLE / "files/gpus.py").read_bytes()
    said = run.run(["chroot", "--userspec=nobody", pythoned.path, "/usr/bin/python3", "-"], stdin=script)
    # the genuine module, which finds no driver here
    assert json.loads(said.stdout)["state"] == "no library"


def test_everybody_may_read_it(pythoned: Tree) -> None:
    hidden = pythoned.run("find", "/opt/provisioner", "!", "-type", "l", "!", "-perm", "-o=r")
    assert hidden == ""


def test_byte_code_does_not_name_times(pythoned: Tree) -> None:
    found = list((pythoned.path / "opt/provisioner/python").rglob("*.pyc"))
    # PEP 552: flags 1 = checked by nothing but a hash that is not looked at
    assert found and {path.read_bytes()[4:8] for path in found} == {b"\x01\0\0\0"}


def test_wheels_come_from_the_mirror(pythoned: Tree, mirror: Mirror) -> None:
    assert [line for line in mirror.asked if "/wheels/nvidia_ml_py" in line]


def test_a_wheel_of_another_hash_is_refused(pythoned: Tree, mirror: Mirror, tmp_path: Path) -> None:
    other = tmp_path / "wheels"
    other.mkdir()
    served = mirror.key.parent / "wheels"
    wheel = dummies.wheel(other, "tampered")
    lines = dummies.pinned(wheel)
    (served / wheel.name).write_bytes(wheel.read_bytes() + b"\0")
    list_file = tmp_path / "requirements.txt"
    list_file.write_text(lines)
    outcome = pythoned.play(
        "--tags",
        "ml_frameworks",
        ml_stack=True,
        ml_frameworks_packages=["python3-venv"],
        ml_frameworks_sets=[{"name": "tampered", "requirements": str(list_file), "modules": ["tampered"]}],
    )
    (served / wheel.name).unlink()
    assert outcome.code and "DO NOT MATCH THE HASHES" in outcome.text
