"""A command by the server of forks does what a Python of its own does: the other tests lean on it."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.errors import ProgramError
from tests.wire import forkserver
from tests.wire.forkserver import PROVISION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire.conftest import World

LINES: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("status", "--help"),
    ("stat",),
    ("host", "list"),
    ("host", "list", "-o", "json"),
    ("host", "show", "nobody", "-o", "json"),
    ("deploy", "nobody", "--yes"),
    ("explain", "PV-303"),
    ("explain", "\udcff—é"),
    ("certificate", "verify", "/dev/null"),
    ("image", "list"),
    ("status", "--server", "http://10.77.0.1"),
)


@pytest.mark.parametrize("words", LINES, ids=" ".join)
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_both_say_the_same(world: World, words: tuple[str, ...], inside: bool) -> None:
    env = {"PROVISION_STATE": str(world.state)}
    argv = [*PROVISION, *words]
    done = run.run(world.lan.argv(*argv) if inside else argv, check=False, env=env)
    said = forkserver.provision(words, env=env, inside=world.lan.pid if inside else 0)
    assert said == (done.returncode, done.stdout, done.stderr)


def test_standard_input_is_what_is_given(world: World) -> None:
    words, env = ("deploy", "nobody"), {"PROVISION_STATE": str(world.state)}
    for stdin in (b"", b"n\n", b"x" * 200_000):
        done = run.run([*PROVISION, *words], check=False, env=env, stdin=stdin)
        assert forkserver.provision(words, env=env, stdin=stdin) == (
            done.returncode,
            done.stdout,
            done.stderr,
        )


def test_what_python_must_know_before_it_starts_gets_a_python_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert forkserver.provision(["--version"])[0] == 0
    started: list[str] = []
    monkeypatch.setattr(run, "run", lambda argv, **_: started.append(argv[0]) or DONE)
    forkserver.provision(["--version"], env={"LC_ALL": "C"})
    forkserver.provision(["explain", "x" * 120_000])
    thread = threading.Thread(target=forkserver.provision, args=[["--version"]])
    thread.start()
    thread.join()
    assert started == [sys.executable] * 3
    forkserver.provision(["--version"], env={"PROVISION_STATE": "/x"})
    assert len(started) == 3


DONE = run.subprocess.CompletedProcess([], 0, b"", b"")


def test_one_that_does_not_end_is_ended(world: World, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "inventory.csv")
    began = time.monotonic()
    with pytest.raises(ProgramError, match="did not end within 2 s"):
        world.provision("host", "import", tmp_path / "inventory.csv", timeout=2)
    assert time.monotonic() - began < 30
