"""How faults that were planted are counted."""

from pathlib import Path
from typing import Any

import pytest
from cosmic_ray.work_item import MutationSpec
from cosmic_ray.work_item import TestOutcome as Outcome  # pytest takes Test… for tests

from provisioner.domain import acceptance
from tests import mutant_trials
from tests.mutants import LEFT_OUT, outcome_of

MUTATION = {"start_pos": [7, 3], "operator_name": "core/NumberReplacer", "module_path": "a/guard.py"}
ITEM = {"mutations": [MUTATION]}


def pair(outcome: str, output: str = "1 failed") -> tuple[dict[str, Any], dict[str, Any]]:
    return ITEM, {"test_outcome": outcome, "output": output, "diff": "-1\n+2"}


def test_what_cannot_be_imported_counts_neither_way() -> None:
    broken = pair("killed", "Interrupted: 1 error during collection")
    outcome = outcome_of("guard.py", [pair("killed"), pair("killed"), pair("survived", "9 passed"), broken])
    assert (outcome.mutants, outcome.not_importable, outcome.score) == (3, 1, 66.7)
    [survivor] = outcome.survivors
    assert (survivor.module, survivor.line, survivor.difference) == ("guard.py", 7, "-1\n+2")


def test_what_is_left_out_of_a_sample_counts_neither_way() -> None:
    outcome = outcome_of("judge", [pair("killed"), *[pair("survived", LEFT_OUT)] * 9])
    assert (outcome.planned, outcome.mutants, outcome.not_importable, outcome.score) == (10, 1, 0, 100.0)


def test_nothing_that_ran_is_no_success() -> None:
    assert outcome_of("guard.py", [pair("killed", "error during collection")]).score == 0


TEST = "import planted\ndef test_it(): assert planted.is_one(1) and not planted.is_one({})\n"


@pytest.mark.parametrize(
    ("other", "operator", "outcome"),
    [
        (2, "core/ReplaceComparisonOperator_Eq_NotEq", Outcome.KILLED),
        (2, "core/ReplaceComparisonOperator_Eq_GtE", Outcome.KILLED),
        (0, "core/ReplaceComparisonOperator_Eq_GtE", Outcome.SURVIVED),
    ],
)
def test_a_mutant_is_tried_and_the_module_is_as_before(
    other: int, operator: str, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module, test = tmp_path / "planted.py", tmp_path / "test_planted.py"
    module.write_text("def is_one(number):\n    return number == 1\n")
    test.write_text(TEST.format(other))
    mutation = MutationSpec("planted.py", operator, 0, (2, 11), (2, 22))
    result = mutant_trials.tried(mutation, [str(test)], number=1)
    assert result.test_outcome is outcome, result.output
    assert "+    return number" in str(result.diff)
    assert module.read_text() == "def is_one(number):\n    return number == 1\n"
    assert mutant_trials.tests([str(test)], Path("said.txt")) is Outcome.SURVIVED


def test_what_is_mutated_may_not_be_imported_before() -> None:
    with pytest.raises(SystemExit, match=r"provisioner\.domain\.acceptance would be imported"):
        mutant_trials.warm([Path(acceptance.__file__)])
