"""How many planted faults in a module, or in a folder of them, its tests find: `make test-mutants`.

cosmic-ray says which mutants there are; tests/mutant_trials.py tries them in a copy of the tree. Of a large
folder a sample may be tried, which is the same each time.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
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


def answers(folder: Path, session: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What cosmic-ray did and what came of it, a pair for each mutant."""
    dumped = run.run([COSMIC_RAY, "dump", session], cwd=folder)
    for line in dumped.stdout.splitlines():
        item, result = json.loads(line)
        yield item, result


def tried(folder: Path, module: str, tests: list[str], sample: int) -> Outcome:
    """Plants the mutants of `module`, one at a time. Raises SystemExit if the tests fail without one."""
    (folder / "mutants.toml").write_text(CONFIG.format(module=module))
    run.run([COSMIC_RAY, "init", "mutants.toml", "mutants.sqlite"], cwd=folder, timeout=600)
    choose(folder / "mutants.sqlite", sample)
    trials = run.start([sys.executable, "-m", "tests.mutant_trials", "mutants.sqlite", *tests], cwd=folder)
    if trials.wait(14400):
        raise SystemExit("the trials did not end well")
    return outcome_of(module, list(answers(folder, "mutants.sqlite")))


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


def outcome_of(module: str, answered: list[tuple[dict[str, Any], dict[str, Any]]]) -> Outcome:
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
    parser.add_argument("--at-least", type=float, default=90.0, metavar="PERCENT")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--result", type=Path, required=True)
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        outcome = tried(copied(Path(place)), wanted.module, wanted.tests, wanted.sample)
    for survivor in outcome.survivors:
        print(f"{survivor.module} line {survivor.line}, {survivor.operator}\n{survivor.difference}\n")
    body = {"schema_version": SCHEMA_VERSION, "commit": wanted.commit, **asdict(outcome)}
    wanted.result.write_text(json.dumps(body, indent=1) + "\n")
    tried_of = f"{outcome.mutants} of {outcome.planned} mutants"
    print(f"{outcome.module}: {outcome.score} % of {tried_of} found, {wanted.result}")
    return 0 if outcome.score >= wanted.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
