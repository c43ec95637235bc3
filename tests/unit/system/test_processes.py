"""What the kernel says of a process."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import run
from provisioner.system.processes import PARENT, seconds_without_processor, stat_fields


@pytest.fixture
def own_processor() -> Iterator[int]:
    """One processor to which this process is bound for the test."""
    before = os.sched_getaffinity(0)
    chosen = min(before)
    os.sched_setaffinity(0, {chosen})
    yield chosen
    os.sched_setaffinity(0, before)


def spin(processor: int, ready: "multiprocessing.synchronize.Event") -> None:
    """Use up a processor until the parent ends this."""
    os.sched_setaffinity(0, {processor})
    ready.set()
    while True:
        pass


def test_fields_are_counted_as_in_the_manual_whatever_a_process_calls_itself(tmp_path: Path) -> None:
    program = tmp_path / ") R 1 (x"
    program.symlink_to("/bin/sh")
    reader = run.start([program, "-c", "echo ready; read end"], stdin=run.PIPE, stdout=run.PIPE)
    try:
        assert reader.stdout and reader.stdout.readline() == b"ready\n"
        fields = stat_fields(reader.pid)
        assert (fields[1], fields[2], fields[PARENT]) == (str(reader.pid), ") R 1 (x", str(os.getpid()))
        assert (fields[5], fields[6]) == (str(os.getpgid(reader.pid)), str(os.getsid(reader.pid)))
    finally:
        run.stop(reader)
    with pytest.raises(FileNotFoundError):
        stat_fields(reader.pid)


def test_the_time_without_a_processor_is_told(own_processor: int) -> None:
    """Two that never rest share one processor: each waits for about as long as it runs."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=spin, args=(own_processor, ready), daemon=True)
    other.start()
    try:
        assert ready.wait(60)
        before, ran = seconds_without_processor(), time.process_time()
        while time.process_time() - ran < 0.3:
            pass
        assert seconds_without_processor() - before > 0.05
    finally:
        other.kill()
        other.join()


def test_a_kernel_that_does_not_tell_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert seconds_without_processor() == 0.0
