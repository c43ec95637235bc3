"""`provision verify`: on the machine itself, and by SSH with a key that is given once; and how each ends."""

import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from provisioner import cli, run
from provisioner import settings as settings_module
from provisioner.api import ROOT
from provisioner.api.verifications import VerificationOrder
from provisioner.certificate import canonical
from provisioner.client import Client
from provisioner.client.transport import Transport
from provisioner.deployment.order import arm
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.stage import Stage
from provisioner.errors import DiskFullError, Exit, InputError
from provisioner.site.site import Site
from provisioner.state import site_certificate, vault
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.state.notify import Listener
from provisioner.state.ssh_keys import KeyBox
from provisioner.state.verifications import Verification
from provisioner.verify import Expected, SshTarget, TaskResult, Verdict, local
from provisioner.verify.burnin import BurnInProgress
from provisioner.verify.judge import judge
from provisioner.web.application import create_app
from provisioner.worker import verifications
from provisioner.worker.verifications import Verifications
from tests.access import certified, token_of
from tests.healthy_gpus import QUICK, evidence
from tests.unit.conftest import IMAGE
from tests.wire import nvmllab, scriptlab
from tests.wire.scriptlab import MAC
from tests.wire.verify.test_verify import gpu_host, make_key

PROFILE = "cube:\n  gpu_driver: 580\n  gpus: [{id: '10de:2330', count: 8, name: H100, ecc: true}]\n"
Play = Callable[[str], None]
Say = Callable[[], tuple[str, str]]


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where libnvidia-ml.so.1 and nvidia-ml-py are."""
    return nvmllab.library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what the machine says of itself beside its GPUs: it is no cube."""
    (tmp_path / "scripts").mkdir()
    scriptlab.put(tmp_path / "scripts", monkeypatch)
    return tmp_path / "scripts"


# --- on the machine itself -------------------------------------------------------------------------------


@dataclass
class Cube:
    """A machine with a profile and a key in a folder; `play` gives it the GPUs of a case."""

    path: Path

    def play(self, case: str) -> None:
        (self.path / "scenario").write_text(nvmllab.scenario(nvmllab.load(case)))

    def verify(self, *words: str) -> int:
        profile = ("--profile", str(self.path / "cube.yml"))
        return cli.run(["verify", "--local", *profile, *words, "--state", str(self.path / "none")])

    def certificate(self, *words: str) -> int:
        return cli.run(["certificate", *words, "--state", str(self.path / "none")])


@pytest.fixture
def cube(tmp_path: Path, nvml: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> Cube:
    """There is no service, and nothing is connected to."""
    found = Cube(tmp_path)
    found.play("healthy")
    (tmp_path / "cube.yml").write_text(PROFILE)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, str(nvml))
    monkeypatch.setenv("NVML_SCENARIO", str(tmp_path / "scenario"))

    def refuse(*_: object) -> None:
        raise AssertionError("something was connected to")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert found.certificate("keygen", "acme", "--dir", str(tmp_path)) == Exit.DONE
    return found


@pytest.mark.parametrize("kind", ["json", "pdf", "html"])
def test_a_good_machine_signs_a_certificate_that_anybody_verifies(
    cube: Cube, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target, key = cube.path / f"cube.{kind}", cube.path / "acme.key"
    assert cube.verify("--key", str(key), "--to", str(target)) == Exit.DONE
    said = capsys.readouterr()
    assert "Verdict   accepted" in said.out and "signed by the key" in said.err
    assert "NVML shows 8 10de:2330 (H100)" in said.err
    assert cube.certificate("verify", str(target), "--key", str(cube.path / "acme.pub")) == Exit.DONE
    assert "nothing was changed" in capsys.readouterr().err


def test_the_report_says_what_the_machine_says_and_no_hash_of_the_image(cube: Cube) -> None:
    target = cube.path / "cube.json"
    assert cube.verify("--key", str(cube.path / "acme.key"), "--to", str(target)) == Exit.DONE
    report = canonical.read(target.read_bytes())
    assert (report.subject.image.name, report.subject.image.version) == ("vault-os", "1")
    assert (report.subject.image.sha256, report.subject.disk_serial) == ("", "S5XX")
    assert (report.subject.name, report.subject.deployment) == (os.uname().nodename, "")
    assert {one.id for one in report.checks if local.UNORDERED in one.reason} == {"os.image", "disk.root"}
    assert len(report.gpus) == 8 and report.artifacts == ()


def test_a_machine_that_lacks_a_gpu_is_rejected_and_its_certificate_says_so(
    cube: Cube, capsys: pytest.CaptureFixture[str]
) -> None:
    cube.play("missing")
    target = cube.path / "cube.pdf"
    assert cube.verify("--key", str(cube.path / "acme.key"), "--to", str(target)) == Exit.REJECTED
    assert "was rejected" in (said := capsys.readouterr().err) and "(PV-501)" in said
    verified = cube.certificate("verify", str(target), "--key", str(cube.path / "acme.pub"))
    assert verified == Exit.REJECTED


def test_a_clock_that_is_set_back_meanwhile_makes_no_report_that_ends_before_it_began(
    cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a machine's is that finds a time server after its boot."""
    real, began = time.time, time.time()
    run_here = local.run

    def run_and_set_back(*words: Any, **named: Any) -> Verdict:
        verdict = run_here(*words, **named)
        monkeypatch.setattr(time, "time", lambda: real() - 86400)
        return verdict

    monkeypatch.setattr(local, "run", run_and_set_back)
    target = cube.path / "cube.json"
    assert cube.verify("--key", str(cube.path / "acme.key"), "--to", str(target)) == Exit.DONE
    report = canonical.read(target.read_bytes())
    assert began <= report.started_at < report.finished_at < real() + 1


def test_without_a_key_nothing_is_written_and_nothing_looks_signed(
    cube: Cube, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(cube.path.iterdir())
    assert cube.verify("-o", "json") == Exit.DONE
    found = json.loads(capsys.readouterr().out)["verification"]
    assert (found["verdict"], found["report"], found["key_id"], found["file"]) == ("accepted", "", "", "")
    assert cube.verify() == Exit.DONE
    assert "none: nothing was signed" in capsys.readouterr().out
    assert cube.verify("--to", str(cube.path / "cube.pdf")) == Exit.USAGE
    said = capsys.readouterr()
    assert "signed or not at all" in said.err and said.out == ""
    assert set(cube.path.iterdir()) == before


def test_a_key_that_cannot_sign_is_refused_before_anything_is_looked_at(
    cube: Cube, capsys: pytest.CaptureFixture[str]
) -> None:
    (cube.path / "scenario").unlink()  # whoever looked would fail
    to = ("--to", str(cube.path / "cube.pdf"))
    assert cube.verify("--key", str(cube.path / "acme.pub"), *to) == Exit.REFUSED
    assert "(PV-325)" in capsys.readouterr().err
    assert cube.verify("--key", str(cube.path / "none.key"), *to) == Exit.USAGE
    assert "(PV-150)" in capsys.readouterr().err
    assert cube.verify("--key", str(cube.path / "acme.key"), "--to", "cube.docx") == Exit.USAGE
    assert not (cube.path / "cube.pdf").exists()


def test_a_verification_that_comes_to_no_verdict_is_3(
    cube: Cube, scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scripts / "facts.py").write_text("raise SystemExit('no /sys here')")
    assert cube.verify() == Exit.FAILED
    assert "no /sys here (PV-502)" in capsys.readouterr().err


def test_a_key_pair_is_never_written_over(cube: Cube, capsys: pytest.CaptureFixture[str]) -> None:
    before = (cube.path / "acme.key").read_bytes()
    assert (cube.path / "acme.key").stat().st_mode & 0o777 == 0o600
    assert cube.certificate("keygen", "acme", "--dir", str(cube.path)) == Exit.REFUSED
    assert "exists already (PV-130)" in capsys.readouterr().err
    assert (cube.path / "acme.key").read_bytes() == before
    assert cube.certificate("keygen", "a/b") == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which host is not said"),
        (["--local"], "what the machine must be is not said"),
        (["vc-1", "--local", "--profile", "x"], "HOST, --user and --address are of another"),
        (["vc-1", "--profile", "x"], "are for --local"),
        (["vc-1", "--user", "ann"], "--user is for a login with an SSH key"),
        (["vc-1", "--address", "10.77.0.9"], "--address is for a login with an SSH key"),
        (["--local", "--address", "10.77.0.9", "--profile", "x"], "--address are of another"),
    ],
)
def test_what_does_not_go_together_is_said(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["verify", *words]) == Exit.USAGE
    assert said in capsys.readouterr().err


# --- through the service ---------------------------------------------------------------------------------


@dataclass
class Service:
    """A service with a host that was deployed and is ready; its worker has only verifications to do."""

    site: Site
    url: str
    target: SshTarget
    folder: Path
    box: KeyBox

    def verify(self, *words: str, key: Path | None = None) -> int:
        login = ("--key", str(key or self.target.key), "--user", getpass.getuser())
        return cli.run(["verify", "vc-1", *login, *words, "--server", self.url])

    def change(self, **update: object) -> None:
        """Something of the host's deployment is otherwise."""
        row = self.site.database.deployments.last_of("vc-1")
        assert row
        with self.site.database.writing():
            self.site.database.deployments.put(row.model_copy(update=update))

    def files(self) -> bytes:
        """All that the state folder has."""
        state = self.site.settings.state
        return b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())


def deployed(site: Site, target: SshTarget) -> None:
    """A host that was deployed, as its rows have it when it is sealed."""
    profile = Profile(
        name="cube", image="vault-os", gpu_driver="580", gpus=(Gpu(id="10de:2330", count=8, ecc=True),)
    )
    host = Host(name="vc-1", macs=(MAC,), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([host], [profile], site.settings.hosts_range)
    site.database.images.put(IMAGE)
    (site.settings.state / "keys" / "release.pub").write_text("untrusted comment: a key of the tests\n")
    row = arm(site, host, IMAGE, by="tom")
    ready = {"stage": Stage.READY, "address": target.address, "host_keys": target.host_keys}
    with site.database.writing():
        disk = WrittenDisk(name="nvme0n1", serial="S5XX")
        site.database.deployments.put(row.model_copy(update={**ready, "disk": disk}))


@pytest.fixture
def service(tmp_path: Path, nvml: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    state = tmp_path / "s"
    prepare_folder(state)
    plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
    with ExitStack() as stack:
        (tmp_path / "host").mkdir()
        target = stack.enter_context(gpu_host(tmp_path / "host", nvml))
        # hosts have their SSH at port 22, where this machine may have its own
        monkeypatch.setattr(verifications, "SshTarget", partial(SshTarget, port=target.port))
        database = Database(state)
        stack.callback(database.close)
        database.migrate()
        settings = settings_module.check(plain, source="test")
        site = Site(settings, database, opener=vault.prepare(settings, database, time.time()))
        deployed(site, target)
        tls, fingerprint = certified(site)
        monkeypatch.setenv("PROVISION_TOKEN", token_of(site))
        monkeypatch.setenv("PROVISION_FINGERPRINT", fingerprint)
        listener = stack.enter_context(Listener(state, "web"))
        app = create_app(site, listener, "api")
        api: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=tls)
        stack.callback(api.server_close)
        serving = threading.Thread(target=api.serve_forever)
        serving.start()
        stack.callback(serving.join)
        stack.callback(api.shutdown)
        box = stack.enter_context(KeyBox(state))
        yield Service(site, f"https://127.0.0.1:{api.server_port}", target, tmp_path / "host", box)


@pytest.fixture
def worker(service: Service) -> Iterator[None]:
    """What of the worker's loop is about verifications."""
    ended = threading.Event()
    with ThreadPoolExecutor(2) as pool, Listener(service.site.settings.state, "worker") as listener:
        own = Verifications(service.site, service.box, pool, listener.notify)

        def work() -> None:
            while not ended.is_set():
                seen = listener.count
                own.look()
                listener.wait(seen, 2)

        thread = threading.Thread(target=work)
        thread.start()
        yield
        ended.set()
        listener.notify()
        thread.join()


def test_a_key_that_is_given_once_lets_a_ready_host_be_verified(
    service: Service, worker: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The deployment stays what it is, the report is kept and signed, and the key is nowhere."""
    before = service.site.database.deployments.last_of("vc-1")
    assert service.verify() == Exit.DONE
    said = capsys.readouterr()
    assert "Verdict   accepted" in said.out and "NVML shows 8 10de:2330" in said.err
    assert service.site.database.deployments.last_of("vc-1") == before
    [stored] = service.site.database.acceptance_reports.of_host("vc-1")
    report = canonical.read(stored.body.encode())
    subject = report.subject
    assert (stored.verdict, subject.image.sha256, subject.disk_serial) == ("accepted", "", "S5XX")
    assert report.operator == getpass.getuser() and report.subject.deployment == stored.deployment
    assert cli.run(["certificate", "list", "vc-1", "-o", "json", "--server", service.url]) == Exit.DONE
    [listed] = json.loads(capsys.readouterr().out)["certificates"]
    assert (listed["report"], listed["verdict"]) == (stored.id, "accepted")
    # its first lines are those of every such key, and the public half
    secret = service.target.key.read_text().splitlines()[3:-1]
    everything = service.files()
    assert secret and not any(line.encode() in everything for line in secret)
    assert service.site.database.verifications.open() == []
    held = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()]
    assert not [name for name in held if "ssh-key" in name], "no key is held any more"


def test_a_host_that_got_worse_is_8_and_stays_ready(
    service: Service, worker: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (service.folder / "scenario").write_text(nvmllab.scenario(nvmllab.load("missing")))
    assert service.verify("-o", "json") == Exit.REJECTED
    said = capsys.readouterr()
    found = json.loads(said.out)["verification"]
    assert (found["result"], found["state"], found["code"]) == ("rejected", "done", 501)
    assert json.loads(said.err.splitlines()[-1])["error"]["exit"] == 8
    row = service.site.database.deployments.last_of("vc-1")
    assert row and row.stage == Stage.READY
    [stored] = service.site.database.acceptance_reports.of_host("vc-1")
    assert stored.verdict == "rejected" and stored.id == found["report"]


def test_a_higher_level_burns_the_host_in_and_leaves_nothing_there(
    service: Service, worker: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no GPU that CUDA knows: the burn-in says so, and nothing that was not made counts as good."""
    assert service.verify("--level", "standard") == Exit.REJECTED
    assert "(PV-504)" in capsys.readouterr().err
    [stored] = service.site.database.acceptance_reports.of_host("vc-1")
    report = canonical.read(stored.body.encode())
    assert (report.level, stored.verdict) == ("standard", "incomplete")
    [run_of_it] = [check for check in report.checks if check.id == "burnin.run"]
    assert run_of_it.is_blocking and run_of_it.reason
    assert "burnin.json" in [one.path for one in report.artifacts], "it was made, and its words are kept"
    assert not list(Path("/dev/shm").glob("provision-*"))


def test_a_machine_with_another_host_key_is_not_the_host(
    service: Service, worker: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = " ".join(make_key(tmp_path / "other").split()[:2])
    service.change(host_keys=(other,))
    assert service.verify() == Exit.UNREACHABLE
    assert "shows another SSH host key" in (said := capsys.readouterr().err) and "(PV-502)" in said
    assert service.site.database.acceptance_reports.of_host("vc-1") == []


def test_a_key_that_the_host_does_not_take_reaches_nothing(
    service: Service, worker: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(tmp_path / "stranger")
    assert service.verify(key=tmp_path / "stranger") == Exit.UNREACHABLE
    assert "Permission denied" in capsys.readouterr().err


def test_a_user_who_may_not_be_root_ends_it_without_a_verdict(
    service: Service, worker: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "True")
    sudo = service.folder / "bin" / "sudo"
    sudo.unlink()
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n")
    sudo.chmod(0o755)
    assert service.verify() == Exit.FAILED
    assert "sudo" in (said := capsys.readouterr().err) and "(PV-502)" in said


def test_a_host_under_deployment_or_verification_is_refused(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    row = service.site.database.deployments.last_of("vc-1")
    assert row
    service.change(stage=Stage.WRITING)
    assert service.verify() == Exit.REFUSED
    assert (
        "vc-1 is being deployed (it is writing)" in (said := capsys.readouterr().err) and "(PV-570)" in said
    )
    service.change(stage=Stage.READY)
    open_one = Verification(id="v-1", host="vc-1", deployment=row.id, created=1, user="ann", by="ann")
    with service.site.database.writing():
        service.site.database.verifications.add(open_one)
    assert service.verify() == Exit.REFUSED
    assert "vc-1 is being verified already (v-1) (PV-570)" in capsys.readouterr().err
    assert [one.id for one in service.site.database.verifications.open()] == ["v-1"]


def test_a_host_that_never_came_up_has_no_key_to_be_known_by(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.change(host_keys=())
    assert service.verify() == Exit.USAGE
    assert "(PV-572)" in capsys.readouterr().err


@pytest.mark.parametrize("level", ["standard"])
def test_a_level_that_the_profile_cannot_have_is_refused(
    service: Service, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Profile(name="cube", image="vault-os")
    service.site.database.put_inventory([], [plain], service.site.settings.hosts_range)
    assert service.verify("--level", level) == Exit.USAGE
    assert "names no gpu_driver" in capsys.readouterr().err


def test_what_is_no_key_is_refused_and_never_repeated(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"])
    (tmp_path / "nonsense").write_text("hunter2 hunter2")
    (tmp_path / "large").write_text("x" * (64 << 10))
    for name, words in {"locked": "has a passphrase", "locked.pub": "no private SSH key"}.items():
        assert service.verify(key=tmp_path / name) == Exit.USAGE
        assert words in (said := capsys.readouterr().err) and "(PV-571)" in said
    assert service.verify(key=tmp_path / "nonsense") == Exit.USAGE
    assert "hunter2" not in capsys.readouterr().err and b"hunter2" not in service.files()
    assert service.verify(key=tmp_path / "large") == Exit.USAGE
    assert "characters" in (said := capsys.readouterr().err) and "xxx" not in said
    assert service.verify(key=tmp_path / "none") == Exit.USAGE
    assert "(PV-150)" in capsys.readouterr().err
    assert service.site.database.verifications.open() == []


def test_a_worker_that_was_started_again_has_lost_the_key_and_says_so(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row is there, its key is not: what a kill -9 leaves."""
    row = service.site.database.deployments.last_of("vc-1")
    assert row
    lost = Verification(id="v-1", host="vc-1", deployment=row.id, created=1, user="ann", by="ann")
    with service.site.database.writing():
        service.site.database.verifications.add(lost)
    with ThreadPoolExecutor(1) as pool:
        Verifications(service.site, service.box, pool, lambda: None).look()
    ended = service.site.database.verifications.get("v-1")
    assert (ended.state, ended.code) == ("done", 573) and "--key FILE" in ended.hint


def test_a_key_that_is_lost_on_its_way_is_3(
    service: Service, worker: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service.box, "take", lambda name: None)
    assert service.verify() == Exit.FAILED
    assert "the SSH key was in its memory alone (PV-573)" in capsys.readouterr().err


def test_without_a_worker_nothing_is_begun(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.box.__exit__(None, None, None)
    assert service.verify() == Exit.UNREACHABLE
    assert "(PV-674)" in capsys.readouterr().err
    assert service.site.database.verifications.open() == []


def test_what_is_asked_of_no_verification_is_said(service: Service) -> None:
    fingerprint = site_certificate.fingerprint(service.site.settings.state)
    client = Client(server=service.url, token=token_of(service.site), fingerprint=fingerprint)
    with pytest.raises(InputError) as raised:
        client.verification("v-none")
    assert raised.value.code == 575


def test_a_profile_is_learned_from_the_report_and_accepts_its_host(
    service: Service, worker: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest report, if it was accepted; one that is named must have been."""
    database = service.site.database
    assert service.verify() == Exit.DONE
    [good] = database.acceptance_reports.of_host("vc-1")
    disk = DiskInfo(name="nvme0n1", size=1 << 40, serial="S5XX")
    database.hosts.put_hardware("vc-1", HardwareFacts(disks=(disk,), memory=1 << 40), 1.0)
    learn = ("profile", "learn", "vc-1", "--server", service.url)
    capsys.readouterr()
    assert cli.run([*learn]) == Exit.DONE
    said = capsys.readouterr()
    assert good.id in said.err and "nvlinks: 18" in said.out and "gpu_driver: '580'" in said.out
    assert cli.run([*learn, "--apply", "--replace"]) == Exit.DONE
    assert database.profiles.get("cube").gpus[0].vbios == ("96.00.89.00.01",)
    assert service.verify() == Exit.DONE, capsys.readouterr().err
    (service.folder / "scenario").write_text(nvmllab.scenario(nvmllab.load("narrow")))
    assert service.verify() == Exit.REJECTED
    bad = database.acceptance_reports.of_host("vc-1")[0]
    capsys.readouterr()
    assert cli.run([*learn]) == Exit.DONE
    said = capsys.readouterr()
    assert f"{bad.id} is rejected: nothing was learned from it" in said.err
    assert cli.run([*learn, "--report", bad.id]) == Exit.REFUSED
    assert "(PV-574)" in capsys.readouterr().err
    assert cli.run([*learn, "--report", "a-none-of-this"]) == Exit.USAGE
    assert "(PV-147)" in capsys.readouterr().err


# --- while it goes on ------------------------------------------------------------------------------------


class Look:
    """Stands for the look at the host: goes on until it may end or is cancelled, and then accepts it."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.targets = list[SshTarget]()
        self.was_cancelled = False

    def __call__(
        self,
        target: SshTarget,
        expected: Expected,
        *,
        on_task: Callable[[TaskResult], None],
        on_progress: Callable[[BurnInProgress], None],
        is_cancelled: Callable[[], bool],
        **_: object,
    ) -> Verdict:
        self.targets.append(target)
        on_task(TaskResult("memory", "ok", "memory 1 TiB"))
        on_progress(BurnInProgress("load", "GPU-0", 1, 2, 3))
        self.begun.set()
        while not (self.was_cancelled or self.go_on.wait(0.05)):
            self.was_cancelled = is_cancelled()
        self.ended.set()
        seen = evidence()
        return Verdict("passed", (), seen, judge(seen, QUICK))


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Iterator[Look]:
    found = Look()
    monkeypatch.setattr(verifications, "run_verification", found)
    yield found
    found.go_on.set()  # a test that has failed waits for nothing


@pytest.fixture
def client(service: Service) -> Client:
    fingerprint = site_certificate.fingerprint(service.site.settings.state)
    return Client(server=service.url, token=token_of(service.site), fingerprint=fingerprint)


def asked(service: Service, **more: object) -> VerificationOrder:
    order = {"host": "vc-1", "user": "ann", "key": service.target.key.read_text(), **more}
    return VerificationOrder.model_validate(order)


@contextmanager
def posted() -> Iterator[list[str]]:
    """The paths of all that is posted meanwhile."""
    paths = list[str]()
    post = Transport.post

    def note(self: Transport, model: Any, path: str, body: Any = None, **how: Any) -> Any:
        paths.append(path)
        return post(self, model, path, body, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "post", note)
        yield paths


def test_a_host_that_is_verified_is_shown_so(
    service: Service, worker: None, look: Look, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every list, by its host, and nowhere once it has ended; a list of others does not tell of it."""

    def shown(*words: str) -> str:
        assert cli.run([*words, "--server", service.url]) == Exit.DONE
        said = capsys.readouterr()
        return " ".join((said.out + said.err).split())

    begun = client.begin_verification(asked(service))
    assert look.begun.wait(60)
    await_burn_in(client, begun.id)
    words = f"{begun.id}; burn-in: load on GPU-0 50 %, about 3 s left"
    for one in (("status",), ("status", "vc-1"), ("status", "--select", "name=vc-1")):
        said = shown(*one)
        assert "vc-1 is verified over SSH as ann since" in said and words in said
    assert words not in shown("status", "--select", "name=vc-2")
    assert "ready (verified over SSH)" in shown("host", "list")
    assert words in shown("host", "show", "vc-1")
    listed = json.loads(shown("host", "list", "-o", "json"))["hosts"][0]["verification"]
    assert (listed["id"], listed["user"], listed["burnin"]["test"]) == (begun.id, "ann", "load")
    look.go_on.set()
    assert look.ended.wait(60)
    await_end(client, begun.id)
    for one in (("status",), ("status", "vc-1"), ("host", "list"), ("host", "show", "vc-1")):
        assert "verified over SSH" not in shown(*one)


def await_burn_in(client: Client, ident: str) -> None:
    until = time.monotonic() + 60
    while not client.verification(ident, 500, 1).burnin.test:
        assert time.monotonic() < until, "the burn-in's progress was not kept"


def await_end(client: Client, ident: str) -> None:
    until = time.monotonic() + 60
    while client.verification(ident, 500, 1).state != "done":
        assert time.monotonic() < until, "it goes on"


@pytest.mark.parametrize("named", ["vc-1", "its id"])
def test_one_that_goes_on_is_cancelled_and_nothing_is_signed(
    service: Service,
    worker: None,
    look: Look,
    client: Client,
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Though the host was found good in the very moment."""
    begun = client.begin_verification(asked(service))
    assert look.begun.wait(60)
    words = ("cancel", begun.id if named == "its id" else "vc-1", "--server", service.url)
    with posted() as paths:
        assert cli.run([*words]) == Exit.DONE
    assert len(paths) == 1, "the service knows what is open"
    assert f"{begun.id} of vc-1 is cancelled; again: provision verify vc-1" in capsys.readouterr().err
    assert look.ended.wait(60) and look.was_cancelled
    ended = client.verification(begun.id)
    assert (ended.state, ended.result, ended.code, ended.report) == ("done", "failed", 578, "")
    assert ended.sentence == f"it was cancelled by {getpass.getuser()}"
    assert cli.run([*words]) == Exit.REFUSED, "there is nothing to cancel any more"
    assert service.site.database.acceptance_reports.of_host("vc-1") == []
    row = service.site.database.deployments.last_of("vc-1")
    assert row and row.stage == Stage.READY


def test_a_full_disk_loses_neither_a_burn_in_nor_its_verdict(
    service: Service, look: Look, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What took hours is written down when there is room again."""
    database, rung, is_full = service.site.database, threading.Event(), threading.Event()
    put = database.verifications.put

    def put_if_there_is_room(row: Verification) -> bool:
        if is_full.is_set():
            raise DiskFullError("no room")
        return put(row)

    monkeypatch.setattr(database.verifications, "put", put_if_there_is_room)
    with ThreadPoolExecutor(1) as pool:
        own = Verifications(service.site, service.box, pool, rung.set)
        begun = client.begin_verification(asked(service))
        is_full.set()
        own.look()
        assert look.begun.wait(60) and not look.was_cancelled
        look.go_on.set()
        assert rung.wait(60)
        for _ in range(2):
            with pytest.raises(DiskFullError):
                own.look()
        assert database.acceptance_reports.of_host("vc-1") == []
        is_full.clear()
        own.look()
    ended = client.verification(begun.id)
    [stored] = database.acceptance_reports.of_host("vc-1")
    assert (ended.state, ended.result, ended.report) == ("done", "passed", stored.id)
    assert [task.sentence for task in ended.tasks] == ["memory 1 TiB"], "it was told, only later"


def test_a_host_whose_address_is_gone_is_looked_for_where_it_is_said_to_be(
    service: Service, worker: None, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must show the SSH host key of its deployment all the same."""
    look.go_on.set()
    service.change(address="")
    assert service.verify() == Exit.USAGE
    assert "(PV-572)" in (said := capsys.readouterr().err) and "--address" in said
    assert service.verify("--address", "10.9.8.7") == Exit.DONE
    assert service.verify("--address", "fd00::7") == Exit.DONE
    assert [(one.address, one.host_keys) for one in look.targets] == [
        ("10.9.8.7", service.target.host_keys),
        ("fd00::7", service.target.host_keys),
    ]


@pytest.mark.parametrize(
    "address", ["fe80::1%lan0", "vc-1", "10.9.8.7 -oProxyCommand=id", "-oProxyCommand=id", "10.9.8"]
)
def test_what_is_no_address_is_refused(
    service: Service, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert service.verify(f"--address={address}") == Exit.USAGE
    assert "address" in capsys.readouterr().err
    assert service.site.database.verifications.open() == []


def test_a_key_of_half_a_character_is_refused_and_leaves_nothing_open(service: Service) -> None:
    """JSON can say it, UTF-8 cannot."""
    before = set(Path("/proc/self/fd").iterdir())
    token = token_of(service.site)
    body = '{"host": "vc-1", "user": "ann", "key": "\\ud800"}'
    headers = ("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json")
    url = f"{service.url}{ROOT}/verifications"
    argv = ["curl", "-sS", "--insecure", "-w", "%{http_code}", *headers, "--data-binary", "@-", url]
    done = run.run(argv, stdin=body.encode())
    assert done.stdout[-3:] in (b"400", b"422"), done.stdout
    assert service.site.database.verifications.open() == []
    held = [path for path in Path("/proc/self/fd").iterdir() if path not in before]
    assert not [path for path in held if path.exists() and "ssh-key" in str(path.readlink())]
