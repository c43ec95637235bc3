"""Whether an order was done is read back, whatever was answered."""

from collections.abc import Callable

import pytest

from provisioner.errors import NotYetError, PowerError
from provisioner.power import read_back
from provisioner.power.outcome import Kind
from provisioner.power.protocol import PowerResult
from provisioner.power.read_back import Doubt

REFUSED = Doubt(Kind.REFUSED, PowerError("refused", code=203))
LOST = Doubt(Kind.UNKNOWN, NotYetError("lost"))
BUSY = Doubt(Kind.NOT_NOW, NotYetError("busy"))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which goes on by sleeping alone."""
    time = [0.0]
    monkeypatch.setattr(read_back.time, "monotonic", lambda: time[0])
    monkeypatch.setattr(read_back.time, "sleep", lambda seconds: time.__setitem__(0, time[0] + seconds))
    return time


def showing(now: list[float], state: str, after: float, then: str) -> Callable[[], PowerResult]:
    return lambda: PowerResult(state if now[0] < after else then)


@pytest.mark.parametrize(("doubt", "late"), [(REFUSED, 3.0), (LOST, 12.0), (None, 19.0)])
def test_an_order_that_is_seen_done_is_done(now: list[float], doubt: Doubt | None, late: float) -> None:
    assert read_back.ordered(showing(now, "off", late, "on"), doubt, "on", 20).state == "on"


@pytest.mark.parametrize(("doubt", "late"), [(REFUSED, 6.0), (LOST, 17.0), (BUSY, 1.0)])
def test_an_order_that_is_not_seen_done_ends_with_its_error(
    now: list[float], doubt: Doubt, late: float
) -> None:
    with pytest.raises(PowerError) as caught:
        read_back.ordered(showing(now, "off", late, "on"), doubt, "on", 20)
    assert caught.value is doubt.fault


def test_an_order_that_was_taken_is_no_error_however_late_it_shows(now: list[float]) -> None:
    done = read_back.ordered(showing(now, "off", 50, "on"), None, "on", 20)
    assert (done.state, done.confirmed) == ("off", False)
    assert done.note == "the BMC took the order for power on and still shows power off after 20 s"


def test_a_look_that_fails_is_repeated(now: list[float]) -> None:
    def read() -> PowerResult:
        if now[0] < 5:
            raise NotYetError("restarting")
        return PowerResult("on")

    assert read_back.settled(read, "on", 20).state == "on"


@pytest.mark.parametrize("took", [1.0, 9.0])
def test_what_was_done_in_time_is_seen_however_slow_a_look_is(now: list[float], took: float) -> None:
    def read() -> PowerResult:
        shown = "off" if now[0] < 1.5 else "on"
        now[0] += took  # it is answered after it was looked at
        return PowerResult(shown)

    assert read_back.ordered(read, REFUSED, "on", 20).state == "on"


@pytest.mark.parametrize(("shown", "orders"), [("on", 0), ("off", 1), ("unknown", 1)])
def test_a_host_that_is_not_seen_on_after_its_reset_is_powered_on(
    now: list[float], shown: str, orders: int
) -> None:
    given: list[str] = []
    read_back.restarted(lambda: PowerResult("on" if given else shown), lambda: given.append("on"), 20)
    assert len(given) == orders


@pytest.mark.parametrize("gone", ["off", "on"])
def test_a_host_is_powered_on_again_even_if_it_is_not_seen_off(now: list[float], gone: str) -> None:
    given: list[str] = []
    off = PowerResult(gone, confirmed=gone == "off", note="" if gone == "off" else "still shows power on")
    done = read_back.off_and_on(lambda: off, lambda: given.append("on"), lambda: PowerResult("on"), 20)
    assert given == ["on"]
    assert (done.state, done.confirmed, done.note) == ("on", gone == "off", off.note)
