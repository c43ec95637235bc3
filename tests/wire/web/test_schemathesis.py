"""schemathesis reads the API's description and asks the running service all that follows, as an admin.

It is to find nothing: no status, type or body that is not described, no fault, no request that is taken and
should not be, or the other way round.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.domain.person import Role
from tests.wire.conftest import stocked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.conftest import World

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("st")
ENDLESS = r"^/events$"  # a stream that ends with its reader: test_event_stream.py
FATAL = r"^/logout$"  # the token that is used would be worth nothing: test_people.py


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[World]:
    with stocked(tmp_path) as world:
        world.add_host()
        yield world


def ask(world: World, folder: Path, examples: int, *more: str, limit: int) -> str:
    """The last lines of what schemathesis says; AssertionError where it has found something."""
    words = [
        *(PROGRAM, "--config-file", HERE / "schemathesis.toml", "run"),
        "https://10.77.0.1/api/v1/openapi.json",
        *("--tls-verify", world.state / "secrets" / "https.crt"),
        *("-H", f"Authorization: Bearer {world.token(Role.ADMIN, seconds=7200)}"),
        *("--checks", "all", "--continue-on-failure", "--seed", "77", "-n", str(examples)),
        *("--exclude-path-regex", f"{ENDLESS}|{FATAL}", "--request-timeout", "30", "--no-color"),
        *more,
    ]
    env = {
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(HERE / "programs"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "HOME": str(folder),
    }
    said = Path(os.environ.get("SCHEMATHESIS_REPORT", folder / "schemathesis.txt"))
    process = run.start(world.lan.argv(*words), log=said, env=env, cwd=folder)
    try:
        code = process.wait(limit)
    finally:
        run.stop(process)
    text = said.read_text()
    assert code == 0, text[-8000:]
    return text


@pytest.mark.long
@pytest.mark.timeout(400)
def test_nothing_is_otherwise_than_described(asked: World, tmp_path: Path) -> None:
    text = ask(asked, tmp_path, 3, "--phases", "examples,coverage,fuzzing", limit=350)
    assert re.search(r"Tested: +\d{2}", text), text[-2000:]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_is_otherwise_in_many_requests_and_what_follows_from_them(
    asked: World, tmp_path: Path
) -> None:
    """With what one answer names asked of the next endpoint (stateful), hundreds of times."""
    ask(asked, tmp_path, 100, limit=3500)
