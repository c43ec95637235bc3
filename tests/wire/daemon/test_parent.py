"""The parent of the services: it starts them together, hears their pulse, replaces one that hangs or ends."""

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner import run, settings
from provisioner.daemon import child, parent
from provisioner.errors import ServiceError
from provisioner.state.database import Database
from provisioner.system import fork_server, forked
from provisioner.system.sd_notify import SystemdNotifier

PROGRAM = Path(__file__).with_name("programs") / "service.py"


class Service:
    """The parent in this process, with programs of the test's as its children."""

    def __init__(self, folder: Path, services: tuple[str, ...], lines: list[str]) -> None:
        self.folder, self._lines = folder, lines
        self.settings = settings.check(
            {"state": folder / "s", "interface": "lo", "address": "127.0.0.1/8", "services": services},
            source="test",
        )
        (folder / "plans").mkdir()

    def plan(self, name: str, word: str) -> None:
        (self.folder / "plans" / name).write_text(word)

    def starts(self, name: str) -> list[int]:
        """The process ids that this service has had."""
        file = self.folder / "plans" / f"{name}.starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def forks(self) -> int:
        """The process id of the fork server; 0 while there is none."""
        children = Path(f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}/children").read_text()
        for pid in children.split():
            if b"--fork-server" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return int(pid)
        return 0

    @property
    def said(self) -> str:
        return "\n".join(self._lines)

    def serve(
        self, then: Callable[[], None], notifier: SystemdNotifier | None = None, *, ends: bool = True
    ) -> int:
        """Serve in this thread, the only one that may; `then` runs beside it, and may end it."""
        faults: list[BaseException] = []

        def beside() -> None:
            try:
                then()
            except BaseException as fault:
                faults.append(fault)
            finally:
                if ends or faults:
                    run.signal_process(os.getpid(), signal.SIGTERM)

        words = [sys.executable, str(PROGRAM), str(self.folder / "plans")]
        thread = threading.Thread(target=beside)
        thread.start()
        try:
            return parent.serve(self.settings, words, lambda: self.settings, notifier)
        finally:
            thread.join()
            if faults:
                raise faults[0]


class Skewed:
    """A clock that jumps as that of a virtual machine that was stopped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped

    def time(self) -> float:
        return time.time()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Service]]:
    lines: list[str] = []
    monkeypatch.setattr(parent, "print_line", lines.append)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # of a thread that is late
    yield lambda *services: Service(tmp_path, services, lines)  # type: ignore[arg-type]
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in a part of the time."""
    monkeypatch.setattr(parent, "SILENCE_LIMIT", 2.0)
    monkeypatch.setattr(parent, "TICK", 0.1)
    monkeypatch.setattr(parent, "PAUSES", (0.0, 0.0, 0.0, 0.0))


def until(test: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)  # nothing tells when another process has written its file


def runs(pid: int) -> bool:
    """Whether there is such a process; one that nobody has reaped yet does not count."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


def ready(folder: Path) -> forked.ForkServer:
    """A fork server that is ready."""
    server = forked.ForkServer([sys.executable, str(PROGRAM), str(folder)])
    while not server.is_ready:
        server.hear()
        assert not server.has_ended
    return server


def test_all_start_together_and_only_then_all_are_ready(make: Callable[..., Service]) -> None:
    service = make("dns", "tftp", "web")
    service.plan("dns", "late")  # the first that is started is the last that is ready

    def look() -> None:
        until(lambda: "all services are ready" in service.said)

    assert service.serve(look) == 0
    lines = service.said.splitlines()
    assert lines.index("dns: here") > max(lines.index("tftp: here"), lines.index("web: here"))
    assert lines.index("all services are ready") == lines.index("dns: here") + 1
    assert lines[-1] == "told to stop by SIGTERM"


def test_one_that_hangs_is_replaced_and_that_is_said_and_noted(
    make: Callable[..., Service], hasty: None
) -> None:
    service = make("dns", "tftp")

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        service.plan("tftp", "hang")
        run.signal_process(service.starts("tftp")[0], signal.SIGKILL)
        until(lambda: service.said.count("tftp serves again") == 2)

    assert service.serve(look) == 0
    fates = ["was killed by signal 9", "gave no sign of life for 2 s"]
    for how in fates:
        assert f"tftp {how}; it is started again" in service.said
    assert (len(service.starts("tftp")), len(service.starts("dns"))) == (3, 1), "the other was left alone"
    database = Database(service.settings.state)
    [event] = database.events.notes(10)
    database.close()
    assert event.kind == "service.replaced" and event.data.count == 2
    assert event.describe() == f"tftp {fates[1]}; it is started again (2 times)"


def test_a_stopped_process_is_replaced(make: Callable[..., Service], hasty: None) -> None:
    service = make("dns")

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        run.signal_process(service.starts("dns")[0], signal.SIGSTOP)
        until(lambda: "dns serves again" in service.said)

    assert service.serve(look) == 0


def test_one_that_fails_again_and_again_ends_all(make: Callable[..., Service], hasty: None) -> None:
    service = make("dns", "tftp")
    service.plan("dns", "late")

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        service.plan("tftp", "always-exit")
        run.signal_process(service.starts("tftp")[0], signal.SIGKILL)
        until(lambda: len(service.starts("tftp")) == parent.MOST_FAILURES)

    with pytest.raises(
        ServiceError, match=r"tftp ended with code 3, the 5th time within 10 m 00 s"
    ) as caught:
        service.serve(look, ends=False)
    assert caught.value.code == 615
    assert not any(Path(f"/proc/{pid}").exists() for pid in service.starts("dns")), "the others end with it"


def test_one_that_cannot_start_ends_all_before_anything_is_said_to_be_ready(
    make: Callable[..., Service],
) -> None:
    service = make("dns", "tftp")
    service.plan("tftp", "refuse")
    with pytest.raises(ServiceError, match=r"tftp did not start \(exit code 6\), so nothing is served"):
        service.serve(lambda: None, ends=False)
    assert "all services are ready" not in service.said


def test_one_that_is_never_ready_ends_all(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "READY_LIMIT", 10.0)  # of which the fork server needs some
    service = make("dns", "tftp")
    service.plan("tftp", "always-silent")
    with pytest.raises(ServiceError, match=r"tftp is not ready after 10 s, so nothing is served"):
        service.serve(lambda: None, ends=False)


def test_a_fork_server_that_is_never_ready_ends_all(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "READY_LIMIT", 0.2)
    service = make("dns")
    service.plan("forks", "silent")
    with pytest.raises(ServiceError, match=r"the fork server is not ready after 0.2 s, so nothing is served"):
        service.serve(lambda: None, ends=False)


def test_silence_counts_only_while_it_could_have_been_heard(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    """A machine that was suspended finds all of its processes silent for hours, and none of them at fault."""
    service, skewed = make("dns"), Skewed()
    monkeypatch.setattr(parent, "time", skewed)

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        for _ in range(5):
            skewed.skipped += 3600
            time.sleep(0.3)  # three looks of the parent

    assert service.serve(look) == 0
    assert len(service.starts("dns")) == 1


def test_a_process_that_a_debugger_holds_is_not_replaced(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    service, held = make("dns"), [True]
    service.plan("dns", "hang")
    monkeypatch.setattr(child, "is_held", lambda pid: held[0])

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        time.sleep(2 * parent.SILENCE_LIMIT)
        assert len(service.starts("dns")) == 1
        held[0] = False
        until(lambda: "dns serves again" in service.said)

    assert service.serve(look) == 0


def test_systemd_hears_when_all_are_ready_and_then_the_parents_pulse(
    make: Callable[..., Service], tmp_path: Path, hasty: None
) -> None:
    service, heard = make("dns"), []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)

        def look() -> None:
            while heard.count("WATCHDOG=1") < 3 or "READY=1\nSTATUS=all services are ready" not in heard:
                heard.append(systemd.recv(1000).decode())

        assert service.serve(look, SystemdNotifier(str(tmp_path / "notify"))) == 0
        until(lambda: systemd.recv(1000) == b"STOPPING=1")


def test_a_child_that_closes_its_pipe_is_silent_and_costs_no_processor(tmp_path: Path) -> None:
    (tmp_path / "dns").write_text("close")
    server = ready(tmp_path)
    made = child.Child("dns", server)
    try:
        until(lambda: made.read() != [], 5)
        until(lambda: made.read() == [] and len(made.sources) == 1, 5)
        assert made.count_silence(3.0) == 3.0 and made.count_silence(3.0) == 6.0
    finally:
        made.kill("the test is over")
        made.stop()
        assert server.end() == "ended with code 0"


def test_the_end_of_the_fork_server_is_the_end_of_no_service(
    make: Callable[..., Service], hasty: None
) -> None:
    service = make("dns", "tftp")

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        first = service.forks()
        run.signal_process(first, signal.SIGKILL)
        until(lambda: "the fork server was killed by signal 9; it is started again" in service.said)
        until(lambda: service.forks() not in (0, first))
        assert (len(service.starts("dns")), len(service.starts("tftp"))) == (1, 1)
        run.signal_process(service.starts("dns")[0], signal.SIGKILL)
        until(lambda: "dns serves again" in service.said)
        assert "dns ended; it is started again" in service.said, "nobody can say how"
        run.signal_process(service.starts("dns")[1], signal.SIGKILL)
        until(lambda: "dns was killed by signal 9; it is started again" in service.said)
        until(lambda: service.said.count("dns serves again") == 2)

    assert service.serve(look) == 0
    assert not any(runs(pid) for name in ("dns", "tftp") for pid in service.starts(name))


def test_a_fork_server_that_hangs_is_replaced_when_it_is_needed(
    make: Callable[..., Service], hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "ANSWER_LIMIT", 3.0)
    service = make("dns", "tftp")

    def look() -> None:
        until(lambda: "all services are ready" in service.said)
        run.signal_process(service.forks(), signal.SIGSTOP)
        run.signal_process(service.starts("dns")[0], signal.SIGKILL)
        until(lambda: "dns serves again" in service.said)
        assert "the fork server was killed by signal 9; it is started again" in service.said

    assert service.serve(look) == 0
    assert len(service.starts("tftp")) == 1, "what serves is left alone"


def test_without_a_fork_server_nothing_is_served(make: Callable[..., Service]) -> None:
    service = make("dns")
    service.plan("forks", "refuse")
    with pytest.raises(ServiceError, match=r"the fork server ended with code 7, so nothing is served"):
        service.serve(lambda: None, ends=False)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_killed_parent_ends_all_even_what_is_stopped(tmp_path: Path, is_stopped: bool) -> None:
    server = ready(tmp_path)
    made = child.Child("dns", server)
    until(lambda: made.read() != [], 5)
    if is_stopped:
        run.signal_process(made._process.pid, signal.SIGSTOP)
    server._control.close()  # as the kernel does where the parent has ended
    until(lambda: made.ended in select.select([made.ended], [], [], 0)[0], 5)
    assert made.reap() == "was killed by signal 9"
    assert server.end() == "ended with code 0"


def test_a_fork_is_what_a_new_interpreter_would_be(tmp_path: Path) -> None:
    """Its command line, its signals, its descriptors: nothing of the server's, and of no other fork's."""
    server = ready(tmp_path)
    made = [child.Child(name, server, "a key") for name in ("dns", "tftp")]
    try:
        for one in made:
            until(lambda one=one: one.read())  # type: ignore[misc]
            folder = Path(f"/proc/{one._process.pid}")
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
            assert words == [sys.executable, str(PROGRAM), str(tmp_path), "--only", one.name]
            status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
            assert int(status["SigBlk"], 16) == 0
            assert not int(status["SigIgn"], 16) & sum(1 << number - 1 for number in fork_server.SIGNALS)
            names = sorted(int(each.name) for each in (folder / "fd").iterdir())
            assert len(names) == 5, "three streams, its pulse, its secret"
    finally:
        for one in made:
            one.kill("the test is over")
            one.stop()
        server.end()
