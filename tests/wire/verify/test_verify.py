"""Verification and sealing over a real sshd; what is sealed is a folder, never this machine."""

import getpass
import json
import os
import select
import shutil
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import run, verify
from provisioner.verify import Expected, GpuKind, PciDevice, SshTarget, TaskResult, Verdict, ssh
from provisioner.verify.evidence import GpuEvidence
from tests.ports import free_port
from tests.wire import nvmllab, scriptlab

ROOT = Path(__file__).parents[3]
PARTS = Path(__file__).parents[1] / "cube"
HERE = "127.0.0.1"
OTHERS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeepMe+KeepMe tom@desk"


def make_key(path: Path) -> str:
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path])
    return path.with_name(path.name + ".pub").read_text().strip()


@contextmanager
def sshd(folder: Path, authorized: Path, *, command: str = "") -> Iterator[SshTarget]:
    """An SSH server on loopback with keys of its own; the target that reaches it as the current user."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists, as root
    host_key, port = make_key(folder / "host"), free_port()
    lines = [
        f"ListenAddress {HERE}:{port}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {authorized}",
        *("PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes"),
        *("PasswordAuthentication no", "KbdInteractiveAuthentication no"),
    ]
    if command:
        lines.append(f"ForceCommand {command}")
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    program = run.find("sshd", "openssh-server")
    argv = ["sh", "-c", f"exec {program} -D -e -f {folder / 'sshd_config'} 2>&1"]
    process = run.start(argv, stdout=run.PIPE)
    try:
        assert process.stdout
        said = b""
        while b"Server listening" not in said:
            line = process.stdout.readline()
            assert line, said.decode()
            said += line
        key = " ".join(host_key.split()[:2])
        yield SshTarget("vc-1", HERE, getpass.getuser(), folder / "deploy", (key,), port)
    finally:
        run.stop(process)
        assert process.stdout
        process.stdout.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshTarget]:
    """This very machine; verification only reads."""
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "authorized").write_text(make_key(folder / "deploy") + "\n")
    with sshd(folder, folder / "authorized") as reached:
        yield reached


@pytest.fixture(scope="module")
def this_machine() -> dict[str, Any]:
    """What the shipped script says when it is run without SSH and Ansible."""
    facts: dict[str, Any] = json.loads(run.text(["/usr/bin/python3", ROOT / "ansible/files/facts.py"]))
    return facts


def expect(facts: dict[str, Any]) -> Expected:
    devices = tuple(PciDevice(ident, facts["pci"].count(ident)) for ident in sorted(set(facts["pci"])))
    cards = [card for card in Path("/sys/class/net").iterdir() if (card / "device").exists()]
    return Expected(
        image_id=facts["image_id"],
        image_version=facts["image_version"],
        root_disk_serial=(facts["root_disks"] or [{"serial": ""}])[0]["serial"],
        memory_min=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        macs=tuple((card / "address").read_text().strip() for card in cards),
        pci=devices or (PciDevice("ffff:ffff", 0),),
    )


def is_hung_up(target: SshTarget) -> bool:
    """Every connection that the server had ends within seconds."""
    config = str(target.key.with_name("sshd_config")).encode()
    (server,) = [p.parent for p in Path("/proc").glob("[0-9]*/cmdline") if config in read_bytes(p)]
    ended = True
    for pid in read_bytes(server / "task" / server.name / "children").split():
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(int(pid))
            ended &= bool(select.select([descriptor], [], [], 5)[0])
            os.close(descriptor)
    return ended


def read_bytes(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def check(
    target: SshTarget, expected: Expected, work: Path, seconds: int = 600
) -> tuple[Verdict, list[TaskResult]]:
    told: list[TaskResult] = []
    return verify.run(target, expected, on_task=told.append, work=work, seconds=seconds), told


def test_a_machine_that_is_as_expected_passes_also_from_a_thread(
    target: SshTarget, this_machine: dict[str, Any], tmp_path: Path
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    here, _ = check(target, expect(this_machine), tmp_path / "here")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(check, target, expect(this_machine), tmp_path / name) for name in ("a", "b")]
        results = [future.result() for future in both]
    for verdict, told in results:
        assert (here.result, verdict.result) == ("passed", "passed"), verdict
        assert {task.result for task in told} == {"ok"}
        assert verdict.evidence and verdict.evidence.facts.machine_id == this_machine["machine_id"]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert {path.name for path in (tmp_path / "a").rglob("*")} == {
        *("known_hosts", "verify.log", "evidence", "facts.json")
    }
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert is_hung_up(target)


def test_a_missing_card_rejects_the_machine(
    target: SshTarget, this_machine: dict[str, Any], tmp_path: Path
) -> None:
    wrong = replace(expect(this_machine), pci=(PciDevice("10de:2330", 8, "H100 SXM"),))
    verdict, told = check(target, wrong, tmp_path)
    sentence = "8 PCI devices 10de:2330 (H100 SXM) expected, 0 found"
    assert (verdict.result, verdict.sentences) == ("rejected", (sentence,))
    assert [task.sentence for task in told if task.result == "deviation"] == [sentence]


def test_another_host_key_is_unreachable_and_not_rejected(
    target: SshTarget, this_machine: dict[str, Any], tmp_path: Path
) -> None:
    stranger = " ".join(make_key(tmp_path / "stranger").split()[:2])
    verdict, told = check(replace(target, host_keys=(stranger,)), expect(this_machine), tmp_path / "work")
    assert verdict.result == "unreachable"
    assert verdict.sentences == (f"{HERE} shows another SSH host key than vc-1 phoned home with",)
    assert told == []


def test_a_closed_port_is_unreachable(
    target: SshTarget, this_machine: dict[str, Any], tmp_path: Path
) -> None:
    port = free_port()
    verdict, _ = check(replace(target, port=port), expect(this_machine), tmp_path)
    assert verdict.result == "unreachable"
    assert verdict.sentences == (
        f"vc-1 cannot be reached: connect to host {HERE} port {port}: Connection refused",
    )


@pytest.mark.parametrize("why", ["closed", "stranger", "well"])
def test_why_ssh_ended_before_ansible_spoke_is_asked_of_ssh(
    target: SshTarget, tmp_path: Path, why: str
) -> None:
    """Ansible tells `Broken pipe` then, and nothing of what ssh said."""
    words = (
        'Failed to connect to the host via ssh: Data could not be sent to remote host "127.0.0.1". Make sure '
        "this host can be reached over ssh: [Errno 32] Broken pipe"
    )
    port = free_port()
    stranger = " ".join(make_key(tmp_path / "stranger").split()[:2])
    asked, told = {
        "closed": (
            replace(target, port=port),
            f"vc-1 cannot be reached: connect to host {HERE} port {port}: Connection refused",
        ),
        "stranger": (
            replace(target, host_keys=(stranger,)),
            f"{HERE} shows another SSH host key than vc-1 phoned home with",
        ),
        "well": (target, "vc-1 cannot be reached: [Errno 32] Broken pipe"),
    }[why]
    with ssh.route(asked, tmp_path) as route:
        assert ssh.explain_failure(route, words) == told


def test_a_refused_key_is_unreachable(
    target: SshTarget, this_machine: dict[str, Any], tmp_path: Path
) -> None:
    make_key(tmp_path / "stranger")
    verdict, _ = check(replace(target, key=tmp_path / "stranger"), expect(this_machine), tmp_path / "work")
    assert verdict.result == "unreachable"
    assert "Permission denied (publickey)" in verdict.sentences[0]


def test_a_host_that_hangs_ends_at_the_time_limit_and_so_does_the_connection(
    tmp_path: Path, this_machine: dict[str, Any]
) -> None:
    (tmp_path / "authorized").write_text(make_key(tmp_path / "deploy") + "\n")
    os.mkfifo(tmp_path / "never")
    writer = os.open(tmp_path / "never", os.O_RDWR)  # as long as it is open, cat waits
    try:
        with sshd(tmp_path, tmp_path / "authorized", command=f"cat {tmp_path / 'never'}") as target:
            verdict, _ = check(target, expect(this_machine), tmp_path / "work", seconds=3)
            assert is_hung_up(target)
    finally:
        os.close(writer)
    assert (verdict.result, verdict.sentences) == ("unreachable", ("Ansible did not end within 3 s",))


def test_a_host_that_says_something_else_has_failed(tmp_path: Path, this_machine: dict[str, Any]) -> None:
    (tmp_path / "authorized").write_text(make_key(tmp_path / "deploy") + "\n")
    with sshd(tmp_path, tmp_path / "authorized", command="echo no shell for you") as target:
        verdict, _ = check(target, expect(this_machine), tmp_path / "work")
    assert verdict.result == "failed"
    assert verdict.sentences[0].startswith("the task 'read facts' failed: ")


@contextmanager
def gpu_host(folder: Path, nvml: Path, **environment: str) -> Iterator[SshTarget]:
    """This machine with eight GPUs by NVML, and a stand-in for Docker, systemctl and sudo."""
    (folder / "authorized").write_text(make_key(folder / "deploy") + "\n")
    (folder / "scenario").write_text(nvmllab.scenario(nvmllab.load("healthy")))
    for name in ("bin", "containers"):
        (folder / name).mkdir()
    for name in ("docker", "systemctl", "sudo"):
        (folder / "bin" / name).symlink_to(Path(__file__).with_name("programs") / "docker.py")
    uuids = [gpu["nvmlDeviceGetUUID"] for gpu in nvmllab.load("healthy")["gpus"]]
    (folder / "scenario.json").write_text(json.dumps({"images": {"sha256:abc": {"before": uuids}}}))
    known = {
        **{"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHONPATH": nvml, "LD_LIBRARY_PATH": nvml},
        **{"NVML_SCENARIO": folder / "scenario", "STAND_IN": folder, **environment},
    }
    exports = " ".join(f"{name}={value}" for name, value in known.items())
    (folder / "shell").write_text(f'#!/bin/sh\nexport {exports}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    (folder / "shell").chmod(0o755)
    with sshd(folder, folder / "authorized", command=str(folder / "shell")) as target:
        yield target


def test_a_profile_with_a_driver_has_its_gpus_asked_over_ssh(
    tmp_path: Path, this_machine: dict[str, Any], nvml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    scriptlab.put(scripts, monkeypatch)
    for name in ("facts.py", "containers.py", "firmware.py"):
        (scripts / name).unlink()  # this machine's own; its bus and its kernel's log have no GPUs
    wanted = replace(
        expect(this_machine), gpu_driver="580", gpus=(GpuKind("10de:2330", 8, "H100", ecc=True),)
    )
    with gpu_host(tmp_path, nvml) as target:
        verdict, told = check(target, wanted, tmp_path / "work")
        assert verdict.result == "passed", verdict
        assert "NVML shows 8 10de:2330 (H100)" in [task.sentence for task in told]
        assert verdict.evidence and verdict.evidence.gpu.nvml
        assert verdict.evidence.gpu.nvml.gpus[7].bus == "0000:db:00.0"
        verdict, _ = check(target, replace(wanted, gpu_driver="570"), tmp_path / "again")
    sentence = "NVIDIA driver 580.95.05, the profile wants branch 570"
    assert (verdict.result, verdict.sentences) == ("rejected", (sentence,))


def test_all_evidence_of_gpus_is_in_the_verdict_and_raw_beside_the_log(
    tmp_path: Path, this_machine: dict[str, Any], nvml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # where the tests run as root, Ansible would do without sudo
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    wanted = replace(
        expect(this_machine), gpu_driver="580", gpus=(GpuKind("10de:2330", 8, "H100", ecc=True),)
    )
    work = tmp_path / "work"
    with gpu_host(tmp_path, nvml) as target:
        verdict, _ = check(target, wanted, work)
    # this machine's bus has no GPUs, and a log that it may have lost the beginning of
    assert verdict.result == "incomplete" and verdict.sentences[0].endswith("were not read"), verdict
    assert verdict.evidence
    evidence = verdict.evidence.gpu
    shown = tuple(gpu["nvmlDeviceGetUUID"] for gpu in nvmllab.load("healthy")["gpus"])
    assert evidence.container and evidence.container.after == shown
    assert (
        evidence.kernel_log
        and evidence.kernel_log.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    )
    assert evidence.pcie and evidence.firmware and evidence.firmware.cpu
    kept = verdict.as_data()["facts"]
    assert isinstance(kept, dict)
    for name in ("facts", *type(evidence).model_fields):
        raw = work / "evidence" / f"{name}.json"
        assert stat.S_IMODE(raw.stat().st_mode) == 0o600
        assert name == "facts" or (json.loads(raw.read_text()) and name in kept)
    # root is asked for where it is needed, and GPUs are asked without
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len([line for line in calls if line.startswith("sudo")]) == 4
    assert not list((tmp_path / "containers").iterdir())


def test_a_host_that_lets_nobody_be_root_has_failed(
    tmp_path: Path, this_machine: dict[str, Any], nvml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    wanted = replace(expect(this_machine), gpu_driver="580", gpus=(GpuKind("10de:2330", 8, "H100"),))
    with gpu_host(tmp_path, nvml) as target:
        (tmp_path / "bin/sudo").unlink()
        (tmp_path / "bin/sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n")
        (tmp_path / "bin/sudo").chmod(0o755)
        verdict, told = check(target, wanted, tmp_path / "work")
    assert verdict.result == "failed" and "sudo" in verdict.sentences[0], verdict
    assert told == [] and (tmp_path / "work/evidence/nvml.json").exists(), "what was read is kept"


def test_a_profile_without_a_driver_asks_for_no_root_and_starts_no_container(
    tmp_path: Path, this_machine: dict[str, Any], nvml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    with gpu_host(tmp_path, nvml) as target:
        verdict, _ = check(target, expect(this_machine), tmp_path / "work")
    assert verdict.result == "passed" and not (tmp_path / "calls").exists()
    assert verdict.evidence and verdict.evidence.gpu == GpuEvidence()
    assert [path.name for path in (tmp_path / "work/evidence").iterdir()] == ["facts.json"]


# --- sealing -------------------------------------------------------------------------------------------

SEED = {
    "var/lib/cloud/instances/d-1/user-data.txt": "token: s3cr3t",
    "var/lib/cloud/instances/d-1/user-data.txt.i": "token: s3cr3t",
    "var/lib/cloud/instances/d-1/obj.pkl": "s3cr3t",
    "var/lib/cloud/instances/d-1/scripts/runcmd": "s3cr3t",
    "var/lib/cloud/seed/nocloud/user-data": "s3cr3t",
    "run/cloud-init/instance-data-sensitive.json": "s3cr3t",
}
STAYS = {
    "etc/machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
    "etc/hostname": "vc-1\n",
    "etc/ssh/ssh_host_ed25519_key": "host key",
    "etc/systemd/network/10-cloud-init-deploy.network": "[Match]\n",
    "etc/netplan/50-cloud-init.yaml": "network: {}\n",
    "var/lib/cloud/instances/d-1/sem/config_ssh": "done",
    "run/cloud-init/result.json": '{"v1": {"errors": []}}',
}
PHONE_HOME = {
    "var/lib/provisioner/phone-home.json": "s3cr3t",
    "var/lib/provisioner/phone-home.py": "print()",
}


@dataclass
class Cube:
    """A deployed host as a folder: its root, its seed as a file, an sshd that leads into it."""

    root: Path
    target: SshTarget
    work: Path

    def seal(self, mode: Any = "full", work: str = "work") -> tuple[Verdict, list[str]]:
        told: list[TaskResult] = []
        verdict = verify.seal(self.target, mode, on_task=told.append, work=self.work / work)
        return verdict, [task.sentence for task in told]

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def secrets(self) -> list[str]:
        found = [path for path in self.root.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
        return sorted(path.name for path in found)

    def boot(self) -> None:
        enabled = (
            "cd /etc/systemd/system/multi-user.target.wants; for unit in *; do systemctl start $unit; done"
        )
        run.run([self.root.parent / "enter.sh", enabled])

    def knock(self) -> str:
        with ssh.route(self.target, self.work) as route:
            return ssh.probe_login(route)


def furnish(root: Path, key: str) -> None:
    home, roots = "home/provision/.ssh/authorized_keys", "root/.ssh/authorized_keys"
    passwd = f"root:x:0:0::/root:/bin/sh\n{getpass.getuser()}:x:0:0::/home/provision:/bin/sh\n"
    files = {
        **SEED,
        **STAYS,
        **PHONE_HOME,
        home: f"{key}\n{OTHERS_KEY}\n",
        roots: f'no-pty,command="echo no" {key}\n',
        "etc/passwd": passwd,
        "etc/group": "root:x:0:\n",
        "etc/sudoers.d/90-cloud-init-users": "provision ALL=(ALL) NOPASSWD:ALL\n",
        "cidata.img": "s3cr3t".ljust(65536),
        "esp.img": "ESP".ljust(4096),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("usr", "proc", "dev", "tmp", "run/systemd/system"):
        (root / name).mkdir(parents=True)
    for name in ("null", "zero", "urandom"):
        (root / "dev" / name).touch()
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copy("/etc/ld.so.cache", root / "etc")
    shutil.copytree(PARTS / "fake", root / "fake")


@pytest.fixture
def cube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cube]:
    # where the tests run as root, Ansible would do without sudo
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    root = tmp_path / "root"
    furnish(root, make_key(tmp_path / "deploy"))
    enter = Path(shutil.copy(PARTS / "enter.sh", tmp_path))
    with sshd(tmp_path, root / "home/provision/.ssh/authorized_keys", command=str(enter)) as target:
        yield Cube(root, target, tmp_path)


def assert_sealed(cube: Cube) -> None:
    assert cube.secrets() == []
    assert (cube.root / "cidata.img").read_bytes() == bytes(65536)
    assert cube.read("esp.img") == "ESP".ljust(4096)
    assert (cube.root / "etc/cloud/cloud-init.disabled").exists()
    assert cube.read("home/provision/.ssh/authorized_keys") == f"{OTHERS_KEY}\n"
    assert cube.read("root/.ssh/authorized_keys") == ""
    assert list((cube.root / "etc/sudoers.d").iterdir()) == []
    assert {name: cube.read(name) for name in STAYS} == STAYS
    left = [path for path in (cube.root / "etc/systemd/system").rglob("*") if not path.is_dir()]
    assert left == [], "the unit removes itself"
    assert not (cube.root / "var/lib/provision-seal").exists()
    assert cube.knock() == "denied"


@pytest.mark.parametrize("systemd", [True, False])
def test_a_sealed_host_keeps_its_identity_and_its_network_and_nothing_of_ours(
    cube: Cube, systemd: bool
) -> None:
    if not systemd:
        shutil.rmtree(cube.root / "run/systemd")
    verdict, told = cube.seal()
    assert verdict == Verdict("passed"), verdict
    assert told == [
        "the seed on /cidata.img is zeroed, cloud-init is off",
        "sudo and the deployment's key are gone",
        "vc-1 refuses the deployment's key",
    ]
    assert_sealed(cube)


def test_a_run_that_was_killed_after_the_key_was_removed_is_completed_by_the_next(cube: Cube) -> None:
    assert cube.seal()[0].result == "passed"
    verdict, told = cube.seal()
    assert verdict == Verdict("passed")
    assert told == ["vc-1 refuses the deployment's key"]


def test_a_host_that_refuses_a_key_which_we_did_not_remove_is_not_sealed(cube: Cube) -> None:
    (cube.root / "home/provision/.ssh/authorized_keys").write_text(OTHERS_KEY + "\n")
    for _ in range(2):
        verdict, told = cube.seal()
        assert verdict.result == "unreachable"
        assert "Permission denied" in verdict.sentences[0]
        assert told == []


def test_a_power_cut_before_the_last_step_is_made_good_by_the_next_boot(cube: Cube) -> None:
    (cube.root / "fake/cut").touch()
    verdict, _ = cube.seal()
    assert (verdict.result, verdict.sentences) == (
        "failed",
        ("the task 'remove sudo and the deployment key' failed: the power is cut",),
    )
    assert cube.knock() == "accepted"
    (cube.root / "fake/cut").unlink()
    cube.boot()
    assert cube.seal()[0] == Verdict("passed")
    assert_sealed(cube)


def test_a_last_step_that_is_still_at_work_is_waited_for(cube: Cube) -> None:
    (cube.root / "fake/cut").touch()
    assert cube.seal()[0].result == "failed"
    (cube.root / "etc/sudoers.d/90-cloud-init-users").unlink()  # as far as it came
    verdict, _ = cube.seal()
    assert (verdict.result, "Missing sudo password" in verdict.sentences[0]) == ("unreachable", True)


def test_sealing_without_sudo_has_failed_where_we_did_not_take_it(cube: Cube) -> None:
    (cube.root / "etc/sudoers.d/90-cloud-init-users").unlink()
    verdict, _ = cube.seal()
    assert (verdict.result, "Missing sudo password" in verdict.sentences[0]) == ("failed", True)


def test_keep_access_leaves_key_sudo_and_seed(cube: Cube) -> None:
    verdict, told = cube.seal("keep-access")
    assert (verdict, told) == (Verdict("passed"), ["cloud-init is off"])
    assert (cube.root / "etc/cloud/cloud-init.disabled").exists()
    assert not (cube.root / "var/lib/provisioner").exists()
    assert {name: cube.read(name) for name in {**SEED, **STAYS}} == {**SEED, **STAYS}
    assert cube.read("cidata.img").startswith("s3cr3t")
    assert cube.knock() == "accepted"
    assert not (cube.work / "work/last-step-sent").exists()


def test_a_seed_that_cannot_be_erased_keeps_the_key(cube: Cube) -> None:
    (cube.root / "fake/cmp").write_text("#!/bin/sh\nexit 1\n")
    (cube.root / "fake/cmp").chmod(0o755)
    verdict, _ = cube.seal()
    assert verdict.result == "failed"
    assert "the seed on /cidata.img reads back otherwise than as zeros" in verdict.sentences[0]
    assert cube.knock() == "accepted"


def test_what_the_listener_raises_ends_the_run(cube: Cube) -> None:
    def cancelled(task: TaskResult) -> None:
        raise LookupError("the deployment was cancelled")

    with pytest.raises(LookupError, match="was cancelled"):
        verify.seal(cube.target, "full", on_task=cancelled, work=cube.work / "work")
