"""What a process says of itself: to its parent, to systemd, or on standard error."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.system.processes import is_held
from provisioner.system.pulse import PERIOD, Pulse
from provisioner.system.sd_notify import SystemdNotifier


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for number in (read, write):
        os.close(number)


def test_a_beat_is_an_empty_line_and_comes_once_in_a_period(pipe: tuple[int, int]) -> None:
    clock = Clock()
    pulse = Pulse(pipe[1], clock=clock)
    for _ in range(100):
        pulse.beat()
    assert os.read(pipe[0], 100) == b"\n"
    clock.now += PERIOD
    pulse.beat()
    assert os.read(pipe[0], 100) == b"\n"


def test_sentences_are_one_line_each_whatever_is_in_them(pipe: tuple[int, int]) -> None:
    pulse = Pulse(pipe[1])
    pulse.ready("dhcp: answering\nready on\tlan0")
    pulse.replaced("x" * 10_000)
    first, second, rest = os.read(pipe[0], 8192).split(b"\n")
    assert first == b"ready dhcp: answering ready on lan0" and rest == b""
    assert second.startswith(b"replaced xxx") and len(second) < 4096, "a longer one would not be whole"


def test_without_a_parent_it_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    pulse = Pulse()
    pulse.beat()
    pulse.ready("tftp: answering")
    assert capsys.readouterr().err == "tftp: answering\n"


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_hears_that_it_is_ready_and_each_beat(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@provisioner-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if is_abstract else name)
        systemd.settimeout(30)
        clock = Clock()
        pulse = Pulse(notifier=SystemdNotifier(name), clock=clock)
        pulse.ready("dns: answering")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=dns: answering"
        pulse.beat()
        assert systemd.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/no/such/socket", "@nobody-listens-there"])
def test_a_systemd_that_is_not_there_hinders_nothing(address: str) -> None:
    SystemdNotifier(address).tell("WATCHDOG=1")


def test_a_process_that_nobody_holds_is_not_held() -> None:
    assert not is_held(os.getpid())
    assert not is_held(4194304 + 1), "there is no such process"
