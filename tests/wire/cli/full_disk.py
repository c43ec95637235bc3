"""Runs a command on a disk that is full at any page, and says what may have come of it."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from provisioner import run
from provisioner.errors import Exit
from provisioner.explanations.codes import CODES

PROGRAM = Path(__file__).with_name("programs") / "full_disk.py"
ROOT = Path(__file__).parents[3]
Runs = list[dict[str, Any]]


def runs(
    folder: Path, seed: Path, pages: list[int], *words: str | Path, room: int = 16 << 20, **env: str
) -> Runs:
    """The command once for each number of free pages, and once more with `room`, in bytes."""
    folder.mkdir(exist_ok=True)
    seed.mkdir(exist_ok=True)
    argv = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, PROGRAM, folder, seed]
    told = {"PYTHONPATH": str(ROOT), "ROOM": str(room), **env}
    done = run.run([*argv, ",".join(map(str, pages)), *words], timeout=110, env=told)
    found: Runs = json.loads(done.stdout)
    return found


def assert_all_or_nothing(found: Runs, *, least: int = 1) -> None:
    """Each run ended well or left everything as it was; `least` of them had no room."""
    *tight, roomy = found
    assert roomy["code"] == 0, roomy["err"]
    for one in tight:
        if one["code"] == 0:
            assert set(one["after"]) == set(roomy["after"])
            continue
        assert one["code"] in {int(code) for code in Exit} - {Exit.INTERNAL}, one["err"]
        assert one["after"] == one["before"], (one["pages"], one["err"])
        *_, sentence, hint = one["err"].splitlines()
        number = re.search(r"^✗ .+ \(PV-(\d+)\)$", sentence)
        assert number and int(number[1]) in CODES and hint.startswith("  → "), one["err"]
        assert "Traceback" not in one["err"] and ".partial-" not in one["err"]
        assert (one["again"], set(one["finally"])) == (0, set(roomy["after"])), "with room it works"
    assert sum(one["code"] != 0 for one in tight) >= least, [one["code"] for one in tight]
