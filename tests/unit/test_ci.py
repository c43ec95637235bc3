"""What the forges read is well-formed by their own schemas, and says the names that the Makefile has."""

import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from provisioner import run

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
CHECK = (Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_github_takes_the_workflows() -> None:
    run.run([*CHECK, "vendor.github-workflows", *sorted(WORKFLOWS.glob("*.yml"))])


def test_gitlab_takes_the_pipeline() -> None:
    run.run([*CHECK, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ROOT / ".gitlab-ci.yml"])


@pytest.mark.parametrize(
    "path",
    [
        *sorted(WORKFLOWS.glob("*.yml")),
        *(
            ROOT / name
            for name in (".gitlab-ci.yml", ".ci/run", ".ci/scheduled", "CONTRIBUTING.md", "README.md")
        ),
        *sorted((ROOT / "docs").glob("*.md")),
    ],
    ids=lambda path: path.name,
)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    """After `make` at a line's begin, as a word in backquotes, or as a step of a job."""
    named = re.findall(
        r"(?:^\s*(?:- )?|`|: |tier [a-z-]+ )make ([a-z-]+)", path.read_text(), flags=re.MULTILINE
    )
    assert set(named) <= targets()


def test_a_change_passes_lint_units_and_wire_and_a_schedule_the_rest() -> None:
    pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    workflow = yaml.safe_load((WORKFLOWS / "tests.yml").read_text())
    for jobs in (pipeline, workflow["jobs"]):
        for job, target in (("quick", "quick"), ("test", "test"), ("scheduled", "scheduled")):
            assert f"make {target}" in str(jobs[job])


def test_the_schedule_runs_every_long_tier() -> None:
    script = (ROOT / ".ci" / "scheduled").read_text()
    for command in (
        *("make test-long", "make test-roles", "make rehearse-faults", "make rehearse-matrix"),
        *("make test-model", "make test-mutants", "make test-strain", "make test-crash"),
        "make test-examples",
        *("make test-diagnosis", "make rehearse-gpus", "make page-load"),
        *('ARGS="--hosts 3"', 'ARGS="--bmc redfish"', "fleet-power-cut", 'ARGS="--restart kexec"'),
    ):
        assert command in script


def test_hooks_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")


def scheduled(folder: Path, *tiers: str, failing: str) -> tuple[int, bytes, list[list[str]]]:
    """Exit code, output and rows of the schedule, with a `make` that fails at one target."""
    fake = folder / "bin" / "make"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(f'#!/bin/sh\necho "made $*"\n[ "$1" != {failing} ]\n')
    fake.chmod(0o755)
    env = {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
    done = run.run([ROOT / ".ci" / "scheduled", folder / "kept", *tiers], env=env, check=False)
    table = (folder / "kept" / "scheduled" / "scheduled.tsv").read_text().splitlines()
    assert table[0] == "tier\texit code\tseconds\tcommit"
    return done.returncode, done.stdout, [line.split("\t") for line in table[1:]]


def test_a_tier_that_is_named_runs_alone_and_the_rows_of_others_stay(tmp_path: Path) -> None:
    _, _, before = scheduled(tmp_path, failing="test-roles")
    code, output, after = scheduled(tmp_path, "roles", "setup", failing="nothing")
    assert code == 0 and output.count(b"== ") == 2
    kept = [row for row in before if row[0] not in ("roles", "setup")]
    assert after[: len(kept)] == kept
    assert [(row[0], row[1]) for row in after[len(kept) :]] == [("setup", "0"), ("roles", "0")]


def test_a_tier_that_does_not_exist_is_said(tmp_path: Path) -> None:
    code, _, rows = scheduled(tmp_path, "role", failing="nothing")
    assert (code, rows) == (2, [])


def test_a_tier_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    code, output, rows = scheduled(tmp_path, failing="test-roles")
    assert code == 1
    assert b"made test-roles" in output, "the end of what failed is shown"
    tiers = [
        "setup",
        "test-long",
        "examples",
        "model",
        "mutants",
        "strain",
        "crash",
        "diagnosis",
        "roles",
        "faults",
        "matrix",
        "gpus",
        "installed",
        "page-load",
        "fleet",
        "swarm",
        "kexec",
        "kexec-bios",
        "redfish",
    ]
    assert [(row[0], row[1]) for row in rows] == [(name, str(int(name == "roles"))) for name in tiers]
    assert "--hosts 3" in (tmp_path / "kept" / "scheduled" / "fleet.log").read_text()


def test_a_kept_result_is_no_change_of_the_tree(tmp_path: Path) -> None:
    result, source = tmp_path / "tests" / "rehearsal" / "results" / "gpus.json", tmp_path / "source.py"
    result.parent.mkdir(parents=True)
    for path in (result, source):
        path.write_text("1")
    git = ("git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        run.run([*git, *words])
    head = run.text([*git, "rev-parse", "HEAD"])
    assert run.text([ROOT / ".ci" / "commit", tmp_path]) == head
    result.write_text("2")
    assert run.text([ROOT / ".ci" / "commit", tmp_path]) == head
    source.write_text("2")
    assert run.text([ROOT / ".ci" / "commit", tmp_path]) == f"{head}-dirty"
