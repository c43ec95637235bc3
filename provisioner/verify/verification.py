"""Verifies one host: Ansible fetches its facts, check.py and gpus.py judge them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from provisioner.verify import ansible, check, gpus, ssh
from provisioner.verify.evidence import GpuReport, HostFacts, read_facts, read_gpus
from provisioner.verify.model import Expected, SshTarget, TaskResult, Verdict

TASK = "read facts"
GPU_TASK = "read GPUs"


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

    `passed`, `rejected` (sentences: the deviations), `unreachable` (SSH; may be tried again) or `failed`.
    What `on_task` raises ends the run. Raises ServiceError where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ssh.route(target, work) as route:
        play = ansible.run_playbook(
            "verify", route, folder=work, seconds=seconds, variables={"gpus": bool(expected.gpu_driver)}
        )
    if play.result != "ok":
        return Verdict(play.result, (play.sentence,))
    facts = read_facts(play.outputs.get(TASK, ""))
    report = read_gpus(play.outputs.get(GPU_TASK, "")) if expected.gpu_driver else None
    if facts is None or (expected.gpu_driver and report is None):
        return Verdict("failed", (f"{target.name} printed no facts that can be read",))
    deviations = []
    for result in judge(facts, report, expected):
        on_task(result)
        if result.result == "deviation":
            deviations.append(result.sentence)
    return Verdict("rejected" if deviations else "passed", tuple(deviations), facts, report)


def judge(facts: HostFacts, report: GpuReport | None, expected: Expected) -> Iterator[TaskResult]:
    """Every check of what a host has shown, `ok` or `deviation`.

    Where NVML counts the GPUs they are not counted once more by their PCI ids: one is missing once.
    """
    if report and gpus.counts(report, expected):
        named = {kind.id for kind in expected.gpus}
        expected = replace(expected, pci=tuple(device for device in expected.pci if device.id not in named))
    yield from check.compare(facts, expected)
    if report:
        yield from gpus.compare(report, expected)
