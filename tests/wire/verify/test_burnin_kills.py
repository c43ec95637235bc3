"""kill -9 of the worker in the middle of a burn-in: nothing is lost, doubled, or left on the host."""

import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner import run
from provisioner import settings as settings_module
from provisioner.deployment import ssh_keys as deployment_keys
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.acceptance import Level
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.events.agent import AgentHello, AgentWritten
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.requirements import Requirements
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state import ssh_keys, vault
from provisioner.state.database import Database
from provisioner.state.folder import prepare_folder
from provisioner.state.notify import Listener
from provisioner.state.verifications import Verification
from provisioner.verify import SshTarget
from tests.unit.conftest import IMAGE
from tests.wire.scriptlab import MAC
from tests.wire.verify.test_deployed_acceptance import gpu_host, write_scripts

WORKER = Path(__file__).with_name("programs") / "burning_worker.py"
PATIENCE = 240  # seconds for what takes some, beside other tests


@dataclass
class Lab:
    """A service without its processes, and one host with one GPU; workers are started and killed."""

    site: Site
    target: SshTarget
    folder: Path
    listener: Listener

    @contextmanager
    def worker(self) -> Iterator[run.Process]:
        argv = [sys.executable, WORKER, self.site.settings.state, self.target.port, self.folder / "scripts"]
        with run.running([str(word) for word in argv], log=self.folder / "worker.log") as process:
            yield process

    def kill_in_burn_in(self, begun: Callable[[], bool]) -> None:
        """One that never sees its burn-in end; what runs of it on the host ends, and takes all with it."""
        (self.folder / "fault").write_text("cuda,hangs")
        with self.worker() as process:
            self.until(begun)
            burning = [os.pidfd_open(number) for number in self.burning()]
            assert len(burning) >= 2, "the program, and a process of its GPU"
            process.kill()
            process.wait()
        for one in burning:
            assert select.select([one], [], [], PATIENCE)[0], "it outlives its worker"
            os.close(one)
        assert self.left_over() == []
        (self.folder / "fault").write_text("cuda")

    def burning(self) -> list[int]:
        """The processes of the burn-in on the host."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (place / "cmdline").read_bytes()
                if bytes(self.folder / "tmp") in words and b"burnin.pyz" in words and b"ssh\0" not in words:
                    found.append(int(place.name))
        return found

    def left_over(self) -> list[str]:
        return [*map(str, self.burning()), *(path.name for path in (self.folder / "tmp").iterdir())]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for commits until it is so."""
        for _ in range(PATIENCE):
            seen = self.listener.count
            if is_so():
                return
            self.listener.wait(seen, 1)
        raise AssertionError((self.folder / "worker.log").read_text()[-4000:])


@pytest.fixture
def lab(tmp_path: Path, nvml: Path) -> Iterator[Lab]:
    state = tmp_path / "s"
    prepare_folder(state)
    write_scripts(tmp_path / "scripts", is_cube=True)
    with ExitStack() as stack:
        target = stack.enter_context(gpu_host(tmp_path, nvml, f"$(cat {tmp_path}/fault)"))
        database = Database(state)
        stack.callback(database.close)
        database.migrate()
        plain = {"state": state, "interface": "lan0", "address": "10.77.0.1/24"}
        settings = settings_module.check(plain, source="test")
        site = Site(settings, database, opener=vault.prepare(settings, database, time.time()))
        yield Lab(site, target, tmp_path, stack.enter_context(Listener(state, "web")))


def verifying(lab: Lab) -> str:
    """A deployment whose host has come up and shall be burned in; its id."""
    site = lab.site
    burnt = Requirements(level=Level.STANDARD)
    gpu = Gpu(id="10de:2330", count=1, ecc=True)
    profile = Profile(name="cube", image="vault-os", gpu_driver="580", gpus=(gpu,), acceptance=burnt)
    host = Host(name="vc-1", macs=(MAC,), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([host], [profile], site.settings.hosts_range)
    site.database.images.put(IMAGE)
    (site.settings.state / "keys" / "release.pub").write_text("untrusted comment: a key of the tests\n")
    row = arm(site, host, IMAGE, by="tom")
    with (lab.folder / "authorized").open("a") as file:
        file.write(deployment_keys.public(site, row) + "\n")
    claim = Claim(MAC, is_own_address=True, nonce="n", boot_id="b")
    for event in (
        SlotGiven(),
        PowerBegan(nonce="n"),
        AgentHello(claim=claim, nonce="n", boot_id="b", token_hash="t", phone_hash="p"),
        AgentWritten(disk=WrittenDisk(name="nvme0n1", serial="S5XX")),
        OsPhoned(host_keys=lab.target.host_keys, address=lab.target.address),
    ):
        record(site, row.id, event, source="test")
    return row.id


@pytest.mark.timeout(3 * PATIENCE)
def test_a_deployment_is_burned_in_anew_and_comes_to_its_end(lab: Lab) -> None:
    ident, database = verifying(lab), lab.site.database

    def told() -> list[str]:
        return [event.kind for event in database.events.of(ident)]

    lab.kill_in_burn_in(lambda: "verify.progress" in told())
    assert database.deployments.get(ident).stage == Stage.VERIFYING
    assert database.acceptance_reports.of_host("vc-1") == []
    with lab.worker():
        lab.until(lambda: database.deployments.get(ident).stage != Stage.VERIFYING)
        lab.until(lambda: database.deployments.get(ident).stage != Stage.SEALING)
    row = database.deployments.get(ident)
    assert (row.stage, row.attempt, row.reason) == (Stage.READY, 1, ""), row
    [stored] = database.acceptance_reports.of_host("vc-1")
    assert (stored.verdict, stored.id) == ("accepted", row.verdict.report)
    ends = [
        kind for kind in told() if kind in ("verify.passed", "verify.failed", "verify.rejected", "seal.done")
    ]
    assert ends == ["verify.passed", "seal.done"]
    checks = Counter(event.describe() for event in database.events.of(ident) if event.kind == "verify.task")
    assert checks and set(checks.values()) == {1}, "each is told once"
    assert lab.left_over() == []


@pytest.mark.timeout(3 * PATIENCE)
def test_a_verification_by_key_ends_with_a_clear_cause_and_holds_nothing_up(lab: Lab) -> None:
    """The key was in the worker's memory alone."""
    ident, database, site = verifying(lab), lab.site.database, lab.site
    with database.writing():
        ready = database.deployments.get(ident).changed(stage=Stage.READY)
        database.deployments.put(ready)

    def begin(name: str) -> str:
        row = Verification(id=name, host="vc-1", deployment=ident, created=1, user="ann", by="ann")
        with ssh_keys.MemoryFile(lab.target.key.read_text()) as key, database.writing():
            database.verifications.add(row)
            ssh_keys.hand_over(site.settings.state, row.id, key.descriptor)
        return row.id

    begun = list[str]()

    def is_burning() -> bool:
        if not begun and (site.settings.state / ssh_keys.PLACE).exists():
            begun.append(begin("v-1"))
        return bool(begun and database.verifications.get(begun[0]).burnin.test)

    lab.kill_in_burn_in(is_burning)
    with lab.worker():
        lab.until(lambda: not database.verifications.is_open(begun[0]))
        lost = database.verifications.get(begun[0])
        assert (lost.result, lost.code, lost.report) == ("failed", 573, "") and "--key FILE" in lost.hint
        again = begin("v-2")
        lab.until(lambda: not database.verifications.is_open(again))
    ended = database.verifications.get(again)
    [stored] = database.acceptance_reports.of_host("vc-1")
    assert (ended.result, ended.report, stored.verdict) == ("passed", stored.id, "accepted"), ended
    assert database.deployments.get(ident) == ready
    assert lab.left_over() == []
