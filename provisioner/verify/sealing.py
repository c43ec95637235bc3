"""Seals one host: takes away what only its deployment needed, last of all our own way in."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from provisioner.system.text import clean
from provisioner.verify import ansible, ssh
from provisioner.verify.model import SshTarget, TaskResult, Verdict

LIMIT = 400  # seconds for one run; the host's cloud-init may still have to end
MARKER = "last-step-sent"
PROBE = "knock once more"  # the task's name in events


def seal(
    target: SshTarget,
    mode: Literal["full", "keep-access"],
    *,
    on_task: Callable[[TaskResult], None],
    work: Path,
) -> Verdict:
    """Seal the host; call again with the same `work` after a crash or `unreachable`.

    `full` has `passed` only when the host was seen to refuse our key. A refused key alone proves nothing:
    a marker in `work`, written before the last step is sent, tells that it was we who removed it.
    What `on_task` raises ends the run. Raises ServiceError where the host told no usable host key.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = work / MARKER
    resumed = marker.exists()

    def on_output(task: str, output: str, seconds: float) -> None:
        if output:
            on_task(TaskResult(task, "ok", clean(output.splitlines()[-1]), seconds))

    with ssh.route(target, work) as route:
        variables = {"mode": mode, "marker": str(marker), "key": ssh.public_key(target)}
        play = ansible.run_playbook(
            "seal", route, folder=work, seconds=LIMIT, on_output=on_output, variables=variables
        )
        if mode == "full" and marker.exists():
            return _closed(route, play, on_task, resumed=resumed)
    return Verdict("passed") if play.result == "ok" else Verdict(play.result, (play.sentence,))


def _closed(
    route: ssh.Route, play: ansible.PlayResult, on_task: Callable[[TaskResult], None], *, resumed: bool
) -> Verdict:
    """The last step was sent, now or before: only the host's refusal of our key tells that it was done."""
    answer = ssh.probe_login(route)
    if answer == "denied":
        on_task(TaskResult(PROBE, "ok", f"{route.target.name} refuses the deployment's key"))
        return Verdict("passed")
    if play.result != "ok":
        # an earlier run's last step may still be at work: sudo is gone, the key not yet
        return Verdict("unreachable" if resumed else play.result, (play.sentence,))
    if answer == "accepted":
        return Verdict("failed", (f"{route.target.name} still accepts the deployment's key",))
    return Verdict("unreachable", (f"{route.target.name} does not answer after its key was removed",))
