"""The burn-in over a real sshd: its report, its progress, and that nothing of it is left behind."""

import json
import os
import re
import select
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner import run
from provisioner.domain.acceptance import Level
from provisioner.verify import SshTarget, burnin, burnin_archive, evidence_burnin
from provisioner.verify.burnin import BurnInOutcome, BurnInProgress
from tests.ports import free_port
from tests.wire.verify.test_verify import make_key, sshd

TINY = ("--device", "cpu", "--size", "tiny", "--gpus", "1")
FOLDER = re.compile(rb"/provision-\w+/burnin\.pyz")


@dataclass
class Host:
    """A host whose temporary folder is `tmp`; what runs there may be another program than ours."""

    target: SshTarget
    tmp: Path
    work: Path

    def burn(
        self,
        level: Level = Level.QUICK,
        on_progress: Callable[[BurnInProgress], None] = lambda progress: None,
        is_cancelled: Callable[[], bool] = lambda: False,
        seconds: int = 0,
    ) -> BurnInOutcome:
        return burnin.burn_in(
            self.target,
            level,
            work=self.work,
            on_progress=on_progress,
            is_cancelled=is_cancelled,
            seconds=seconds,
            options=TINY,
        )

    def processes(self) -> list[int]:
        """Those of the burn-in on this host."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (place / "cmdline").read_bytes()
                if bytes(self.tmp) in words and FOLDER.search(words) and b"ssh\0" not in words:
                    found.append(int(place.name))
        return found

    def is_clean(self) -> bool:
        return self.processes() == [] and list(self.tmp.iterdir()) == []


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "authorized").write_text(make_key(tmp_path / "deploy") + "\n")
    (tmp_path / "tmp").mkdir()
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\nexport TMPDIR={tmp_path}/tmp\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    shell.chmod(0o755)
    with sshd(tmp_path, tmp_path / "authorized", command=str(shell)) as target:
        yield Host(target, tmp_path / "tmp", tmp_path / "work")


def with_program(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Another program in the archive's place."""
    path = folder / "other.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", text)
    monkeypatch.setattr(burnin_archive, "build", path.read_bytes)


def test_a_burn_in_tells_its_progress_and_gives_its_report(host: Host) -> None:
    told: list[BurnInProgress] = []
    outcome = host.burn(on_progress=told.append)
    assert (outcome.result, outcome.sentence) == ("ended", "")
    report = json.loads(outcome.report)
    assert (report["state"], report["exit_errors"], report["level"]) == ("ok", 0, "quick")
    assert {"matmul-fp32", "memory-pattern", "load"} <= {one.test for one in told}
    assert {one.gpu for one in told if one.test == "load"} == {"CPU-0"}
    assert host.is_clean()


def test_a_soak_that_is_cancelled_ends_at_once_and_says_how_far_it_was(host: Host) -> None:
    cancelled = threading.Event()

    def stop(progress: BurnInProgress) -> None:
        if progress.test.startswith("matmul"):
            cancelled.set()

    began = time.monotonic()
    outcome = host.burn(Level.SOAK, on_progress=stop, is_cancelled=cancelled.is_set, seconds=3600)
    assert time.monotonic() - began < 60
    assert (outcome.result, outcome.sentence) == (
        "cancelled",
        "the burn-in of vc-1 was ended: it was cancelled",
    )
    report = json.loads(outcome.report)
    assert (report["state"], report["reason"]) == ("cancelled", "the caller hung up")
    states = {test["name"]: test["state"] for test in report["gpus"][0]["tests"]}
    assert (states["h2d"], states["load"]) == ("ok", "skipped")
    assert host.is_clean()


def test_what_the_callers_own_code_raises_ends_the_burn_in(host: Host) -> None:
    seen: list[int] = []

    def fail(progress: BurnInProgress) -> None:
        seen.extend(host.processes())
        raise KeyError("no such deployment")

    with pytest.raises(KeyError, match="no such deployment"):
        host.burn(Level.SOAK, on_progress=fail, seconds=3600)
    assert len(seen) >= 2, "the program, and a process of its GPU"
    assert host.is_clean()


def test_a_caller_that_hangs_is_left_after_its_lease(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stays open, and nobody is there: the program ends itself."""
    monkeypatch.setattr(burnin, "LEASE", 3.0)
    monkeypatch.setattr(burnin, "BEAT", 0.5)
    ended: list[bool] = []

    def hang(progress: BurnInProgress) -> None:
        descriptors = [os.pidfd_open(number) for number in host.processes()]
        ended.extend(bool(select.select([one], [], [], 30)[0]) for one in descriptors)
        for one in descriptors:
            os.close(one)
        raise KeyError

    with pytest.raises(KeyError):
        host.burn(Level.SOAK, on_progress=hang, seconds=3600)
    assert len(ended) >= 2 and all(ended)
    assert host.is_clean()


def test_a_connection_that_is_lost_ends_the_burn_in_on_the_host(host: Host) -> None:
    """The next run finds the host as if nothing had been, and takes nothing for a report."""

    def cut(progress: BurnInProgress) -> None:
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = place.read_bytes().split(b"\0")
                if words[0].endswith(b"ssh") and str(host.work / "burnin.ssh.log").encode() in words:
                    os.kill(int(place.parent.name), signal.SIGKILL)

    outcome = host.burn(Level.SOAK, on_progress=cut, seconds=3600)
    assert (outcome.result, outcome.report) == ("failed", "")
    assert host.is_clean()


def test_a_host_that_does_not_answer_is_unreachable(host: Host) -> None:
    gone = replace(host, target=replace(host.target, port=free_port()))
    outcome = gone.burn()
    assert outcome.result == "unreachable" and "Connection refused" in outcome.sentence


SAYS = {
    "half a report": (
        'print(\'{"state": "great"}\'); print(\'{"state": "ok", "gpus": [\', end=\'\')',
        "the burn-in of vc-1 gave no report: code 0",
    ),
    "a fault": ("raise SystemExit('no room')", "the burn-in of vc-1 gave no report: no room"),
}


@pytest.mark.parametrize(("program", "sentence"), SAYS.values(), ids=list(SAYS))
def test_what_is_no_report_is_none(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    with_program(monkeypatch, tmp_path, program)
    outcome = host.burn()
    assert (outcome.result, outcome.report) == ("failed", "")
    assert sentence in outcome.sentence
    assert host.is_clean()


def test_progress_that_is_none_is_passed_over(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['{"progress": {"test": "loa', '{"progress": [1]}', '{"progress": {"test": "a", "done": "x"}}']
    lines += ['{"progress": {"test": "a\\u001b[2J", "gpu": "", "done": 1, "of": 2, "seconds_left": 3}}']
    for number in ("true", "NaN", "-1", "1" + 400 * "0", '"2"'):
        lines.append(
            f'{{"progress": {{"test": "a", "gpu": "", "done": {number}, "of": 2, "seconds_left": 3}}}}'
        )
    lines += ["[]", '{"state": "ok"}', '{"progress": {"te']
    with_program(monkeypatch, tmp_path, f"print({chr(10).join(lines)!r}, end='')")
    told: list[BurnInProgress] = []
    outcome = host.burn(on_progress=told.append)
    assert (outcome.result, outcome.report) == ("ended", '{"state": "ok"}')
    (one,) = told
    assert (one.done, one.of, one.seconds_left) == (1, 2, 3) and "\x1b" not in one.test


def test_a_report_is_taken_up_to_its_largest_size_and_no_line_is_without_end(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DCGM's output is in it. What is larger fills nobody's memory."""
    text = "import json, sys\nline = json.dumps({'state': 'ok', 'raw': 'x' * (SIZE - 40)})\n"
    text += "sys.stdout.write(line + END)\nsys.stdout.flush()\n"
    sizes = {"SIZE": str(evidence_burnin.LONGEST), "END": "chr(10)"}
    with_program(monkeypatch, tmp_path, text.replace("SIZE", sizes["SIZE"]).replace("END", sizes["END"]))
    outcome = host.burn()
    assert (outcome.result, len(outcome.report) > (15 << 20)) == ("ended", True)
    assert evidence_burnin.read_burnin(outcome.report) is not None
    larger = text.replace("SIZE", f"{evidence_burnin.LONGEST} * 2").replace("END", "chr(32) * (1 << 20)")
    with_program(monkeypatch, tmp_path, larger)
    outcome = host.burn()
    assert (outcome.result, outcome.report) == ("failed", "")
    assert "a line without end" in outcome.sentence
    assert host.is_clean()


def test_a_program_that_never_ends_is_ended_at_its_limit(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not even look at its lease."""
    monkeypatch.setattr(burnin, "LIMITS", {Level.QUICK: 2})
    monkeypatch.setattr(burnin, "GRACE", 1.0)
    with_program(monkeypatch, tmp_path, "import signal\nwhile True: signal.pause()")
    outcome = host.burn()
    assert (outcome.result, outcome.sentence) == (
        "failed",
        "the burn-in of vc-1 was ended: it did not end within 2 s",
    )
    assert host.is_clean()


def test_a_process_that_ignores_the_end_is_killed(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon of the program that names its folder: what takes the folder away finds it."""
    daemon = 'import os, signal, sys\nif os.fork(): print(\'{"state": "ok"}\', flush=True); os._exit(0)\n'
    daemon += "os.setsid(); [os.close(n) for n in (0, 1, 2)]; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    with_program(monkeypatch, tmp_path, daemon + "while True: signal.pause()")
    assert host.burn().result == "ended"
    assert host.is_clean()


def test_nothing_but_our_own_folders_can_be_taken_away(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "ansible/files/place.py"
    for name in ("work", "provision-", "provision-a b"):
        (tmp_path / name).mkdir()
        done = run.run(["/usr/bin/python3", script, "remove", tmp_path / name], check=False)
        assert done.returncode == 1 and b"is no folder of ours" in done.stderr
        assert (tmp_path / name).is_dir()
    (tmp_path / "provision-x").symlink_to(tmp_path / "work")
    done = run.run(["/usr/bin/python3", script, "remove", tmp_path / "provision-x"], check=False)
    assert done.returncode == 1 and (tmp_path / "work").is_dir()
