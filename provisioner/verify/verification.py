"""Verifies one host: Ansible fetches what it shows, judge/ judges it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner.domain.acceptance import Status
from provisioner.system import outputs
from provisioner.verify import ansible, ssh
from provisioner.verify.evidence import LARGEST, read_evidence, read_facts, unreadable
from provisioner.verify.judge import judge, tasks
from provisioner.verify.model import Evidence, Expected, SshTarget, TaskResult, Verdict

TASKS = {  # evidence -> the task of ansible/verify.yml that prints it
    "facts": "read facts",
    "nvml": "read GPUs",
    "pcie": "read PCIe",
    "kernel_log": "read the kernel log",
    "firmware": "read firmware",
    "container": "read GPUs in a container",
}


def run(
    target: SshTarget,
    expected: Expected,
    *,
    on_task: Callable[[TaskResult], None],
    work: Path,
    seconds: int,
) -> Verdict:
    """Compare the host with what was expected; changes nothing there. `on_task` is called with each check.
    One that has not ended after so many `seconds` is ended.

    `passed`, `rejected` (sentences: the deviations), `incomplete` (what could not be checked), `unreachable`
    (SSH; may be tried again) or `failed`.
    What `on_task` raises ends the run. Raises ServiceError where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ssh.route(target, work) as route:
        play = ansible.run_playbook(
            "verify", route, folder=work, seconds=seconds, variables={"gpus": bool(expected.gpu_driver)}
        )
    printed = {name: play.outputs[task] for name, task in TASKS.items() if play.outputs.get(task)}
    _keep(printed, work / "evidence")
    if play.result != "ok":
        return Verdict(play.result, (play.sentence,))
    facts, evidence = read_facts(printed.get("facts", "")), read_evidence(printed)
    if facts is None or unreadable(printed) or (expected.gpu_driver and evidence.nvml is None):
        return Verdict("failed", (f"{target.name} printed no facts that can be read",))
    return conclude(Evidence(facts, evidence), expected, on_task)


def _keep(printed: Mapping[str, str], folder: Path) -> None:
    """What the host printed, as it is, one file each; of an earlier run nothing stays."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in TASKS:
        (folder / f"{name}.json").unlink(missing_ok=True)
    for name, text in printed.items():
        outputs.write(folder / f"{name}.json", text[:LARGEST], mode=0o600)


def conclude(evidence: Evidence, expected: Expected, on_task: Callable[[TaskResult], None]) -> Verdict:
    """The verdict of what a host has shown; `on_task` is called with each check that is told."""
    checks = judge(evidence, expected)
    for task in tasks(checks):
        on_task(task)
    blocking = [check for check in checks if check.is_blocking]
    rejected = tuple(check.reason for check in blocking if check.status is Status.FAIL)
    if rejected:
        return Verdict("rejected", rejected, evidence, checks)
    unproved = tuple(check.reason for check in blocking)
    return Verdict("incomplete" if unproved else "passed", unproved, evidence, checks)
