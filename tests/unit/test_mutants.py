"""How faults that were planted are counted."""

from typing import Any

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
