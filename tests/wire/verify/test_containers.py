"""The script that asks a container for its GPUs, over a stand-in for Docker."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.errors import ProgramError
from provisioner.verify.evidence import Container, read_evidence
from tests.wire import nvmllab

AT_ONCE = Path(__file__).with_name("programs") / "end_at_once.py"
SCRIPT = nvmllab.ROOT / "ansible/files/containers.py"
PROGRAM = Path(__file__).with_name("programs") / "docker.py"
GPUS = ["GPU-5ac1e001-7b1e-4d0a-9c55-0f3de2a1b418", "GPU-5ac1e011-7b1e-4d0a-9c55-0f3de2a1b42a"]
GOOD = {"before": GPUS}
CUDA, ALPINE, BARE = ("sha256:" + digit * 64 for digit in "abc")


@dataclass
class Host:
    """A machine with Docker: what it says, and what is left on it."""

    folder: Path

    def ask(
        self,
        scenario: dict[str, Any],
        seconds: float = 60,
        programs: str = "docker systemctl",
        **environment: str,
    ) -> Container:
        (self.folder / "scenario.json").write_text(json.dumps(scenario))
        for name in programs.split():
            (self.folder / "bin" / name).symlink_to(PROGRAM)
        done = run.run(
            ["/usr/bin/python3", "-", str(seconds)],
            stdin=SCRIPT.read_bytes(),
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "STAND_IN": str(self.folder)} | environment,
        )
        said = read_evidence({"container": done.stdout.decode()}).container
        assert said is not None, done.stdout
        return said

    def calls(self) -> list[str]:
        return [" ".join(line.split()[:2]) for line in (self.folder / "calls").read_text().splitlines()]

    def running(self) -> list[str]:
        """The programs that have not ended."""
        pids = (self.folder / "pids").read_text().split() if (self.folder / "pids").exists() else []
        return [pid for pid in pids if Path("/proc", pid).exists()]

    def left(self) -> list[str]:
        return [path.name for path in (self.folder / "containers").iterdir()]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """No program that was started on it outlives the test."""
    for name in ("bin", "containers"):
        (tmp_path / name).mkdir()
    made = Host(tmp_path)
    yield made
    assert made.running() == []


def test_the_same_container_is_asked_again_after_systemd_read_its_units(host: Host) -> None:
    assert host.ask({"images": {CUDA: GOOD}}) == Container(state="ok", before=tuple(GPUS), after=tuple(GPUS))
    assert host.calls() == [
        *("docker image", "docker run", "docker exec", "systemctl daemon-reload", "docker exec", "docker rm")
    ]
    assert host.left() == [] and not (host.folder / "pulled").exists()


def test_a_container_that_loses_its_gpus_is_shown_with_the_reason(host: Host) -> None:
    lost = "Failed to initialize NVML: Unknown Error"
    said = host.ask({"images": {CUDA: {"before": GPUS, "after": lost}}})
    assert said == Container(state="ok", before=tuple(GPUS), after=(), reason=f"afterwards: {lost}")
    assert host.left() == []


def test_a_container_that_loses_one_gpu_is_shown(host: Host) -> None:
    said = host.ask({"images": {CUDA: {"before": GPUS, "after": GPUS[1:]}}})
    assert (said.before, said.after) == (tuple(GPUS), (GPUS[1],))


def test_a_host_without_an_image_says_so_and_fetches_none(host: Host) -> None:
    said = host.ask({"images": {}})
    assert (said.state, host.calls()) == ("no image", ["docker image"])


def test_an_image_that_is_removed_just_then_is_not_fetched(host: Host) -> None:
    said = host.ask({"images": {CUDA: {**GOOD, "removed": True}}})
    assert said.state == "error" and "No such image" in said.reason
    assert not (host.folder / "pulled").exists()


def test_a_host_without_docker_says_so(host: Host) -> None:
    assert host.ask({"images": {}}, programs="").state == "no docker"


def test_an_image_that_cannot_do_it_is_passed_over(host: Host) -> None:
    musl = "OCI runtime exec failed: exec failed: unable to start container process: exec: no such file"
    said = host.ask({"images": {BARE: {"no sleep": True}, ALPINE: {"before": musl}, CUDA: GOOD}})
    assert (said.state, said.after) == ("ok", tuple(GPUS))
    assert host.calls().count("docker run") == host.calls().count("docker rm") == 3
    assert host.left() == []


FAULTS = {
    "the daemon is down": ({"daemon": False, "images": {CUDA: GOOD}}, "Is the docker daemon running?"),
    "Docker knows no GPUs": ({"runtime": False, "images": {CUDA: GOOD}}, "could not select device driver"),
    "the driver does not answer": (
        {"images": {CUDA: {"before": "No devices were found"}}},
        "aaaaaaaaaaaa: No devices were found",
    ),
    "there is a warning before": (
        {"runtime": False, "warns": True, "images": {CUDA: GOOD}},
        "aaaaaaaaaaaa: docker: Error response from daemon: could not select device driver",
    ),
    "no image can do it": (
        {"images": {BARE: {"no sleep": True}}},
        "cccccccccccc: docker: Error response from daemon: failed to create task for container: exec: ",
    ),
}


@pytest.mark.parametrize(("scenario", "reason"), FAULTS.values(), ids=list(FAULTS))
def test_what_keeps_a_container_from_being_asked_is_an_error(
    scenario: dict[str, Any], reason: str, host: Host
) -> None:
    said = host.ask(scenario)
    assert (said.state, said.before, said.after) == ("error", (), ())
    assert reason in said.reason and host.left() == []


@pytest.mark.parametrize("command", ["image", "run", "exec", "daemon-reload"])
def test_a_docker_that_hangs_ends_at_the_limit_and_leaves_nothing(command: str, host: Host) -> None:
    began = time.monotonic()
    said = host.ask({"images": {CUDA: GOOD}, "hangs": command}, seconds=3)
    assert said.state == "error" and "did not end in time" in said.reason
    assert time.monotonic() - began < 30 and host.left() == []


def test_who_is_stopped_removes_the_container_all_the_same(host: Host) -> None:
    with pytest.raises(ProgramError):
        host.ask({"images": {CUDA: GOOD}, "kills": "exec"})
    assert host.calls()[-1] == "docker rm" and host.left() == []


def test_who_is_stopped_while_a_program_starts_ends_it_and_removes_the_container(host: Host) -> None:
    (host.folder / "sitecustomize.py").symlink_to(AT_ONCE)
    with pytest.raises(ProgramError):
        host.ask({"images": {CUDA: GOOD}, "hangs": "exec"}, PYTHONPATH=str(host.folder))
    assert host.calls()[-1] == "docker rm" and host.left() == [] and host.running() == []


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("Error response from daemon: removal of container x is already in progress", "ok"),
        ("Error response from daemon: device or resource busy", "error"),
    ],
)
def test_a_container_that_stays_is_an_error(words: str, state: str, host: Host) -> None:
    assert host.ask({"images": {CUDA: GOOD}, "removal": words}).state == state
