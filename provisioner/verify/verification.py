"""Verifies one host: Ansible fetches its facts, check.py and gpus.py judge them."""

from collections.abc import Callable
from pathlib import Path

from provisioner.verify import ansible, check, gpus, ssh
from provisioner.verify.model import Expected, Target, TaskResult, Verdict

LIMIT = 600  # seconds for one run; a stage allows several
TASK = "read facts"
GPU_TASK = "read GPUs"


def run(target: Target, expected: Expected, *, on_task: Callable[[TaskResult], None], work: Path) -> Verdict:
    """Compare the host with what was expected; `on_task` hears of each check. Changes nothing on the host.

    `passed`, `rejected` (sentences: the deviations), `unreachable` (SSH; may be tried again) or `failed`.
    What `on_task` raises ends the run. Raises ServiceError where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ssh.route(target, work) as way:
        asked = {"gpus": bool(expected.gpu_driver)}
        play = ansible.play("verify", way, folder=work, seconds=LIMIT, told=lambda *_: None, variables=asked)
    if play.result != "ok":
        return Verdict(play.result, (play.sentence,))
    facts = check.read(play.outputs.get(TASK, ""))
    shown = gpus.read(play.outputs.get(GPU_TASK, "")) if expected.gpu_driver else None
    if facts is None or (expected.gpu_driver and shown is None):
        return Verdict("failed", (f"{target.name} printed no facts that can be read",))
    deviations = []
    told = facts.as_data() | ({"nvml": shown.model_dump(mode="json")} if shown else {})
    for result in (*check.compare(facts, expected), *(gpus.compare(shown, expected) if shown else ())):
        on_task(result)
        if result.result == "deviation":
            deviations.append(result.sentence)
    return Verdict("rejected" if deviations else "passed", tuple(deviations), told)
