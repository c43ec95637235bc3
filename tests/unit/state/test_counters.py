"""What the services count, as Prometheus' own parser reads it."""

import os
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.state import counters
from provisioner.state.counters import MetricsRegistry, MetricsWriter
from tests.file_limit import room_for


def read(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            key = (sample.name, *(value for _, value in sorted(sample.labels.items())))
            assert key not in found, f"{key} stands there twice"
            found[key] = sample.value
    return found


def counted(service: str = "tftp") -> MetricsRegistry:
    made = MetricsRegistry(service)
    made.scalar("provision_requests_total", kind="read").inc(3)
    made.scalar("provision_sessions").set(2)
    for seconds in (0.0001, 0.003, 7):
        made.histogram("provision_latency_seconds").observe(seconds)
    return made


def test_prometheus_reads_what_was_counted() -> None:
    found = read(counted().exposition())
    assert found["provision_requests_total", "read", "tftp"] == 3
    assert found["provision_sessions", "tftp"] == 2
    assert found["provision_latency_seconds_count", "tftp"] == 3
    assert found["provision_latency_seconds_sum", "tftp"] == pytest.approx(7.0031)
    buckets = {key[1]: value for key, value in found.items() if key[0] == "provision_latency_seconds_bucket"}
    assert (buckets["0.0001"], buckets["0.0025"], buckets["0.005"]) == (1, 1, 2), "a bound counts as within"
    assert (buckets["2.5"], buckets["+Inf"]) == (2, 3)


def test_a_service_without_a_number_writes_nothing() -> None:
    assert MetricsRegistry("dns").exposition() == "" == counters.merge([])


def test_quotes_and_line_ends_in_a_label_stay_there() -> None:
    made = MetricsRegistry("web")
    made.scalar("provision_refusals_total", reason='a "b"\n\\c').inc()
    assert read(made.exposition()) == {("provision_refusals_total", 'a "b"\n\\c', "web"): 1}


@pytest.mark.parametrize("name", ["provision_latency_seconds", "provision_sessions"])
def test_a_name_is_of_one_kind(name: str) -> None:
    wrong = MetricsRegistry("x").scalar if name.endswith("seconds") else MetricsRegistry("x").histogram
    with pytest.raises(TypeError, match=name):
        wrong(name)


def test_a_name_that_nobody_described_is_an_error() -> None:
    with pytest.raises(KeyError):
        MetricsRegistry("x").scalar("provision_things_total")


def test_threads_lose_no_step() -> None:
    number = MetricsRegistry("web").scalar("provision_requests_total")
    threads = [
        threading.Thread(target=lambda: [number.inc() for _ in range(20_000)] and None) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert number.value == 80_000


def test_the_files_of_all_services_become_one_text(tmp_path: Path) -> None:
    for service in ("dhcp", "tftp"):
        MetricsWriter(counted(service), tmp_path).write()
    text = counters.collect(tmp_path, ["dhcp", "tftp", "dns"], counted("web"))
    found = read(text)
    assert text.count("# TYPE provision_requests_total") == 1
    for service in ("dhcp", "tftp", "web"):
        assert found["provision_requests_total", "read", service] == 3
        assert found["provision_service_up", service] == 1
    assert found["provision_service_up", "dns"] == 0, "it should write and does not"


def test_the_numbers_of_a_service_that_ended_are_not_shown(tmp_path: Path) -> None:
    MetricsWriter(counted("tftp"), tmp_path).write()
    path = counters.folder(tmp_path) / "tftp.metrics"
    later = path.stat().st_mtime + counters.STALE + 1
    found = read(counters.collect(tmp_path, ["tftp"], counted("web"), now=later))
    assert found["provision_service_up", "tftp"] == 0
    assert ("provision_requests_total", "read", "tftp") not in found


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"no such thing\n", b"# TYPE\n", bytes(100)])
def test_a_file_of_rubbish_spoils_nothing(tmp_path: Path, content: bytes) -> None:
    counters.folder(tmp_path).mkdir()
    (counters.folder(tmp_path) / "tftp.metrics").write_bytes(content)
    found = read(counters.collect(tmp_path, ["tftp"], counted("web")))
    assert found["provision_requests_total", "read", "web"] == 3


def test_a_writer_writes_at_once_and_a_last_time(tmp_path: Path) -> None:
    made, asked = counted(), []
    writer = MetricsWriter(made, tmp_path, lambda: asked.append(1), period=30).start()
    made.scalar("provision_requests_total", kind="read").inc()
    writer.close()
    [path] = counters.folder(tmp_path).iterdir()
    assert read(path.read_text())["provision_requests_total", "read", "tftp"] == 4
    assert len(asked) == 2


def test_a_place_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    writer = MetricsWriter(counted(), tmp_path)
    for _ in range(3):
        writer.write()
    assert len(caplog.records) == 1 and "tftp.metrics" in caplog.text
    (tmp_path / "run").unlink()
    writer.write()
    assert (tmp_path / "run" / "tftp.metrics").exists()


@pytest.mark.parametrize("room", [0, 1, 100])
@pytest.mark.parametrize("has_written", [True, False])
def test_a_service_is_up_while_no_room_is_left_for_its_numbers(
    tmp_path: Path, room: int, has_written: bool
) -> None:
    made, long_ago = counted(), time.time() - 10 * counters.STALE
    writer, path = MetricsWriter(made, tmp_path), counters.folder(tmp_path) / "tftp.metrics"
    if has_written:
        writer.write()
        os.utime(path, (long_ago, long_ago))
    made.scalar("provision_requests_total", kind="read").inc()
    with room_for(room):
        writer.write()
    found = read(counters.collect(tmp_path, ["tftp"], counted("web")))
    assert found["provision_service_up", "tftp"] == 1
    assert found.get(("provision_requests_total", "read", "tftp")) == (3 if has_written else None)
    assert list(path.parent.iterdir()) == [path]
    writer.write()
    assert read(path.read_text())["provision_requests_total", "read", "tftp"] == 4


def test_the_table_says_what_every_number_is() -> None:
    for name, family in counters.FAMILIES.items():
        assert name.startswith("provision_") and family.help.endswith(".")
        assert name.endswith("_total") == (family.kind == "counter")
        assert bool(family.bounds) == (family.kind == "histogram")
        assert list(family.bounds) == sorted(family.bounds)


def test_the_docs_list_every_number() -> None:
    text = (Path(__file__).parents[3] / "docs" / "dns-and-tftp.md").read_text()
    assert [name for name in counters.FAMILIES if f"| `{name}` |" not in text] == []
