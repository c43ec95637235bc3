"""This very machine, judged without SSH, Ansible and a service; NVML is a stand-in."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.domain.acceptance import Level, Status
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.requirements import Requirements, SiteCheck
from provisioner.errors import InputError
from provisioner.verify import TaskResult, Verdict, burnin_archive, expectation, local
from provisioner.verify.burnin import BurnInProgress
from provisioner.verify.model import Expected
from tests.wire import nvmllab, scriptlab
from tests.wire.verify.test_burnin_ssh import with_program

TINY = ("--device", "cpu", "--size", "tiny", "--gpus", "1")
MEMORY = Path("/dev/shm")
CUBE = Profile(
    name="cube",
    memory_min=1 << 40,
    gpu_driver="580",
    gpus=(Gpu(id="10de:2330", count=8, name="H100", ecc=True),),
)
Play = Callable[[str], None]


@pytest.fixture
def play(tmp_path: Path, nvml: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Gives this machine the GPUs of a case; what else a cube has is said by other scripts."""
    (tmp_path / "scripts").mkdir()
    scriptlab.put(tmp_path / "scripts", monkeypatch)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, str(nvml))
    monkeypatch.setenv("NVML_SCENARIO", str(tmp_path / "scenario"))

    def case(name: str) -> None:
        (tmp_path / "scenario").write_text(nvmllab.scenario(nvmllab.load(name)))

    case("healthy")
    return case


def expect(profile: Profile = CUBE, level: Level | None = None) -> Expected:
    return expectation.of_profile(profile, level, unordered=local.UNORDERED)


def judged(expected: Expected, **more: Any) -> tuple[Verdict, list[TaskResult]]:
    told: list[TaskResult] = []
    return local.run(expected, on_task=told.append, **more), told


def test_a_good_machine_is_accepted_and_what_only_an_order_knows_does_not_apply(play: Play) -> None:
    verdict, told = judged(expect())
    assert verdict.result == "passed", verdict
    found = {check.id: check for check in verdict.checks}
    for name in ("os.image", "disk.root"):
        assert found[name].status is Status.NOT_APPLICABLE and "no order is known here" in found[name].reason
    assert "NVML shows 8 10de:2330 (H100)" in [task.sentence for task in told]
    assert found["container.reload"].status is Status.PASS
    assert verdict.evidence and verdict.evidence.gpu.kernel_log and verdict.evidence.gpu.firmware


@pytest.mark.parametrize(
    ("case", "check"),
    [("missing", "gpu.count"), ("mixed-ecc", "gpu.ecc-mode"), ("wrong-branch", "gpu.driver")],
)
def test_the_judge_is_that_of_a_deployment(play: Play, case: str, check: str) -> None:
    play(case)
    verdict, _ = judged(expect())
    assert verdict.result == "rejected"
    assert check in [one.id for one in verdict.checks if one.is_blocking], verdict.sentences


def test_a_profile_without_a_driver_has_no_gpu_asked(tmp_path: Path, play: Play) -> None:
    for name in ("pcie.py", "kernel_log.py", "firmware.py", "containers.py"):
        (tmp_path / "scripts" / name).write_text("raise SystemExit('it was asked')")
    verdict, _ = judged(expect(Profile(name="plain", memory_min=1 << 20)))
    assert verdict.result == "passed", verdict
    assert verdict.evidence and verdict.evidence.gpu.nvml is None


def test_a_burn_in_runs_in_memory_tells_its_progress_and_leaves_nothing(play: Play) -> None:
    """Of eight GPUs one is burnt in here, by the processor: so the verdict is incomplete, and says why."""
    before = set(MEMORY.iterdir())
    seen: list[set[Path]] = []

    def look(progress: BurnInProgress) -> None:
        seen.append(set(MEMORY.iterdir()) - before)

    verdict, _ = judged(expect(level=Level.STANDARD), on_progress=look, options=TINY)
    assert seen and any(path.name.startswith("provision-") for one in seen for path in one)
    assert not [path for path in set(MEMORY.iterdir()) - before if path.name.startswith("provision-")]
    report = verdict.evidence and verdict.evidence.burnin
    assert report and (report.state, report.level, report.exit_errors) == ("ok", "standard", 0)
    assert verdict.result == "incomplete"
    assert "burnin.run" in [one.id for one in verdict.checks if one.is_blocking]


def test_what_the_driver_says_under_load_counts(play: Play, tmp_path: Path) -> None:
    """The kernel's log is read once more when the burn-in has ended."""
    script = tmp_path / "scripts" / "kernel_log.py"
    fallen = {"number": 79, "bus": "0000:18:00.0", "at": 9, "text": "GPU has fallen off the bus"}
    whole = {"state": "ok", "boot": "b-1", "xids": [fallen]}

    def fall(progress: BurnInProgress) -> None:
        script.write_text(f"print({json.dumps(whole)!r})\n")

    verdict, _ = judged(expect(level=Level.STANDARD), on_progress=fall, options=TINY)
    assert verdict.result == "rejected" and any("79" in words for words in verdict.sentences), verdict.result


def test_a_machine_that_lacks_a_gpu_is_not_burnt_in(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    play("missing")
    monkeypatch.setattr(burnin_archive, "build", lambda: pytest.fail("it was burnt in"))
    verdict, _ = judged(expect(level=Level.FULL))
    assert verdict.result == "rejected"


def test_a_burn_in_that_gives_no_report_proves_nothing(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_program(monkeypatch, tmp_path, "raise SystemExit('no room')")
    verdict, _ = judged(expect(level=Level.STANDARD))
    assert verdict.result == "incomplete"
    assert any("gave no report: no room" in words for words in verdict.sentences), verdict.sentences


def test_a_script_that_breaks_or_babbles_ends_it_in_words(play: Play, tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "gpus.py"
    script.write_text("raise SystemExit('the driver is on fire')")
    verdict, _ = judged(expect())
    assert verdict.result == "failed" and verdict.sentences == (
        "gpus.py ended with code 1: the driver is on fire",
    )
    script.write_text("print('hello')")
    verdict, _ = judged(expect())
    assert verdict.sentences == ("what gpus.py printed of this machine cannot be read",)


@pytest.mark.parametrize(
    ("said", "status"), [("pass", Status.PASS), ("fail", Status.FAIL), ("nonsense", Status.ERROR)]
)
def test_the_sites_own_checks_are_made_by_their_sums(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: Status
) -> None:
    program = tmp_path / "nfs.sh"
    program.write_text(f'#!/bin/sh\necho \'{{"status": "{said}", "reason": "mounted"}}\'\n')
    program.chmod(0o755)
    monkeypatch.setattr(local, "CHECKS", tmp_path)
    check = SiteCheck(name="nfs", program="nfs.sh", sha256=sha256(program.read_bytes()).hexdigest())
    wanted = expect(CUBE.model_copy(update={"acceptance": Requirements(checks=(check,))}))
    verdict, _ = judged(wanted)
    [found] = [one for one in verdict.checks if one.id == "site.check"]
    assert found.status is status, found
    other = replace(wanted, acceptance=Requirements(checks=(check.model_copy(update={"sha256": "0" * 64}),)))
    verdict, _ = judged(other)
    assert verdict.result == "incomplete", "another program proves nothing"


def test_a_level_of_gpus_needs_a_profile_with_a_driver() -> None:
    with pytest.raises(InputError, match="names no gpu_driver") as raised:
        expect(Profile(name="plain"), Level.FULL)
    assert "--level quick" in raised.value.hint


def test_what_is_asked_leaves_no_process_behind(play: Play) -> None:
    judged(expect(level=Level.STANDARD), options=TINY)
    names = run.text(["ps", "-eo", "args"])
    assert "burnin.pyz" not in names
