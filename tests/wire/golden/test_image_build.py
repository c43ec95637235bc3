"""`provision image build` with a program on PATH in Packer's place: progress, journal, failures."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner import run
from provisioner.cli import run as command_line
from provisioner.errors import Exit
from provisioner.golden import record
from provisioner.imaging import signature
from tests.wire.conftest import World, make_pack
from tests.wire.packerlab import RECORD, put_packer

# Does what the template's last step does, with the key and the seeds that it was given.
PACKER = r"""#!/bin/sh
set -eu
for word in "$@"; do case "$word" in out=*) out="${word#out=}";; seed=*) seed="${word#seed=}";; esac; done
printf '%s\n' "$@" > "$RIG/argv"
env > "$RIG/env"
ssh-keygen -y -f "$seed/key" > "$RIG/public"
cmp -s "$RIG/public" /dev/null && exit 9
grep -q "image-build" "$seed/http/debian/user-data" && grep -q autoinstall "$seed/http/ubuntu/user-data"
echo "==> qemu.image: Starting the machine"
echo "    qemu.image: TASK [docker : engine] ****"
if [ -e "$RIG/fail" ]; then
  echo "    qemu.image: fatal: [default]: FAILED! => no package docker.io"
  exit 1
fi
cat "$RIG/record" > "$out/tiny-os-1.build.json"
"""
Build = Callable[..., int]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    programs = put_packer(tmp_path, PACKER)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RIG", str(tmp_path))

    def build(*words: str) -> int:
        folders = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
        return command_line(["image", "build", "--var", "accelerator=tcg", *folders, *words])

    return build


def test_a_build_tells_its_steps_and_leaves_a_line(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("--name", "tiny-os", "--version", "1", "--var", "memory=4096") == Exit.DONE
    said = capsys.readouterr().err
    assert "Starting the machine" in said and "docker : engine" in said and "tiny-os@1 built in" in said
    argv = (tmp_path / "argv").read_text().splitlines()
    assert {"accelerator=tcg", "image_name=tiny-os", "image_version=1", "memory=4096"} <= set(argv)
    (line,) = record.journal(tmp_path / "cache")
    assert (line.result, line.image, line.raw_bytes, line.inputs) == ("built", "tiny-os@1", 10**9, "k1")
    assert not list((tmp_path / "out").glob(".build-*"))
    assert "docker : engine" in (tmp_path / "out" / "packer.log").read_text()


@pytest.mark.parametrize(("accelerator", "is_quick"), [("tcg", True), ("kvm", False)])
def test_ansible_keeps_one_interpreter_where_the_guest_is_emulated(
    build: Build, tmp_path: Path, accelerator: str, is_quick: bool
) -> None:
    assert build("--var", f"accelerator={accelerator}") == Exit.DONE
    lines = (tmp_path / "env").read_text().splitlines()
    assert ("ANSIBLE_STRATEGY=mitogen_linear" in lines) == is_quick


def test_no_two_builds_have_the_same_key(build: Build, tmp_path: Path) -> None:
    build()
    first = (tmp_path / "public").read_text()
    build()
    assert first != (tmp_path / "public").read_text()


def test_a_failed_build_says_why_and_leaves_a_line(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fail").touch()
    assert build() == Exit.FAILED
    said = capsys.readouterr().err
    assert "no package docker.io (PV-660)" in said and "packer.log" in said
    (line,) = record.journal(tmp_path / "cache")
    assert line.result == "failed" and "docker.io" in line.error
    assert not list((tmp_path / "out").glob(".build-*"))


def test_what_a_failed_build_left_is_kept_where_asked(build: Build, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    assert build("--keep-failed") == Exit.FAILED
    (kept,) = (tmp_path / "out").glob(".build-*")
    assert "image-build" in run.text(["ssh-keygen", "-l", "-f", kept / "key"])
    assert "-on-error=abort" in (tmp_path / "argv").read_text().splitlines()


def test_the_same_inputs_must_give_the_same_checksum(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = tmp_path / "checksums.json"
    assert build("--checksums", str(sums)) == Exit.DONE
    assert record.known(sums, "k1") == "a" * 64
    assert build("--checksums", str(sums)) == Exit.DONE
    (tmp_path / "record").write_text(json.dumps({**RECORD, "raw_sha256": "b" * 64}))
    assert build("--checksums", str(sums)) == Exit.FAILED
    assert "PV-664" in capsys.readouterr().err
    (tmp_path / "record").write_text(json.dumps({**RECORD, "raw_sha256": "b" * 64, "inputs_key": "k2"}))
    assert build("--checksums", str(sums)) == Exit.DONE


@pytest.mark.parametrize(
    ("state", "code", "number"), [("none", Exit.UNREACHABLE, 620), ("service", Exit.REFUSED, 326)]
)
def test_a_catalogue_that_does_not_take_it_is_said(
    build: Build,
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    state: str,
    code: Exit,
    number: int,
) -> None:
    """After the build, which stays: no service answers, or it does not trust the key."""
    key, _ = signature.keygen(tmp_path, "stranger")
    (tmp_path / "out").mkdir()
    pack = make_pack(world.folder, name="stranger-os")
    for suffix in ("", ".json"):
        shutil.copy(f"{pack}{suffix}", tmp_path / "out" / f"stranger-os-1.pack{suffix}")
    signature.sign(tmp_path / "out" / "stranger-os-1.pack.json", key)
    place = world.state if state == "service" else tmp_path
    assert build("--add", "--sign", str(key), "--state", str(place)) == code
    said = capsys.readouterr().err
    assert "tiny-os@1 built in" in said and f"(PV-{number})" in said, said


def test_builds_are_shown_against_the_targets(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build()
    (tmp_path / "fail").touch()
    build()
    capsys.readouterr()
    assert command_line(["image", "builds", "--cache", str(tmp_path / "cache")]) == Exit.DONE
    said = capsys.readouterr()
    assert "tiny-os@1" in said.out and "failed" in said.out
    assert "✗ success rate: 50.0 % (target > 95 %)" in said.err
    assert "✓ image size, median: 1.0 GB (target < 50 GB)" in said.err


@pytest.mark.parametrize("words", [["--var", "memory"], ["--add"], ["--sign", "/no/such/key"]])
def test_what_cannot_be_built_is_refused_before_anything_starts(
    build: Build, tmp_path: Path, words: list[str]
) -> None:
    assert build(*words) == Exit.USAGE
    assert not (tmp_path / "out").exists() and record.journal(tmp_path / "cache") == []
