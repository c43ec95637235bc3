"""How quickly a disk was written, as samples in a file."""

from pathlib import Path

import pytest

from provisioner.state import throughput
from provisioner.state.throughput import Sample, ThroughputFile


def test_samples_come_back_in_their_order(tmp_path: Path) -> None:
    kept = ThroughputFile(tmp_path, "d-1")
    assert kept.read() == []
    kept.add(100.0, 1, 1000, 500.4)
    kept.add(102.0, 1, 2000, 499.6)
    assert kept.read() == [Sample(100.0, 1, 1000, 500.0), Sample(102.0, 1, 2000, 500.0)]


def test_of_many_samples_neighbours_are_put_together(tmp_path: Path) -> None:
    kept = ThroughputFile(tmp_path, "d-1")
    for number in range(1000):
        kept.add(float(number), 1, number, 100.0 if number % 2 else 300.0)
    found = kept.read(most=100)
    assert len(found) == 100 and {sample.rate for sample in found} == {200.0}
    assert found[-1].done == 999


def test_a_line_that_was_cut_hides_no_other(tmp_path: Path) -> None:
    kept = ThroughputFile(tmp_path, "d-1")
    kept.add(1.0, 1, 1, 1.0)
    with kept.path.open("ab") as out:
        out.write(b"2.0 1\n\xff\xfe garbage here now\n")
    kept.add(3.0, 1, 3, 3.0)
    assert [sample.time for sample in kept.read()] == [1.0, 3.0]


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "LIMIT", 50)
    kept = ThroughputFile(tmp_path, "d-1")
    for number in range(100):
        kept.add(float(number), 1, number, 1.0)
    assert kept.path.stat().st_size <= 50 and kept.read()[0].time == 0.0
