"""The Tab key in a real bash, with the names that the running service knows."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from provisioner import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire.conftest import Puppet, World

ASK = """
source <(provision completion bash)
COMP_WORDS=({words} ''); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMP_WORDS[$COMP_CWORD]={last}
_provision_completion provision
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shell(world: World, tmp_path: Path) -> list[str]:
    """bash that finds `provision`."""
    program = tmp_path / "provision"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m provisioner "$@"\n')
    program.chmod(0o755)
    setting = f"PROVISION_STATE={world.state}"
    return ["env", setting, "bash", "--norc", "-c", f"PATH={tmp_path}:$PATH; eval {{}}"]


def complete(shell: list[str], *words: str, last: str = "") -> set[str]:
    script = ASK.format(words=" ".join(["provision", *words]), last=shlex.quote(last))
    return set(run.text([*shell[:-1], shell[-1].format(shlex.quote(script))]).split())


def test_names_of_hosts_profiles_and_images_are_completed(shell: list[str], puppet: Puppet) -> None:
    for words in (["host", "show"], ["status"], ["deploy"], ["bmc", "power"], ["profile", "learn"]):
        assert puppet.name in complete(shell, *words, last="vc-"), words
    assert complete(shell, "profile", "show", last="cu") == {"cube"}
    assert complete(shell, "deploy", puppet.name, "--image", last="va") == {"vault-os@1"}
    assert complete(shell, "image", "verify") >= {"vault-os@1"}


def test_a_host_is_completed_by_its_mac_in_the_notation_that_was_begun(
    shell: list[str], puppet: Puppet
) -> None:
    hyphens = puppet.mac.replace(":", "-")
    assert hyphens in complete(shell, "host", "show", last="52")
    assert hyphens in complete(shell, "deploy", last=hyphens[:7])
    assert puppet.mac in complete(shell, "deploy", "--mac", last=puppet.mac[:8])
    assert puppet.mac.replace(":", "") in complete(shell, "status", last="525400")
    assert hyphens not in complete(shell, "host", "show"), "names are enough before anything is typed"
    assert puppet.name in complete(shell, "host", "move", "vc-1", last="vc-"), "the second host, too"


def test_a_run_is_completed_by_its_id(shell: list[str], world: World, puppet: Puppet) -> None:
    how = ("--yes", "--expect-count", "1", "--no-wait", "--no-preflight")
    said = world.provision("deploy", "--select", f"name={puppet.name}", *how)
    run_id = said.out.strip()
    assert said.code == 0 and run_id.startswith("r-"), said.err
    for command in ("watch", "status", "report", "pause", "resume", "cancel", "retry"):
        assert run_id in complete(shell, command, last="r-"), command


def test_an_error_code_is_completed_offline(shell: list[str], tmp_path: Path) -> None:
    for last, wanted in (("PV-21", "PV-210"), ("21", "210"), ("", "PV-210")):
        assert wanted in complete(shell, "--state", str(tmp_path), "explain", last=last)
    assert complete(shell, "explain", last="PV-67") >= {"PV-670", "PV-673"}


def test_a_deployment_is_completed_by_its_id(shell: list[str], puppet: Puppet) -> None:
    ident = puppet.arm()
    assert ident in complete(shell, "bmc", "console", last=ident[:-2])


def test_another_service_is_asked_where_the_line_names_it(shell: list[str], tmp_path: Path) -> None:
    assert complete(shell, "--state", str(tmp_path), "host", "show") == set()
