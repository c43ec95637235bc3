"""How faults that were planted are counted."""

import signal
from pathlib import Path
from typing import Any

import pytest
from cosmic_ray.work_item import MutationSpec, WorkItem
from cosmic_ray.work_item import TestOutcome as Outcome  # pytest takes Test… for tests

from provisioner.domain import acceptance
from tests import mutant_trials
from tests.mutants import LEFT_OUT, joined, outcome_of

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


def test_shares_are_joined_each_mutant_once_and_none_is_lost() -> None:
    """What is left out of a sample is so in each copy, what another process tries has no result here."""
    one, other, left = ({"job_id": name, **ITEM} for name in ("1", "2", "3"))
    good, out = pair("killed")[1], pair("survived", LEFT_OUT)[1]
    shares = [[(one, good), (other, None), (left, out)], [(one, None), (other, good), (left, out)]]
    assert sorted(str(item["job_id"]) for item, _ in joined(shares)) == ["1", "2", "3"]
    assert outcome_of("judge", joined(shares)).mutants == 2
    with pytest.raises(SystemExit, match="1 mutants were tried by nobody"):
        joined(shares[:1])


def test_nothing_that_ran_is_no_success() -> None:
    assert outcome_of("guard.py", [pair("killed", "error during collection")]).score == 0


MODULE = """LIMIT = 1
class Numbers:
    def is_one(self, number, limit=LIMIT):
        return number == limit
def is_one(number):
    return Numbers().is_one(number)
"""
TEST = "import planted\ndef test_it(): assert planted.is_one(1) and not planted.is_one({})\n"
BESIDE = "def test_other(): pass\n"
EQUAL, OTHER = "core/ReplaceComparisonOperator_Eq_NotEq", "core/ReplaceComparisonOperator_Eq_GtE"
PLACES = {"core/NumberReplacer": ((1, 8), (1, 9))}  # of what an import does


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "planted.py").write_text(MODULE)
    return tmp_path / "test_planted.py"


def mutation(operator: str) -> MutationSpec:
    return MutationSpec("planted.py", operator, 0, *PLACES.get(operator, ((4, 15), (4, 30))))


@pytest.mark.parametrize(
    ("other", "operator", "outcome"),
    [
        (2, EQUAL, Outcome.KILLED),
        (2, OTHER, Outcome.KILLED),
        (0, OTHER, Outcome.SURVIVED),
        (2, "core/NumberReplacer", Outcome.KILLED),
    ],
)
def test_a_mutant_is_tried_either_way_and_the_module_is_as_before(
    other: int, operator: str, outcome: Outcome, planted: Path
) -> None:
    planted.write_text(TEST.format(other))
    item = WorkItem("job", [mutation(operator)])
    arguments = [str(planted)]
    seen = mutant_trials.look([Path("planted.py")], arguments)
    anew = mutant_trials.tried(item.mutations[0], arguments, 1, seen)
    assert anew.test_outcome is outcome, anew.output
    assert "+    " in str(anew.diff) or "+LIMIT" in str(anew.diff)
    assert Path("planted.py").read_text() == MODULE
    within = list(mutant_trials.try_within_functions([item], arguments, seen))
    if operator == "core/NumberReplacer":
        assert within == [], "what an import does is no function's code"
    else:
        [(_, quick)] = within
        assert (quick.test_outcome, quick.diff) == (outcome, anew.diff), quick.output


def test_a_mutant_is_tried_by_the_tests_that_come_by_its_lines(planted: Path) -> None:
    planted.write_text(TEST.format(2) + BESIDE)
    seen = mutant_trials.look([Path("planted.py")], [str(planted)])
    assert {name.partition("::")[2] for name in seen.of(mutation(EQUAL))} == {"test_it"}
    assert seen.of(mutation("core/NumberReplacer")) == set(), "all of them"


def test_what_never_ends_is_ended_by_the_processors_time_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def spin() -> int:
        while True:
            pass

    assert mutant_trials.forked(spin, limit=1) == -signal.SIGXCPU


def test_what_waits_for_ever_is_ended_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutant_trials, "PATIENCE", 1)

    def wait() -> int:
        signal.pause()
        return 0

    assert mutant_trials.forked(wait, limit=1) is None


def test_tests_that_fail_without_a_mutant_prove_nothing(planted: Path) -> None:
    planted.write_text(TEST.format(1))
    with pytest.raises(SystemExit, match="fail without a mutant"):
        mutant_trials.look([Path("planted.py")], [str(planted)])


@pytest.mark.parametrize(
    ("changed", "count"),
    [
        (MODULE.replace("number == limit", "number != limit"), 1),
        (MODULE.replace("LIMIT = 1", "LIMIT = 2"), None),
        (MODULE.replace("limit=LIMIT", "limit=-LIMIT"), None),
    ],
)
def test_only_what_is_within_functions_is_replaced(changed: str, count: int | None) -> None:
    pairs = mutant_trials.replaced(*(compile(text, "planted.py", "exec") for text in (MODULE, changed)))
    assert (None if pairs is None else len(pairs)) == count


def test_what_is_mutated_may_not_be_imported_before() -> None:
    with pytest.raises(SystemExit, match=r"provisioner\.domain\.acceptance would be imported"):
        mutant_trials.warm([Path(acceptance.__file__)], [])
