"""The role verification with its genuine wheels, on the tree that python_env left."""

import json
from collections.abc import Iterator

import pytest

from provisioner import run
from tests.roles.archive import Mirror
from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]
PLACE = "/opt/provisioner/verification"


@pytest.fixture
def running(judging: Tree) -> Iterator[Tree]:
    """With /sys, as a machine that runs."""
    run.run(["mount", "--bind", "/sys", judging.path / "sys"])
    yield judging
    run.run(["umount", judging.path / "sys"])


def test_a_machine_of_the_image_is_judged_and_its_report_verified(running: Tree) -> None:
    (running.path / "var/tmp/plain.yml").write_text("plain: {memory_min: 1M}\n")
    running.run("/usr/local/bin/provision", "certificate", "keygen", "acme", "--dir", "/var/tmp")
    key = ("--key", "/var/tmp/acme.key", "--to", "/var/tmp/cube.pdf")
    said = running.run(
        "/usr/local/bin/provision", "verify", "--local", "--profile", "/var/tmp/plain.yml", *key
    )
    assert "Verdict   accepted" in said
    said = running.run(
        *("/usr/local/bin/provision", "certificate", "verify", "/var/tmp/cube.pdf"),
        *("--key", "/var/tmp/acme.pub", "-o", "json"),
    )
    assert json.loads(said[said.index("{") : said.rindex("}") + 1])["certificate"]["verdict"] == "accepted"


def test_nothing_of_it_is_written_to_when_it_runs(judging: Tree) -> None:
    """Byte code of root's runs would make the image's files other ones."""
    before = judging.run("find", PLACE, "-printf", "%p %s %T@\\n")
    judging.run("/usr/local/bin/provision", "verify", "--help")
    assert judging.run("find", PLACE, "-printf", "%p %s %T@\\n") == before


def test_everybody_may_call_it_and_nobody_change_it(judging: Tree) -> None:
    assert judging.run("find", PLACE, "!", "-type", "l", "!", "-perm", "-o=r") == ""
    assert judging.run("find", PLACE, "!", "-type", "l", "-perm", "/022") == ""
    assert "verify" in judging.run("setpriv", "--reuid=65534", "/usr/local/bin/provision", "--help")


def test_byte_code_does_not_name_times(judging: Tree) -> None:
    found = list((judging.path / PLACE.lstrip("/")).rglob("*.pyc"))
    # PEP 552: flags 1 = checked by nothing but a hash that is not looked at
    assert found and {path.read_bytes()[4:8] for path in found} == {b"\x01\0\0\0"}


def test_wheels_come_from_the_mirror(judging: Tree, mirror: Mirror) -> None:
    assert [line for line in mirror.asked if "/wheels/pydantic" in line]
