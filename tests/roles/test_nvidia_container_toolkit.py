"""The role nvidia_container_toolkit, on the tree that says it is Ubuntu, with a stand-in package."""

import json

import pytest

from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


def test_docker_knows_the_runtime_and_keeps_its_settings(ubuntu: Tree) -> None:
    found = json.loads(ubuntu.host.file("/etc/docker/daemon.json").content_string)
    assert found["runtimes"] == {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
    assert found["live-restore"] is True and "default-runtime" not in found


def test_the_vendors_source_is_gone(ubuntu: Tree) -> None:
    # the stand-in's installation wrote one, as NVIDIA's repository packages do
    assert [path.name for path in (ubuntu.path / "etc/apt/sources.list.d").iterdir()] == ["site.sources"]
    assert not ubuntu.host.file("/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg").exists


def test_a_foreign_source_is_refused(ubuntu: Tree) -> None:
    place = ubuntu.path / "etc/apt/sources.list.d/other.list"
    place.write_text("# empty\n")
    begin = ["--start-at-task", "nvidia_container_toolkit : Find the vendor's sources"]
    outcome = ubuntu.play("--tags", "nvidia_container_toolkit", *begin)
    place.unlink()
    assert outcome.code and "other.list" in outcome.text


def test_every_container_sees_gpus_where_that_is_wanted(ubuntu: Tree) -> None:
    outcome = ubuntu.play("--tags", "nvidia_container_toolkit", nvidia_container_toolkit_default=True)
    assert outcome.code == 0, outcome.text
    place = ubuntu.path / "etc/docker/daemon.json"
    found = json.loads(place.read_text())
    assert found.pop("default-runtime") == "nvidia"
    place.write_text(json.dumps(found))
