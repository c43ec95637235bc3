"""How faults that were planted are counted."""

from typing import Any

from tests.mutants import outcome_of

ITEM = {"mutations": [{"start_pos": [7, 3], "operator_name": "core/NumberReplacer"}]}


def pair(outcome: str, output: str = "1 failed") -> tuple[dict[str, Any], dict[str, Any]]:
    return ITEM, {"test_outcome": outcome, "output": output, "diff": "-1\n+2"}


def test_what_cannot_be_imported_counts_neither_way() -> None:
    broken = pair("killed", "Interrupted: 1 error during collection")
    outcome = outcome_of("guard.py", [pair("killed"), pair("killed"), pair("survived", "9 passed"), broken])
    assert (outcome.mutants, outcome.not_importable, outcome.score) == (3, 1, 66.7)
    assert [(survivor.line, survivor.difference) for survivor in outcome.survivors] == [(7, "-1\n+2")]


def test_nothing_that_ran_is_no_success() -> None:
    assert outcome_of("guard.py", [pair("killed", "error during collection")]).score == 0
