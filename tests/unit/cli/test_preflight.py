"""What the preflight makes of what the service says of BMCs."""

from collections.abc import Mapping
from typing import cast

import click
import pytest

from provisioner.api.bmc import BmcSelection, BmcTest, BmcTestOrdered
from provisioner.api.runs import RunOrder
from provisioner.cli import preflight, runs
from provisioner.cli.order_options import OrderOptions
from provisioner.cli.output import table_lines
from provisioner.client import Client
from provisioner.domain.plan import LeftOut
from provisioner.domain.refusal import Refusal
from provisioner.errors import ProvisionError, RefusedError, UnreachableError, WorkerError

Answer = BmcTest | ProvisionError | None
WELL = BmcTest(state="off", boot="disk", suite=17)
SCRIPT = OrderOptions(
    yes=True, no_wait=True, timeout=None, until="", write_mode="delta", erase_foreign=False,
    allow_downgrade=False, preflight=True,
)  # fmt: skip


class Service:
    """What it answers by host; None is a host without a BMC."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers

    def begin_bmc_tests(self, _: BmcSelection) -> tuple[BmcTestOrdered, ...]:
        numbers = enumerate(self.answers.items(), 1)
        return tuple(BmcTestOrdered(host=host, request=n if answer else 0) for n, (host, answer) in numbers)

    def bmc_test(self, host: str, _: int, __: int) -> BmcTest:
        answer = self.answers[host]
        if isinstance(answer, BmcTest):
            return answer
        assert answer
        raise answer


def ask(**answers: Answer) -> preflight.Preflight:
    return preflight.ask(cast(Client, Service(answers)), BmcSelection(all=True))


GONE = WorkerError("the worker has done nothing for 9 s", hint="provision check")


def test_one_that_could_not_be_asked_hides_no_other() -> None:
    found = ask(a=WELL, b=GONE, c=WELL, d=None)
    assert [check.result for check in found.checks] == ["ok", "unknown", "ok", "manual"]
    assert found.hosts == ["b"] == found.unknown and found.faults[0][1].code == 674


def test_a_service_that_is_gone_ends_it() -> None:
    with pytest.raises(UnreachableError):
        ask(a=WELL, b=UnreachableError("no service answers"))


def test_who_leaves_it_has_changed_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Left(Service):
        def bmc_test(self, host: str, _: int, __: int) -> BmcTest:
            raise KeyboardInterrupt

    with pytest.raises(click.exceptions.Exit) as caught:
        preflight.ask(cast(Client, Left({"a": WELL})), BmcSelection(all=True))
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "\ninterrupted: nothing was changed\n"


def test_only_who_was_asked_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    preflight.show_checks(ask(a=WELL, b=GONE, c=None, d=ProvisionError("refused", code=202)))
    said = capsys.readouterr()
    assert "1 of 2 BMCs without a fault, 1 could not be asked, 1 powered by hand" in said.err
    assert "the worker has done nothing for 9 s (PV-674)" in said.out


def test_where_nobody_has_a_bmc_none_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    preflight.show_checks(ask(a=None, b=None))
    said = capsys.readouterr().err
    assert said.startswith("2 powered by hand") and "without a fault" not in said


def test_a_script_orders_nothing_where_a_bmc_could_not_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(a=WELL, b=GONE)
    with pytest.raises(RefusedError, match="1 of 2 BMCs could not be asked: nothing was ordered") as refused:
        runs.judge(found, 2, SCRIPT)
    assert refused.value.code == 145
    told = OrderOptions(**{**vars(SCRIPT), "yes": False})
    runs.judge(found, 2, told)
    assert "1 of 2 BMCs could not be asked" in capsys.readouterr().err


FAILED = ProvisionError("BMC refuses the login", code=202)
MANY = {f"host-{number:03}": FAILED for number in range(80)}


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        (RunOrder(select="rack=B3"), "--select 'rack=B3,name!=b|c'"),
        (RunOrder(all=True), "--select 'name!=b|c' instead of --all"),
        (RunOrder(retry="r-1"), "provision host lock HOST, for each of them"),
    ],
)
def test_who_is_to_be_left_out_can_be_typed_as_it_is_said(wanted: RunOrder, hint: str) -> None:
    with pytest.raises(RefusedError) as refused:
        runs.judge(ask(a=WELL, b=FAILED, c=FAILED), 3, SCRIPT, wanted)
    assert refused.value.hint == f"mend that first; or leave them out: {hint}"


def test_more_than_a_selection_can_hold_are_not_named() -> None:
    with pytest.raises(RefusedError) as refused:
        runs.judge(ask(**MANY), 80, SCRIPT, RunOrder(all=True))
    assert "host-0" not in refused.value.hint and "host lock" in refused.value.hint


def test_of_who_is_left_out_all_is_told_and_nothing_depends_on_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = (Refusal(code=131, sentence="c is locked", hint=""),)
    out = (LeftOut(host="c", refusals=why), LeftOut(host="d", refusals=why))
    found = preflight.look(cast(Client, Service({"c": FAILED, "d": WELL})), [], out)
    assert found.hosts == [] and [host for host, _ in found.faults] == ["c"]
    runs.judge(found, 1, SCRIPT, RunOrder(all=True))
    assert "BMC refuses the login (PV-202)" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_narrow_terminal_what_mends_it_stands_on_lines_of_its_own(width: int) -> None:
    hint = "set another password: provision bmc secret b3 --user admin"
    fault = Refusal(code=202, sentence="vc-9: BMC 10.20.0.43 refuses the login of user 'admin'", hint=hint)
    lines = [text.plain for text in table_lines([("vc-9", fault)], preflight.FAULTS, width)]
    assert all(len(line) <= width for line in lines)
    said = [line.strip() for line in lines]
    assert said[-1].endswith("provision bmc secret b3 --user admin") and "PV-202), →" not in " ".join(said)
    assert any(line.startswith("→ ") for line in said) and "against it BMC" not in " ".join(said)
