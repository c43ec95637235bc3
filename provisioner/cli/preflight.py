"""What stands against hosts before anything is confirmed: what is known of them, and what their BMCs say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cli import question
from provisioner.cli.output import Cell, Column, console, info, print_table
from provisioner.domain.refusal import Refusal
from provisioner.errors import ProvisionError, UnreachableError, WorkerError
from provisioner.system.units import duration

if TYPE_CHECKING:
    from provisioner.api.bmc import BmcSelection, BmcTest
    from provisioner.client import Client
    from provisioner.domain.plan import LeftOut, Plan

ROUNDS = 2  # of waiting for one result behind another: a test of many ends sooner, and the next is behind it
AGAINST = ("failed", "unknown")  # what keeps a script from ordering
PASSING = {201, 206, 211}  # PV codes of what a deployment outlasts, if it passes


@dataclass(frozen=True)
class BmcCheck:
    """What a host's BMC said. `result`: `ok`, `failed`, `manual` (it has none), `unknown` (not asked).

    `code`, `sentence` and `hint` say why it failed, or is unknown; power and boot device are as
    read, `suite` IPMI's cipher.
    """

    host: str
    result: str
    power: str = ""
    boot: str = ""
    suite: int = 0
    code: int = 0
    sentence: str = ""
    hint: str = ""

    @property
    def refusal(self) -> Refusal:
        """Why it failed, or is unknown."""
        return Refusal(code=self.code, sentence=self.sentence, hint=self.hint)


@dataclass(frozen=True)
class Preflight:
    """What the BMCs said, in which time (seconds), and what of the hosts was known without them.

    Of the hosts that are `left_out` of the order it is told, too, but nothing depends on it.
    """

    checks: tuple[BmcCheck, ...]
    seconds: float
    known: tuple[tuple[str, Refusal], ...] = ()
    left_out: "tuple[LeftOut, ...]" = ()

    @property
    def faults(self) -> tuple[tuple[str, Refusal], ...]:
        """Each host with what stands against it, each sentence once."""
        told = {(each.host, refusal.sentence) for each in self.left_out for refusal in each.refusals}
        asked = (
            (check.host, check.refusal)
            for check in self.checks
            if check.result in AGAINST and (check.host, check.sentence) not in told
        )
        return tuple(
            {(host, fault.sentence): (host, fault) for host, fault in (*self.known, *asked)}.values()
        )

    @property
    def fatal(self) -> tuple[Refusal, ...]:
        """What BMCs said by which a deployment would end at once."""
        failed = (check for check in self.checks if check.result == "failed" and check.code not in PASSING)
        return tuple(check.refusal for check in failed)

    @property
    def hosts(self) -> list[str]:
        """Those that would be ordered, and against which something stands."""
        left_out = {each.host for each in self.left_out}
        return list(dict.fromkeys(host for host, _ in self.faults if host not in left_out))

    @property
    def unknown(self) -> list[str]:
        """Those of them of which nothing more is known than that their BMC could not be asked."""
        is_known = {host for host, _ in self.known}
        asked = {check.host for check in self.checks if check.result == "unknown"}
        return [host for host in self.hosts if host in asked - is_known]


def ask(client: "Client", selection: "BmcSelection") -> Preflight:
    """All at the same time, by the service; nothing is changed at them, also by who leaves by Ctrl-C."""
    with question.changing_nothing():
        return _answers(client, selection)


def _answers(client: "Client", selection: "BmcSelection") -> Preflight:
    began = time.monotonic()
    checks = []
    for test in client.begin_bmc_tests(selection):
        if test.refusal:
            checks.append(_failed(test.host, test.refusal))
        elif not test.request:
            checks.append(BmcCheck(test.host, "manual"))
        else:
            checks.append(_result(client, test.host, test.request))
    return Preflight(tuple(checks), time.monotonic() - began)


def look(
    client: "Client", plans: "Sequence[Plan]", left_out: "Sequence[LeftOut]" = (), *, asks: bool = True
) -> Preflight:
    """What stands against these hosts, whose orders would be taken; with `asks` their BMCs are asked, too.

    So are those of the hosts that are left out: what is wrong there is learnt at the same time.
    """
    from provisioner.api.bmc import BmcSelection

    known = tuple((plan.host.name, warning) for plan in plans for warning in plan.warnings)
    names = (*(plan.host.name for plan in plans), *(each.host for each in left_out))
    if not names or not asks:
        return Preflight((), 0, known)
    asked = ask(client, BmcSelection(hosts=names))
    return Preflight(asked.checks, asked.seconds, known, tuple(left_out))


def _result(client: "Client", host: str, number: int) -> BmcCheck:
    try:
        return _passed(host, client.bmc_test(host, number, ROUNDS))
    except ProvisionError as fault:
        if fault.code == UnreachableError.code:  # no service answers any more
            raise
        if fault.code == WorkerError.code:
            return _against(host, "unknown", fault)
        return _against(host, "failed", fault)


def _against(host: str, result: str, fault: ProvisionError) -> BmcCheck:
    sentence = str(fault) if host in str(fault) else f"{host}: {fault}"
    return BmcCheck(host, result, code=fault.code, sentence=sentence, hint=fault.hint)


def _passed(host: str, test: "BmcTest") -> BmcCheck:
    return BmcCheck(host, "ok", test.state, test.boot, test.suite, sentence=test.note)


def _failed(host: str, fault: Refusal) -> BmcCheck:
    return BmcCheck(host, "failed", code=fault.code, sentence=fault.sentence, hint=fault.hint)


def show(found: Preflight, *, fatal: bool = True) -> None:
    """How many BMCs are ready, then each host, what stands against it, what mends it; to stderr.

    Without `fatal` those are left out that are told as refusals.
    """
    if asked := _asked(found):
        info(f"{_count(found, 'ok')} of {asked} BMCs are ready, in {duration(found.seconds)}")
    told = () if fatal else found.fatal
    if lines := [(host, fault) for host, fault in found.faults if fault not in told]:
        print_table(console(stderr=True), lines, FAULTS)


def show_passed(found: Preflight) -> None:
    """What the BMCs said that would do, a line each; to stderr."""
    for check in found.checks:
        if check.result == "ok":
            info(f"{check.host}: BMC ok, {_described(check)}")


def show_checks(found: Preflight) -> None:
    """All that the BMCs said, to stdout, what failed first."""
    rows = sorted(found.checks, key=lambda check: ("failed", "unknown", "ok", "manual").index(check.result))
    print_table(console(), rows, (_MARK, *COLUMNS[:1], Column("", _words)))
    counts = [
        f"{_count(found, 'ok')} of {asked} BMCs without a fault" if (asked := _asked(found)) else "",
        f"{unknown} could not be asked" if (unknown := _count(found, "unknown")) else "",
        f"{manual} powered by hand" if (manual := _count(found, "manual")) else "",
    ]
    info(f"{', '.join(filter(None, counts))}; in {duration(found.seconds)}")


def _asked(found: Preflight) -> int:
    return _count(found, "ok", "failed")


def _count(found: Preflight, *results: str) -> int:
    return sum(check.result in results for check in found.checks)


def _lines(host: str, fault: Refusal) -> list[str]:
    sentence = fault.sentence.removeprefix(f"{host}: ")
    return [f"{sentence} (PV-{fault.code})", *([f"→ {fault.hint}"] if fault.hint else [])]


def _words(check: BmcCheck) -> Cell:
    """What the BMC said, and what mends it."""
    if check.result in AGAINST:
        return _lines(check.host, check.refusal)
    return "powered by hand" if check.result == "manual" else _described(check)


def _described(check: BmcCheck) -> str:
    suite = f", IPMI cipher suite {check.suite}" if check.suite else ""
    note = f"; {check.sentence}" if check.sentence else ""
    return f"power {check.power}, boot device {check.boot}{suite}{note}"


def _mark(check: BmcCheck) -> Cell:
    marks = {"ok": ("✓", "green"), "failed": ("✗", "red"), "unknown": ("?", "yellow")}
    return marks.get(check.result, ("·", "dim"))


_MARK = Column("", _mark)
COLUMNS: tuple[Column[BmcCheck], ...] = (
    Column("HOST", lambda check: check.host),
    Column("RESULT", lambda check: check.result),
)
FAULTS: tuple[Column[tuple[str, Refusal]], ...] = (
    Column("", lambda _: ("✗", "red")),
    Column("HOST", lambda fault: fault[0]),
    Column("", lambda fault: _lines(*fault)),  # without a title it stays its lines on a narrow terminal
)
