"""What failed alike is told once, with all its hosts."""

import pytest

from provisioner.cli import failures
from provisioner.domain.failures import HostFailure


def failure(host: str, reason: str, *, code: int = 201, hint: str = "") -> HostFailure:
    return HostFailure(host, "failed", code, reason, hint)


def silent(number: int) -> HostFailure:
    host = f"vc-{number}"
    reason = f"BMC 10.20.0.{number} of {host} does not answer"
    return failure(host, reason, hint=f"provision bmc test {host}")


def test_a_reason_with_other_addresses_is_the_same_reason(capsys: pytest.CaptureFixture[str]) -> None:
    failures.tell([silent(number) for number in range(1, 41)])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert said[0].startswith("✗ failed (PV-201): vc-1, vc-2, ") and said[0].endswith(", vc-40")
    assert said[1] == "    BMC 10.20.0.1 of vc-1 does not answer (and 39 alike)"
    assert said[2] == "  → provision bmc test HOST"


def test_one_host_has_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    failures.tell([silent(7)])
    assert capsys.readouterr().err.splitlines()[2] == "  → provision bmc test vc-7"


def test_other_reasons_of_one_code_are_both_told_and_the_most_frequent_code_comes_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failures.tell(
        [
            failure("a", "no disk fits", code=312),
            silent(1),
            silent(2),
            failure("b", "the BMC at ac:1f:6b:00:00:01 restarts"),
            failure("c", "the BMC at ac:1f:6b:00:00:02 restarts"),
        ]
    )
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "✗ failed (PV-201): vc-1, vc-2, b, c"
    assert said[3] == "    the BMC at ac:1f:6b:00:00:01 restarts (and 1 alike)"
    assert said[-2:] == ["✗ failed (PV-312): a", "    no disk fits"]


@pytest.mark.parametrize(
    ("host", "text", "told"),
    [
        ("a", "a does not answer", "HOST does not answer"),
        ("vc-1", "vc-12 is not vc-1.", "vc-12 is not HOST."),
        ("vc-1", "provision deploy vc-1, or vc-1.lan", "provision deploy HOST, or vc-1.lan"),
        ("v.1", "vx1 and v.1", "vx1 and HOST"),
    ],
)
def test_only_the_name_itself_is_left_out(host: str, text: str, told: str) -> None:
    assert failure(host, text).of_any(text) == told
