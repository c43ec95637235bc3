"""How many planted faults in a module its tests find: `make test-mutants`.

cosmic-ray writes its mutants into the source, so it works on a copy of the tree.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from provisioner import run

ROOT = Path(__file__).parents[1]
COSMIC_RAY = Path(sys.executable).with_name("cosmic-ray")
CONFIG = """[cosmic-ray]
module-path = "{module}"
timeout = 60.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider -p no:xdist {tests}"
[cosmic-ray.distributor]
name = "local"
"""
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test saw."""

    line: int
    operator: str
    difference: str


@dataclass(frozen=True)
class Outcome:
    """Of one module: `score` in percent of the mutants that can be imported: the rest need no test."""

    module: str
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


def tried(folder: Path, module: str, tests: list[str]) -> Outcome:
    """Plants every mutant of `module`, one at a time. Raises CommandError if the tests fail without one."""
    config = CONFIG.format(module=module, python=sys.executable, tests=" ".join(tests))
    (folder / "mutants.toml").write_text(config)
    for words in (
        ["init", "mutants.toml", "mutants.sqlite"],
        ["baseline", "mutants.toml"],
        ["exec", "mutants.toml", "mutants.sqlite"],
    ):
        run.run([COSMIC_RAY, *words], cwd=folder, timeout=7200)
    return outcome_of(module, list(answers(folder, "mutants.sqlite")))


def outcome_of(module: str, answered: list[tuple[dict[str, Any], dict[str, Any]]]) -> Outcome:
    """The score of pairs as `answers` gives them."""
    ran = [(item, result) for item, result in answered if "error during collection" not in result["output"]]
    survivors = tuple(
        Survivor(
            line=item["mutations"][0]["start_pos"][0],
            operator=item["mutations"][0]["operator_name"],
            difference=result["diff"] or "",
        )
        for item, result in ran
        if result["test_outcome"] == "survived"
    )
    score = 100 * (len(ran) - len(survivors)) / len(ran) if ran else 0.0
    return Outcome(module, len(ran), len(answered) - len(ran), round(score, 1), survivors)


def main(argv: list[str]) -> int:
    """0 where the score is reached, else 1; survivors are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--at-least", type=float, default=90.0, metavar="PERCENT")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--result", type=Path, required=True)
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        outcome = tried(copied(Path(place)), wanted.module, wanted.tests)
    for survivor in outcome.survivors:
        print(f"line {survivor.line}, {survivor.operator}\n{survivor.difference}\n")
    body = {"schema_version": SCHEMA_VERSION, "commit": wanted.commit, **asdict(outcome)}
    wanted.result.write_text(json.dumps(body, indent=1) + "\n")
    print(f"{outcome.module}: {outcome.score} % of {outcome.mutants} mutants found, {wanted.result}")
    return 0 if outcome.score >= wanted.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
