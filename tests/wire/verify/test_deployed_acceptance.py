"""A deployed host verified above level quick, over a real sshd: facts, site checks, burn-in, verdict."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import run, verify
from provisioner.domain.acceptance import Level
from provisioner.domain.requirements import Requirements, SiteCheck
from provisioner.verify import Expected, GpuKind, SshTarget, TaskResult, Verdict, site_checks
from provisioner.verify.burnin import BurnInProgress
from provisioner.verify.subjects import subjects
from tests.healthy_gpus import evidence
from tests.wire import nvmllab, scriptlab
from tests.wire.verify.test_verify import ROOT, expect, make_key, sshd

PARTS = Path(__file__).parents[1] / "burnin"
BURN_IN = {"burnin.json", "nvml-after.json", "pcie-after.json", "kernel_log-after.json"}
PASSES = '#!/bin/sh\necho \'{"status": "pass", "reason": "mounted"}\'\n'
FAILS = '#!/bin/sh\necho \'{"status": "fail", "reason": "no share", "observed": 0, "expected": 1}\'\n'


@dataclass
class Host:
    """A host with one GPU by NVML, whose burn-in a processor does; `tmp` is its temporary folder."""

    target: SshTarget
    expected: Expected
    tmp: Path
    work: Path
    checks: Path
    told: list[TaskResult] = field(default_factory=list)
    progress: list[BurnInProgress] = field(default_factory=list)

    def verify(self, **changes: Any) -> Verdict:
        given: dict[str, Any] = {
            "on_task": self.told.append,
            "on_progress": self.progress.append,
            "work": self.work,
            "seconds": 3600,
            "checks": self.checks,
            "options": ("--size", "tiny"),
        }
        expected = changes.pop("expected", self.expected)
        return verify.run(self.target, expected, **{**given, **changes})

    def with_check(self, program: str) -> Expected:
        """What is expected, where the site has one check of its own."""
        self.checks.mkdir()
        (self.checks / "nfs").write_text(program)
        approved = hashlib.sha256(program.encode()).hexdigest()
        wanted = self.expected.acceptance.model_copy(
            update={"checks": (SiteCheck(name="nfs", program="nfs", sha256=approved, seconds=20),)}
        )
        return replace(self.expected, acceptance=wanted)

    def kept(self) -> set[str]:
        return {path.name for path in (self.work / "evidence").iterdir()}

    def is_clean(self) -> bool:
        mine = bytes(self.tmp)
        running = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes()
            except OSError:
                continue
            if mine in words and b"burnin.pyz" in words and b"ssh\0" not in words:
                running.append(words)
        return running == [] and list(self.tmp.iterdir()) == []


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a host with a GPU has in its /sys and in its kernel's log is said by other scripts."""
    write_scripts(tmp_path / "scripts")
    scriptlab.stand_in(tmp_path / "scripts", monkeypatch)


def write_scripts(folder: Path, *, is_cube: bool = False) -> None:
    """Of a host with one GPU; `is_cube`: also what the system on a cube's disk says."""
    shown = evidence().gpu.pcie
    assert shown
    folder.mkdir()
    scriptlab.write(folder)
    for name in ("containers.py", *(["facts.py"] if not is_cube else [])):
        (folder / name).unlink()
    functions, way = {one.bus: one for one in shown.functions}, [shown.gpus[0]]
    while above := functions[way[-1]].parent:
        way.append(above)
    report = {"gpus": way[:1], "functions": [functions[place].model_dump(mode="json") for place in way]}
    (folder / "pcie.py").write_text(f"print({json.dumps(report)!r})\n")


@contextmanager
def gpu_host(folder: Path, nvml: Path, fault: str) -> Iterator[SshTarget]:
    """NVML's stand-in is asked for facts; the burn-in has one that is watched, and a processor for a GPU."""
    case = nvmllab.load("healthy")
    case["gpus"] = case["gpus"][:1]
    (folder / "scenario").write_text(nvmllab.scenario(case))
    burnt = {"uuid": case["gpus"][0]["nvmlDeviceGetUUID"], "bus": case["bus"][0]["place"], "name": "H100"}
    (folder / "nvml.json").write_text(json.dumps({"init": 0, "gpus": [{**burnt, "threshold": 87}]}))
    for name in ("bin", "containers", "tmp"):
        (folder / name).mkdir()
    for name in ("docker", "systemctl", "sudo"):
        (folder / "bin" / name).symlink_to(Path(__file__).with_name("programs") / "docker.py")
    images = {"images": {"sha256:abc": {"before": [burnt["uuid"]]}}}
    (folder / "scenario.json").write_text(json.dumps(images))
    known = {
        **{"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "LD_LIBRARY_PATH": nvml, "TMPDIR": folder / "tmp"},
        **{"NVML_SCENARIO": folder / "scenario", "STAND_IN": folder, "FAKE_NVML": folder / "nvml.json"},
    }
    lines = ["#!/bin/sh", *(f"export {name}={value}" for name, value in known.items())]
    lines += [f"export PYTHONPATH={nvml}", 'case "$SSH_ORIGINAL_COMMAND" in *burnin.pyz*--lease*)']
    lines += [f"export PYTHONPATH={PARTS} FAULT={fault} ;;", "esac", 'exec sh -c "$SSH_ORIGINAL_COMMAND"']
    (folder / "shell").write_text("\n".join(lines) + "\n")
    (folder / "shell").chmod(0o755)
    (folder / "authorized").write_text(make_key(folder / "deploy") + "\n")
    with sshd(folder, folder / "authorized", command=str(folder / "shell")) as target:
        yield target


@contextmanager
def deployed(folder: Path, nvml: Path, fault: str = "cuda") -> Iterator[Host]:
    facts = json.loads(run.text(["/usr/bin/python3", ROOT / "ansible/files/facts.py"]))
    expected = replace(
        expect(facts),
        gpu_driver="580",
        gpus=(GpuKind("10de:2330", 1, "H100"),),
        acceptance=Requirements(level=Level.STANDARD),
    )
    with gpu_host(folder, nvml, fault) as target:
        yield Host(target, expected, folder / "tmp", folder / "work", folder / "checks")


def test_a_host_at_level_standard_passes_and_its_report_has_what_was_measured(
    tmp_path: Path, nvml: Path
) -> None:
    with deployed(tmp_path, nvml) as host:
        expected = host.with_check(PASSES)
        verdict = host.verify(expected=expected)
        assert host.is_clean()
    assert verdict.result == "passed", verdict.sentences
    assert {one.test for one in host.progress} >= {"matmul-fp32", "load"}
    tasks = {task.name: task.result for task in host.told}
    assert (tasks["burn-in"], tasks["burn-in errors"], tasks["site check nfs"]) == ("ok", "ok", "ok")
    assert host.kept() >= {*BURN_IN, "facts.json", "nvml.json", "site-check-nfs.json"}
    assert json.loads((host.work / "evidence/burnin.json").read_text())["level"] == "standard"
    assert verdict.evidence
    (gpu,) = subjects(verdict.evidence, expected)
    assert {one.name for one in gpu.measured} >= {"h2d", "d2h", "matmul-fp32"}
    assert gpu.after["temperature_max"] == 40 and gpu.after["ecc_volatile_uncorrected"] == 0
    assert gpu.before["throttle"] == 1, "as it idled"


def test_a_burn_in_that_counts_errors_rejects_the_host(tmp_path: Path, nvml: Path) -> None:
    with deployed(tmp_path, nvml, "cuda,wrong:float32") as host:
        verdict = host.verify()
        assert host.is_clean()
    assert verdict.result == "rejected" and "matmul-fp32 counted" in verdict.sentences[0]
    assert [task.name for task in host.told if task.result == "deviation"] == ["burn-in errors"]


@pytest.mark.parametrize("level", [Level.QUICK, Level.STANDARD])
def test_a_site_check_that_fails_rejects_the_host_at_every_level(
    tmp_path: Path, nvml: Path, level: Level
) -> None:
    with deployed(tmp_path, nvml) as host:
        expected = host.with_check(FAILS)
        wanted = expected.acceptance.model_copy(update={"level": level})
        verdict = host.verify(expected=replace(expected, acceptance=wanted))
    assert (verdict.result, verdict.sentences) == ("rejected", ("the site's check nfs: no share",))
    assert ("burnin.json" in host.kept()) is (level is Level.STANDARD)


SWAPPED = {
    "another program": (FAILS, "is not the program that the profile approves: its SHA-256 is"),
    "none": (None, "nfs is not there: lay the program there"),
}


@pytest.mark.parametrize(("program", "words"), SWAPPED.values(), ids=list(SWAPPED))
def test_a_program_that_the_profile_does_not_approve_proves_nothing(
    tmp_path: Path, nvml: Path, program: str | None, words: str
) -> None:
    with deployed(tmp_path, nvml) as host:
        expected = host.with_check(PASSES)
        quick = expected.acceptance.model_copy(update={"level": Level.QUICK})
        (host.checks / "nfs").unlink()
        if program:
            (host.checks / "nfs").write_text(program)
        verdict = host.verify(expected=replace(expected, acceptance=quick))
    assert verdict.result == "incomplete" and words in verdict.sentences[0], verdict.sentences


def test_a_check_of_the_largest_size_is_run_and_what_it_says_is_cut(tmp_path: Path, nvml: Path) -> None:
    """A program of 16 MiB, and nearly as much as it may print; one byte more is refused."""
    said = json.dumps({"status": "pass", "reason": "x" * 60_000, "observed": "\x1b[2J" * 500})
    program = f"#!/bin/sh\ncat <<'E'\n{said}\nE\nexit 0\n#"
    with deployed(tmp_path, nvml) as host:
        expected = host.with_check(program.ljust(site_checks.LARGEST, "x"))
        expected = replace(expected, acceptance=expected.acceptance.model_copy(update={"level": Level.QUICK}))
        verdict = host.verify(expected=expected)
        with (host.checks / "nfs").open("a") as file:
            file.write("x")
        refused = host.verify(expected=expected)
    assert verdict.result == "passed" and verdict.evidence, verdict.sentences
    [check] = verdict.evidence.site_checks
    assert (check.status, len(check.reason), "\x1b" in str(check.observed)) == ("pass", 200, False)
    assert refused.result == "incomplete" and "larger than 16 MiB" in refused.sentences[0], refused.sentences


def test_a_program_without_a_verdict_proves_nothing(tmp_path: Path, nvml: Path) -> None:
    with deployed(tmp_path, nvml) as host:
        expected = host.with_check("#!/bin/sh\necho all is well\n")
        quick = expected.acceptance.model_copy(update={"level": Level.QUICK})
        verdict = host.verify(expected=replace(expected, acceptance=quick))
    assert verdict.result == "incomplete" and "no JSON verdict" in verdict.sentences[0], verdict.sentences


def test_a_verification_that_is_cancelled_in_its_burn_in_leaves_nothing(tmp_path: Path, nvml: Path) -> None:
    with deployed(tmp_path, nvml) as host:
        wanted = Requirements(level=Level.SOAK, soak_seconds=3600)
        verdict = host.verify(
            expected=replace(host.expected, acceptance=wanted),
            seconds=4 * 3600,
            is_cancelled=lambda: any(one.test.startswith("matmul") for one in host.progress),
        )
        assert host.is_clean()
    assert (verdict.result, verdict.sentences) == ("failed", ("the verification was cancelled",))
    assert host.told == []


def test_a_host_that_fails_sanity_is_not_burned_in(tmp_path: Path, nvml: Path) -> None:
    with deployed(tmp_path, nvml) as host:
        expected = replace(host.with_check(PASSES), gpus=(GpuKind("10de:2330", 2, "H100"),))
        verdict = host.verify(expected=expected)
    assert verdict.result == "rejected" and "NVML shows 1" in verdict.sentences[0]
    assert host.progress == [] and not {*BURN_IN, "site-check-nfs.json"} & host.kept()
    assert not (host.work / "burnin.log").exists(), "not even placed"


def test_a_burn_in_for_which_there_is_no_time_is_not_begun(tmp_path: Path, nvml: Path) -> None:
    with deployed(tmp_path, nvml) as host:
        verdict = host.verify(seconds=700)
    assert verdict.result == "incomplete" and "it takes 300 s, and its stage has" in verdict.sentences[0]
    assert host.progress == []


def test_a_host_that_restarted_under_load_is_not_burned_in_again_until_it_passes(
    tmp_path: Path, nvml: Path
) -> None:
    """The one before it was never seen to end, and its host is in another boot now."""
    with deployed(tmp_path, nvml) as host:
        host.work.mkdir(mode=0o700)
        (host.work / "burnin.boot").write_text("the boot before")
        verdict = host.verify()
    assert verdict.result == "incomplete" and "restarted under load" in verdict.sentences[0]
    assert host.progress == [] and list(host.tmp.iterdir()) == []
