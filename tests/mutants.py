"""How many planted faults in a module, or in a folder of them, its tests find: `make test-mutants`.

cosmic-ray says which mutants there are; tests/mutant_trials.py tries them, a process for each processor with
its share of them in a copy of the tree of its own. Of a large folder a sample may be tried, which is the same
each time.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult

from provisioner import run

ROOT = Path(__file__).parents[1]
COSMIC_RAY = Path(sys.executable).with_name("cosmic-ray")
CONFIG = """[cosmic-ray]
module-path = "{module}"
timeout = 60.0
excluded-modules = []
test-command = "is not used: tests/mutant_trials.py"
[cosmic-ray.distributor]
name = "local"
"""
SCHEMA_VERSION = 2
LEFT_OUT = "left out of the sample"
Pair = tuple[dict[str, Any], dict[str, Any]]  # a mutant and what came of it, as cosmic-ray dumps them


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test saw."""

    module: str
    line: int
    operator: str
    difference: str


@dataclass(frozen=True)
class Outcome:
    """Of one module or folder: `score` in percent of the mutants that can be imported: the rest need no test.

    `mutants` were tried, of `planned`.
    """

    module: str
    planned: int
    mutants: int
    not_importable: int
    score: float
    survivors: tuple[Survivor, ...]


def copied(folder: Path) -> Path:
    """The tree as it lies here, what git ignores left out."""
    listed = run.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def answers(folder: Path, session: str) -> Iterator[Pair]:
    """What cosmic-ray did and what came of it, a pair for each mutant; of what was not tried nothing came."""
    dumped = run.run([COSMIC_RAY, "dump", session], cwd=folder)
    for line in dumped.stdout.splitlines():
        item, result = json.loads(line)
        yield item, result


def tried(folder: Path, module: str, tests: list[str], sample: int, processes: int) -> Outcome:
    """Plants the mutants of `module`, one at a time in each process, which has a copy of the tree `folder`.

    Raises SystemExit if the tests fail without one.
    """
    (folder / "mutants.toml").write_text(CONFIG.format(module=module))
    run.run([COSMIC_RAY, "init", "mutants.toml", "mutants.sqlite"], cwd=folder, timeout=600)
    choose(folder / "mutants.sqlite", sample)
    copies = [folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(1, processes))]
    for copy in copies[1:]:
        shutil.copytree(folder, copy, symlinks=True)
    program = [sys.executable, "-m", "tests.mutant_trials", "mutants.sqlite"]
    trials = [
        run.start([*program, f"{number}/{processes}", *tests], cwd=copy) for number, copy in enumerate(copies)
    ]
    if any([each.wait(14400) for each in trials]):
        raise SystemExit("the trials did not end well")
    return outcome_of(module, joined([answers(copy, "mutants.sqlite") for copy in copies]))


def joined(shares: Iterable[Iterable[Pair]]) -> list[Pair]:
    """Each mutant once, with what came of it where it was tried. Raises SystemExit: one has no result."""
    found: dict[str, Pair] = {}
    names = set()
    for item, result in (pair for share in shares for pair in share):
        names.add(item["job_id"])
        if result:
            found[item["job_id"]] = (item, result)
    if len(found) < len(names):
        raise SystemExit(f"{len(names) - len(found)} mutants were tried by nobody")
    return list(found.values())


def choose(session: Path, sample: int) -> None:
    """Leave out all but so many mutants, drawn evenly; 0 takes all."""
    with use_db(str(session)) as database:
        places = sorted(
            (str(one.module_path), one.start_pos, one.operator_name, one.occurrence, item.job_id)
            for item in database.work_items
            for one in item.mutations
        )
        if not sample or sample >= len(places):
            return
        taken = set(random.Random(1).sample(places, sample))
        for place in places:
            if place not in taken:
                left = WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output=LEFT_OUT)
                database.set_result(place[-1], left)


def outcome_of(module: str, answered: list[Pair]) -> Outcome:
    """The score of pairs as `answers` gives them."""
    chosen = [(item, result) for item, result in answered if result["output"] != LEFT_OUT]
    ran = [(item, result) for item, result in chosen if "error during collection" not in result["output"]]
    survivors = tuple(
        Survivor(
            module=Path(item["mutations"][0]["module_path"]).name,
            line=item["mutations"][0]["start_pos"][0],
            operator=item["mutations"][0]["operator_name"],
            difference=result["diff"] or "",
        )
        for item, result in ran
        if result["test_outcome"] == "survived"
    )
    score = 100 * (len(ran) - len(survivors)) / len(ran) if ran else 0.0
    return Outcome(module, len(answered), len(ran), len(chosen) - len(ran), round(score, 1), survivors)


def main(argv: list[str]) -> int:
    """0 where the score is reached, else 1; survivors are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--sample", type=int, default=0, metavar="NUMBER", help="of mutants; 0 takes all")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="NUMBER")
    parser.add_argument("--at-least", type=float, default=90.0, metavar="PERCENT")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--result", type=Path, required=True)
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Path(place) / "tree"
        outcome = tried(copied(tree), wanted.module, wanted.tests, wanted.sample, wanted.processes)
    for survivor in outcome.survivors:
        print(f"{survivor.module} line {survivor.line}, {survivor.operator}\n{survivor.difference}\n")
    body = {"schema_version": SCHEMA_VERSION, "commit": wanted.commit, **asdict(outcome)}
    wanted.result.write_text(json.dumps(body, indent=1) + "\n")
    tried_of = f"{outcome.mutants} of {outcome.planned} mutants"
    print(f"{outcome.module}: {outcome.score} % of {tried_of} found, {wanted.result}")
    return 0 if outcome.score >= wanted.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
