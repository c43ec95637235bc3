"""Runs one of the shipped playbooks against one host through ansible-runner; what came of it as data."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from provisioner.system import shipped
from provisioner.system.text import clean
from provisioner.verify import ssh

OnOutput = Callable[[str, str, float], None]  # task, what it printed, seconds
ENVIRONMENT = {
    "ANSIBLE_NOCOWS": "1",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner would switch it off
    "ANSIBLE_SSH_RETRIES": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_CACHE_PLUGIN": "memory",
    # of a task's result, which repeats what it was given; ansible-runner hands on nothing of a larger one
    "MAX_EVENT_RES": str(32 << 20),
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
SCRIPTS = (
    *("facts.py", "gpus.py", "pcie.py", "kernel_log.py", "firmware.py", "containers.py"),
    *("place.py", "site_check.py", "seal.sh", "seal-last.sh"),
)
_ENDS = {"runner_on_ok": "ok", "runner_on_failed": "failed", "runner_on_unreachable": "unreachable"}


# an event of ansible-runner, or a part of it: JSON whose keys its documentation ("Runner Events") lists
RunnerEvent = Mapping[str, object]


@dataclass
class PlayResult:
    """How a playbook ended. `sentence` says why where `result` is not `ok`; `outputs` is task → stdout."""

    result: Literal["ok", "unreachable", "failed"] = "ok"
    sentence: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


class _EventHandler:
    """Takes ansible-runner's events; an error of the callback ends the run instead of being swallowed."""

    def __init__(self, route: ssh.Route, on_output: OnOutput, is_cancelled: Callable[[], bool]) -> None:
        self.play = PlayResult()
        self.fault: Exception | None = None
        self._route = route
        self._on_output = on_output
        self._is_cancelled = is_cancelled

    def event(self, event: RunnerEvent) -> bool:
        """False: the event is not kept in a file."""
        try:
            self._take(str(event.get("event", "")), _mapping(event.get("event_data")))
        except Exception as fault:
            self.fault = self.fault or fault
        return False

    def cancelled(self) -> bool:
        """Asked about once a second."""
        try:
            return self.fault is not None or self._is_cancelled()
        except Exception as fault:
            self.fault = fault
            return True

    def _take(self, kind: str, data: RunnerEvent) -> None:
        result = _mapping(data.get("res"))
        end = _ENDS.get(kind)
        if end == "ok":
            name = str(data.get("task", ""))
            self.play.outputs[name] = str(result.get("stdout") or "")
            self._on_output(name, self.play.outputs[name], float(str(data.get("duration") or 0)))
        elif end == "unreachable":
            self.play.result = "unreachable"
            self.play.sentence = ssh.explain_failure(self._route, str(result.get("msg", "")))
        elif end == "failed":
            self.play.result = "failed"
            self.play.sentence = f"the task {data.get('task', '')!r} failed: {_why(result)}"


def _mapping(value: object) -> RunnerEvent:
    return value if isinstance(value, Mapping) else {}


def _why(result: RunnerEvent) -> str:
    """The last line that the program wrote, else what Ansible says."""
    for key in ("stderr", "stdout", "module_stderr", "msg"):
        if lines := str(result.get(key) or "").strip().splitlines():
            return clean(lines[-1].removeprefix("Task failed: "), 300)
    return "it gave no reason"


def run_playbook(
    name: str,
    route: ssh.Route,
    *,
    folder: Path,
    seconds: int,
    on_output: OnOutput = lambda task, output, seconds: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    variables: Mapping[str, str | bool] | None = None,
) -> PlayResult:
    """Run `ansible/NAME.yml`; at most `seconds`. What Ansible printed is kept in `folder/NAME.log`.

    `on_output(task, stdout, seconds)` is called after each task that went well; what it raises ends the run
    and is raised again. It ends, too, within seconds after `is_cancelled`.
    """
    import ansible_runner

    handler = _EventHandler(route, on_output, is_cancelled)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as private:  # 0700
        done = ansible_runner.run(
            private_data_dir=private,
            ident="run",
            playbook=str(shipped.file("ansible", f"{name}.yml")),
            inventory=ssh.inventory(route),
            extravars={**(variables or {}), "scripts": _scripts()},
            envvars={**ENVIRONMENT, **_places(Path(private))},
            event_handler=handler.event,
            # given always: without one, ansible-runner takes this process's signals
            cancel_callback=handler.cancelled,
            settings={"pexpect_timeout": 1},
            timeout=seconds,
            quiet=True,
        )
        _keep_log(Path(private) / "artifacts" / "run", folder / f"{name}.log")
    if handler.fault:
        raise handler.fault
    return _ended(handler.play, done.status, done.rc, seconds, folder / f"{name}.log")


def _scripts() -> dict[str, str]:
    """Found one by one, so that an edited copy of a single playbook or script works."""
    return {name: str(shipped.file("ansible", f"files/{name}")) for name in SCRIPTS}


def _places(private: Path) -> dict[str, str]:
    """ansible-playbook is found beside our Python; its own files stay in the run's folder."""
    binaries = Path(sys.executable).parent
    config = private / "ansible.cfg"  # empty: nobody's settings but these
    config.touch()
    return {
        "ANSIBLE_CONFIG": str(config),
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
    }


def _keep_log(artifacts: Path, target: Path) -> None:
    stdout = artifacts / "stdout"
    if stdout.exists():
        shutil.copyfile(stdout, target)
        target.chmod(0o600)


def _ended(play: PlayResult, status: str, code: int, seconds: int, log: Path) -> PlayResult:
    """A run that ended without saying why gets its sentence here."""
    if play.result != "ok" or status == "successful":
        return play
    if status == "timeout":
        return PlayResult("unreachable", f"Ansible did not end within {seconds} s", play.outputs)
    return PlayResult("failed", f"Ansible ended with code {code} ({status}); see {log}", play.outputs)
