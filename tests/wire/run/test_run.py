"""Programs that we start end with us, and get what they are given."""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import ProgramError

PARENT = Path(__file__).with_name("programs") / "parent.py"
LIMIT = 20.0  # seconds


@pytest.fixture
def children() -> Iterator[list[int]]:
    pids: list[int] = []
    yield pids
    for pid in pids:
        run.signal_process(pid, signal.SIGKILL)


def ends(pidfd: int, seconds: float) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def started(where: str, children: list[int]) -> tuple[run.Process, int]:
    """A parent, and its child by a descriptor that becomes readable when it ends."""
    parent = run.start([sys.executable, PARENT, where], stdin=run.PIPE, stdout=run.PIPE)
    assert parent.stdout
    children.append(int(parent.stdout.readline()))
    return parent, os.pidfd_open(children[-1])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_program_ends_with_the_process_that_started_it(
    children: list[int], where: str, how: signal.Signals
) -> None:
    parent, child = started(where, children)
    assert not ends(child, 0.2), "while its parent lives"
    parent.send_signal(how)
    assert parent.wait(LIMIT) == -how
    assert ends(child, LIMIT)


def test_a_program_does_not_begin_where_its_parent_is_gone_already() -> None:
    for _ in range(10):
        parent = run.start([sys.executable, PARENT, "nowhere"], stdin=run.PIPE, stdout=run.PIPE)
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert parent.wait(LIMIT) == -signal.SIGKILL
        with suppress(ProcessLookupError):  # gone already
            child = os.pidfd_open(pid)
            assert ends(child, LIMIT)
            os.close(child)


def test_a_program_ends_with_the_thread_that_started_it(children: list[int]) -> None:
    parent, child = started("short thread", children)
    assert ends(child, LIMIT) and parent.poll() is None
    run.stop(parent)


def test_a_program_does_not_begin_where_the_thread_that_started_it_is_gone_already() -> None:
    begun: list[run.Process] = []
    for _ in range(20):
        thread = threading.Thread(target=lambda: begun.append(run.start(["sleep", "600"])))
        thread.start()
        thread.join()
    assert [process.wait(LIMIT) for process in begun] == [-signal.SIGKILL] * 20


def test_a_program_is_itself_by_its_pid_its_arguments_and_its_end(tmp_path: Path) -> None:
    script = 'echo "$$ $0 $1 $KEY"; pwd; exit 7'
    given = ["sh", "-c", script, "--", "two words"]
    done = run.start(given, log=tmp_path / "log", cwd=tmp_path, env={"KEY": "ü"})
    assert done.wait(LIMIT) == 7
    assert (tmp_path / "log").read_text() == f"{done.pid} -- two words ü\n{tmp_path}\n"


@pytest.mark.parametrize("ours", [{}, {"PWD": "/"}], ids=["no PWD", "PWD"])
def test_a_program_has_our_environment_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: dict[str, str]
) -> None:
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    process = run.start(["env"], log=tmp_path / "log", env={"KEY": "two\nlines"}, cwd=Path("/"))
    assert process.wait(LIMIT) == 0
    said = set((tmp_path / "log").read_text().splitlines())
    assert said == {f"PATH={os.environ['PATH']}", "KEY=two", "lines", *(f"{n}={v}" for n, v in ours.items())}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_is_ended_by_a_signal_at_whatever_moment(number: signal.Signals) -> None:
    for _ in range(10):
        process = run.start(["sleep", "600"])
        process.send_signal(number)
        assert process.wait(LIMIT) == -number


def test_a_program_has_the_descriptors_that_it_is_given() -> None:
    read, write = os.pipe()
    process = run.start(["sh", "-c", f"echo given > /dev/fd/{write}"], pass_fds=(write,))
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "given\n"
    assert process.wait(LIMIT) == 0


@pytest.mark.parametrize("program", ["no-such-program", "/usr/bin/no-such-program"])
def test_a_program_that_is_missing_is_named_and_not_what_starts_it(program: str) -> None:
    with pytest.raises(ProgramError, match=f"{program} is not installed"):
        run.start([program])


def test_many_threads_start_programs_at_one_time() -> None:
    codes: list[int] = []

    def begin() -> None:
        codes.extend(run.start(["true"]).wait(LIMIT) for _ in range(25))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert codes == [0] * 200
