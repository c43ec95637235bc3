"""Verifies one host: Ansible fetches its facts, check.py judges them."""

from collections.abc import Callable
from pathlib import Path

from provisioner.verify import ansible, check, ssh
from provisioner.verify.model import Expected, Target, TaskResult, Verdict

LIMIT = 600  # seconds for one run; a stage allows several
TASK = "read facts"


def run(target: Target, expected: Expected, *, on_task: Callable[[TaskResult], None], work: Path) -> Verdict:
    """Compare the host with what was expected; `on_task` hears of each check. Changes nothing on the host.

    `passed`, `rejected` (sentences: the deviations), `unreachable` (SSH; may be tried again) or `failed`.
    What `on_task` raises ends the run. Raises ServiceError where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ssh.route(target, work) as way:
        play = ansible.play("verify", way, folder=work, seconds=LIMIT, told=lambda *_: None)
    if play.result != "ok":
        return Verdict(play.result, (play.sentence,))
    facts = check.read(play.outputs.get(TASK, ""))
    if facts is None:
        return Verdict("failed", (f"{target.name} printed no facts that can be read",))
    deviations = []
    for result in check.compare(facts, expected):
        on_task(result)
        if result.result == "deviation":
            deviations.append(result.sentence)
    return Verdict("rejected" if deviations else "passed", tuple(deviations), facts.as_data())
