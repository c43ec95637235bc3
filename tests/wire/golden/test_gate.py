"""The gate of the image build on a machine of files and of programs on PATH: each finding ends the build."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner import run
from provisioner.system import shipped

LISTENERS = """tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* sshd
udp UNCONN 0 0 127.0.0.1:323 0.0.0.0:* chronyd
udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* systemd-resolve
udp UNCONN 0 0 10.0.2.15%eth0:68 0.0.0.0:* systemd-network"""
PROGRAMS = {
    "sshd": "exit 0",
    "ssh-keygen": "exit 0",
    "ss": f"cat <<END\n{LISTENERS}\nEND",
    "systemctl": "exit 0",
    "dpkg": "exit 0",
}
FILES = {
    "etc/os-release": 'ID=debian\nIMAGE_ID=vault-os\nIMAGE_VERSION="1.2"\n',
    "etc/cloud/cloud.cfg": "datasource_list: [NoCloud, None]\n",
    "etc/shadow": "root:*:1::::::\npacker:!:1::::::\n",
    "usr/bin/docker": "",
}
Gate = Callable[..., tuple[int, str]]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    def gate(programs: dict[str, str] | None = None, files: dict[str, str] | None = None) -> tuple[int, str]:
        for name, text in {**FILES, **(files or {})}.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, text in {**PROGRAMS, **(programs or {})}.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        env = {"GATE_ROOT": str(tmp_path / "root"), "IMAGE_ID": "vault-os", "IMAGE_VERSION": "1.2"}
        done = run.run(["python3", shipped.file("packer", "scripts/gate.py")], env=env, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    return gate


def test_a_finished_system_passes(gate: Gate) -> None:
    code, said = gate()
    assert code == 0, said
    assert said.count("gate: ok") == 8 and "FAILED" not in said


@pytest.mark.parametrize(
    ("programs", "files", "finding"),
    [
        (
            {"sshd": "echo 'line 3: Bad configuration option: Foo' >&2; exit 255"},
            {},
            "Bad configuration option: Foo",
        ),
        (
            {"ss": 'echo "tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:* nginx"'},
            {},
            "besides SSH listens: tcp 0.0.0.0:80",
        ),
        ({"ss": 'echo "tcp LISTEN 0 128 [::]:2375 [::]:* dockerd"'}, {}, "tcp [::]:2375"),
        ({"ss": "echo no netlink; exit 1"}, {}, "ss: no netlink"),
        ({}, {"etc/os-release": "IMAGE_ID=vault-os\n"}, "IMAGE_VERSION=None, not '1.2'"),
        ({}, {"etc/cloud/cloud.cfg.d/99.cfg": "datasource_list: [ Ec2 ]\n"}, "would not read CIDATA"),
        ({}, {"etc/cloud/cloud.cfg": "users: []\n"}, "no datasource_list"),
        (
            {"systemctl": '[ "$1" != is-enabled ] || { echo disabled; exit 1; }'},
            {},
            "docker.service is disabled",
        ),
        ({"systemctl": "echo ssh.service loaded failed failed"}, {}, "units failed: ssh.service"),
        ({"dpkg": "echo 'half installed: docker.io'"}, {}, "half installed"),
        ({}, {"etc/shadow": "root:$6$x$y:1::::::\n"}, "accounts with a password, or none to give: root"),
        ({}, {"etc/shadow": "guest::1::::::\n"}, "guest"),
    ],
)
def test_a_finding_is_named_and_fails_the_build(
    gate: Gate, programs: dict[str, str], files: dict[str, str], finding: str
) -> None:
    code, said = gate(programs, files)
    assert code == 1 and finding in said
    assert said.count("gate: FAILED") == 1
