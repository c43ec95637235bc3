"""Who is left out of a run: like reasons once, with all hosts that have them."""

import pytest

from provisioner.cli import plan
from provisioner.domain.plan import LeftOut
from provisioner.domain.refusal import Refusal


def out(host: str, sentence: str, hint: str) -> LeftOut:
    return LeftOut(host=host, refusals=(Refusal(code=131, sentence=sentence, hint=hint),))


def locked(host: str, by: str = "ann") -> LeftOut:
    return out(host, f"{host} is locked by {by}", f"provision host unlock {host}")


def test_like_reasons_are_told_once_the_most_frequent_first() -> None:
    busy = out("vc-7", "deployment d-1 is under way", "provision watch vc-7")
    hosts = (busy, *(locked(f"vc-{number}") for number in (1, 2, 30)), locked("vc-9", "bob"))
    assert list(plan.left_out_sentences(hosts)) == [
        "left out: vc-1, vc-2, vc-30",
        "    vc-1 is locked by ann (and 2 alike)",
        "  → provision host unlock HOST",
        "left out: vc-7: deployment d-1 is under way",
        "  → provision watch vc-7",
        "left out: vc-9 is locked by bob",
        "  → provision host unlock vc-9",
    ]


@pytest.mark.parametrize("count", [1, 200])
def test_a_whole_fleet_takes_few_lines(count: int) -> None:
    said = list(plan.left_out_sentences([locked(f"vc-{number}") for number in range(count)]))
    assert len(said) == (2 if count == 1 else 3) and f"vc-{count - 1}" in said[0]
