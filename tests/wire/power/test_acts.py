"""Acts in forks of one process: answered, ended in time, and never left behind."""

import os
import select
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import NotYetError, ProgramError
from provisioner.power import process
from provisioner.power.acts import Acts
from provisioner.power.ipmi import IpmiDriver
from provisioner.power.protocol import BmcAddress

PROGRAMS = Path(__file__).with_name("programs")
LONG = 60.0  # seconds


@pytest.fixture
def acts() -> Iterator[Acts]:
    made = Acts((sys.executable, str(PROGRAMS / "acting.py")))
    yield made
    made.close()


def server_of(acts: Acts) -> int:
    assert acts._server is not None
    return acts._server._process.pid


@contextmanager
def closed(descriptor: int) -> Iterator[int]:
    yield descriptor
    os.close(descriptor)


def has_ended(pidfd: int, seconds: float = LONG) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_many_at_once_have_each_its_own_answer(acts: Acts) -> None:
    """Also the first ones, of which one starts the process; a request may be larger than a pipe."""
    requests = [f"{number} ".encode() * 40_000 for number in range(40)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda request: acts.perform("echo", request, LONG), requests))
    assert answers == requests


def test_one_that_ends_without_an_answer_says_how(acts: Acts) -> None:
    with pytest.raises(ProgramError, match="was killed by signal 9"):
        acts.perform("die", b"", LONG)
    assert acts.perform("echo", b"on it goes", LONG) == b"on it goes"


def test_one_that_hangs_is_killed_in_time(acts: Acts) -> None:
    with pytest.raises(TimeoutError):
        acts.perform("hang", b"", 0.3)
    children = Path(f"/proc/{server_of(acts)}/task/{server_of(acts)}/children").read_text().split()
    for child in map(int, children):
        with suppress(ProcessLookupError), closed(os.pidfd_open(child)) as pidfd:
            assert has_ended(pidfd)


def test_a_process_that_was_killed_is_started_again(acts: Acts) -> None:
    acts.perform("echo", b"x", LONG)
    first = server_of(acts)
    with closed(os.pidfd_open(first)) as pidfd:
        run.signal_process(first, 9)
        assert has_ended(pidfd)
    assert acts.perform("echo", b"again", LONG) == b"again" and server_of(acts) != first


def test_a_program_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="ended with code 2"):
        Acts((sys.executable, str(tmp_path / "none.py"))).perform("echo", b"", LONG)


def test_no_act_outlives_who_ordered_it() -> None:
    """A service that is killed leaves nothing behind that would still power a host."""
    argv = [sys.executable, PROGRAMS / "ordering.py", PROGRAMS / "acting.py"]
    started = run.start(argv, stdout=run.PIPE)
    assert started.stdout is not None
    with started.stdout, closed(os.pidfd_open(int(started.stdout.readline()))) as pidfd:
        started.kill()
        started.wait()
        assert has_ended(pidfd)


def test_a_driver_says_what_became_of_its_act(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ACTS", acts)
    for name, words in (("die", "ipmi process .* broke: it was killed by signal 9"), ("hang", "too slowly")):
        monkeypatch.setattr(acts, "perform", lambda _, *more, name=name: Acts.perform(acts, name, *more))
        driver = IpmiDriver(BmcAddress("ipmi", "127.0.0.1", 623, name="vc-1", patience=0))
        driver.limit = 0.5
        with pytest.raises(NotYetError, match=words):
            driver.state()
