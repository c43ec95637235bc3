"""The journal of builds and the checksums, of which nothing is lost by a kill in the middle of a write."""

import json
import random
import sys
import time
from pathlib import Path

import pytest

from provisioner import run
from provisioner.golden import record

PROGRAM = Path(__file__).with_name("programs") / "keep_records.py"


def keeper(folder: Path, name: str) -> run.Process:
    return run.start([sys.executable, PROGRAM, folder, name], stdout=run.PIPE)


def told(process: run.Process, count: int) -> int:
    """The last of so many numbers that it says."""
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(count)]
    return int(lines[-1])


@pytest.mark.parametrize("seed", range(6))
def test_a_kill_in_the_middle_of_a_write_leaves_whole_lines(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    process = keeper(tmp_path, "os")
    try:
        least = told(process, chance.randint(2, 30))
        until = time.monotonic() + chance.random() / 100
        while time.monotonic() < until:
            pass
    finally:
        process.kill()
        process.wait()
    found = record.journal(tmp_path)
    assert [line.started for line in found] == list(range(1, len(found) + 1)) and len(found) >= least
    [(key, entry)] = json.loads((tmp_path / "os.json").read_text()).items()
    assert int(key) >= least and entry == {"image": "os@1", "raw_sha256": "a" * 64}
    record.append(tmp_path, found[0])
    assert len(record.journal(tmp_path)) == len(found) + 1


def test_builds_of_one_cache_take_no_line_from_each_other(tmp_path: Path) -> None:
    names = ("debian", "ubuntu")
    processes = [keeper(tmp_path, name) for name in names]
    try:
        for process in processes:
            told(process, 25)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = record.journal(tmp_path)
    for name in names:
        numbers = [line.started for line in found if line.image.startswith(f"{name}@")]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 25
