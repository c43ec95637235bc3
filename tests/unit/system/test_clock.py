"""The clock that nobody sets."""

import pytest

from provisioner.system.clock import ClockAnchor, SteadyClock


def test_the_steady_clock_counts_from_its_anchor_and_not_by_real_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boottime = [100.0]
    monkeypatch.setattr("provisioner.system.clock.time.clock_gettime", lambda _: boottime[0])
    clock = SteadyClock(ClockAnchor("boot", real=5000.0, boottime=90.0))
    assert clock() == 5010.0
    boottime[0] += 86400  # asleep
    assert clock() == 5010.0 + 86400
