"""The role docker, on the hardened tree."""

import json

import pytest

from tests.roles.conftest import Tree

pytestmark = [pytest.mark.roles, pytest.mark.timeout(500)]


def settings(tree: Tree) -> dict[str, object]:
    return json.loads(tree.host.file("/etc/docker/daemon.json").content_string)


def test_the_daemon_is_configured(dockered: Tree) -> None:
    found = settings(dockered)
    assert found["live-restore"] is True and found["userland-proxy"] is False and found["ip"] == "127.0.0.1"
    assert found["log-opts"] == {"max-file": "5", "max-size": "50m"}


def test_the_daemon_understands_its_settings(dockered: Tree) -> None:
    # an unknown key, or a value of a wrong type, ends it before it asks for anything of the kernel
    said = dockered.run("timeout", "--signal=KILL", "8", "dockerd", "--containerd=/nonexistent", check=False)
    assert "unable to configure the Docker daemon" not in said
    broken = dockered.path / "etc/docker/broken.json"
    broken.write_text('{"no-such-key": 1}')
    refused = dockered.run("timeout", "60", "dockerd", "--config-file=/etc/docker/broken.json", check=False)
    broken.unlink()
    assert "unable to configure the Docker daemon" in refused


@pytest.mark.parametrize("unit", ["docker.service", "containerd.service"])
def test_it_starts_at_boot(dockered: Tree, unit: str) -> None:
    assert dockered.run("systemctl", "is-enabled", unit, check=False).strip() == "enabled"


def test_nothing_listens_on_the_network(dockered: Tree) -> None:
    hosts = dockered.run(
        "sh", "-c", "cat /lib/systemd/system/docker.service /lib/systemd/system/docker.socket"
    )
    assert "tcp://" not in hosts and "-H fd://" in hosts


def test_nobody_is_in_its_group_until_named(dockered: Tree) -> None:
    assert dockered.host.group("docker").exists and dockered.host.group("docker").members == []


def test_what_others_wrote_is_kept_and_who_is_named_may_use_it(dockered: Tree) -> None:
    place = dockered.path / "etc/docker/daemon.json"
    place.write_text(
        json.dumps({**settings(dockered), "runtimes": {"other": {"path": "other"}}, "ip": "0.0.0.0"})
    )
    outcome = dockered.play("--tags", "docker", docker_users=["nobody"])
    assert outcome.code == 0, outcome.text
    found = settings(dockered)
    assert found["runtimes"] == {"other": {"path": "other"}} and found["ip"] == "127.0.0.1"
    assert dockered.host.group("docker").members == ["nobody"]
