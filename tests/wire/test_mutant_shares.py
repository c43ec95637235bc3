"""Mutants are tried by several processes, which cosmic-ray and a tree of its own are for."""

from pathlib import Path

from tests import mutant_trials
from tests.mutants import answers, tried
from tests.unit.test_mutants import TEST


def test_every_process_tries_its_share(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    (tree / "tests" / "mutant_trials.py").write_text(Path(mutant_trials.__file__).read_text())
    (tree / "planted.py").write_text("def is_one(number):\n    return number == 1\n")
    (tree / "test_planted.py").write_text(TEST.format(2))
    outcome = tried(tree, "planted.py", ["test_planted.py"], 0, processes=2)
    assert outcome.planned == outcome.mutants > 5 and outcome.not_importable == 0
    assert 50 < outcome.score <= 100
    tries = [
        sum(bool(result) for _, result in answers(copy, "mutants.sqlite")) for copy in tmp_path.iterdir()
    ]
    assert len(tries) == 2 and sum(tries) == outcome.mutants
    assert max(tries) - min(tries) <= 1, "each has its share"
