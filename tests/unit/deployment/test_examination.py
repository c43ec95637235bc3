"""A verification by the ramdisk: its order is never one to write, whatever its stage and whoever asks."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.agent.arguments import ExaminationArguments, KernelArguments, is_survey
from provisioner.agent.protocol import ProtocolError
from provisioner.certificate import canonical, signing
from provisioner.deployment import acceptance, boot, guard, verification_order
from provisioner.deployment.guard import Admitted, Denied, MayLook, Standing
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.deployment.runs import select_hosts
from provisioner.diagnosis.judges import causes_of
from provisioner.domain.boot_plan import Ramdisk
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, TargetDisk, WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.clock import DeadlinePassed
from provisioner.domain.events.examination import AgentExamined, HostReleased, VerifyConcluded
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import WriteClaim
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.registry import KINDS
from provisioner.domain.events.system import DiskChosen, OsPhoned
from provisioner.domain.events.verification import SealDone, VerifyPassed
from provisioner.domain.host import Host
from provisioner.domain.profile import Hints
from provisioner.domain.purpose import DEPLOYING, VERIFYING, Purpose
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import RESTING, UNDER_WAY, Stage
from provisioner.domain.timeline import read
from provisioner.errors import DiskFullError, NotFoundError, RefusedError, TransitionError
from provisioner.site.site import Site
from provisioner.state import examinations
from provisioner.state.acceptance_reports import StoredReport
from provisioner.system.checksum import sha256_text
from provisioner.worker import examination
from tests.unit.conftest import MAC, Clock, hello_of

HOST = Host(name="vc-1", macs=(MAC,), profile="cube", serial="S1")
CLAIM = Claim(MAC, is_own_address=True, nonce="n", boot_id="b", serial="S1", uuid="")


@pytest.fixture
def deployed(site: Site) -> Deployment:
    """A host that is ready, sealed."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    for event in (
        SlotGiven(),
        PowerBegan(nonce="first"),
        hello_of("first", serial="S1"),
        AgentWritten(disk=WrittenDisk(name="nvme0n1", serial="D1", size=1 << 30)),
        OsPhoned(host_keys=("ssh-ed25519 AAAA",), address="10.77.0.5"),
        VerifyPassed(),
        SealDone(mode="full"),
    ):
        record(site, row.id, event, source="test")
    return site.database.deployments.get(row.id)


def verification(site: Site) -> Deployment:
    return verification_order.arm(site, site.database.hosts.get("vc-1"), by="ann")


def armed(site: Site) -> Deployment:
    row = verification(site)
    for event in (SlotGiven(), PowerBegan(nonce="n"), DhcpSeen(address="10.77.0.5")):
        row = record(site, row.id, event, source="test")
    return row


def examined(**changes: object) -> AgentExamined:
    claim = replace(CLAIM, **changes)  # type: ignore[arg-type]  # fields of a claim
    return AgentExamined(claim=claim, boot_id="b", serial="S1", collected=("facts",))


# never a writing


@given(
    stage=st.sampled_from(list(Stage)),
    nonce=st.sampled_from(["n", "", "other"]),
    is_own=st.booleans(),
    consumed=st.sampled_from([0.0, 5.0]),
    erase=st.booleans(),
    foreign=st.booleans(),
    target=st.sampled_from([TargetDisk(), TargetDisk(name="nvme0n1", serial="D1", size=1)]),
    hints=st.sampled_from([None, Hints(serial="D1")]),
    boot_id=st.sampled_from(["", "b"]),
    paused=st.sampled_from([0.0, 1.0]),
)
def test_the_guard_admits_no_writer_of_a_verification_whatever_else_its_row_says(
    stage: Stage,
    nonce: str,
    is_own: bool,
    consumed: float,
    erase: bool,
    foreign: bool,
    target: TargetDisk,
    hints: Hints | None,
    boot_id: str,
    paused: float,
) -> None:
    row = Deployment(
        id="d-1",
        host="vc-1",
        mac=MAC,
        image="os@1",
        stage=stage,
        stage_since=0,
        deadline=90,
        created=0,
        expires=100,
        nonce_hash=sha256_text("n"),
        consumed=consumed,
        erase=erase,
        erase_foreign=foreign,
        target=target,
        hints=hints,
        agent_boot_id=boot_id,
        paused=paused,
        purpose=Purpose.VERIFY,
    )
    claim = replace(CLAIM, nonce=nonce, is_own_address=is_own)
    standing = Standing(row, HOST, Hints(serial="D1"), now=50)
    assert guard.decide(standing, claim) == Denied(
        "the order is a verification: nothing may be written by it"
    )
    assert not isinstance(guard.decide_look(standing, claim), Admitted)
    ordered = Standing(row.changed(), HOST, Hints(serial="D1"), now=50)
    deploys = replace(ordered, order=row.model_copy(update={"purpose": Purpose.DEPLOY}))
    assert isinstance(guard.decide_look(deploys, claim), Denied), "nor is a deployment looked at so"


def test_the_guard_of_a_look_asks_what_the_other_asks(site: Site, deployed: Deployment) -> None:
    row = armed(site)
    standing = Standing(row, HOST, Hints(), now=site.clock())
    assert guard.decide_look(standing, CLAIM) == MayLook()
    assert isinstance(guard.decide_look(standing, None), Denied)
    for wrong in (
        replace(CLAIM, nonce="other"),
        replace(CLAIM, mac="52:54:00:00:00:02"),
        replace(CLAIM, is_own_address=False),
    ):
        assert isinstance(guard.decide_look(standing, wrong), Denied)
    other = guard.decide_look(standing, replace(CLAIM, serial="S2"))
    assert isinstance(other, Refusal) and other.code == 301
    late = guard.decide_look(replace(standing, now=row.expires + 1), CLAIM)
    assert isinstance(late, Refusal) and late.code == 140
    locked = replace(standing, host=HOST.model_copy(update={"locked": True}))
    refusal = guard.decide_look(locked, CLAIM)
    assert isinstance(refusal, Refusal) and refusal.code == 131


def test_no_event_that_leads_to_writing_belongs_to_a_verification() -> None:
    """By the table itself, so also for kinds that are added later."""
    for kind, event in KINDS.items():
        if Purpose.VERIFY in event.purposes:
            assert not any(
                after is Stage.WRITING and before is not Stage.WRITING
                for before, after in event.moves.items()
            ), kind
        if issubclass(event, WriteClaim):
            assert event.purposes == DEPLOYING, kind


def test_a_verification_reaches_no_stage_but_its_own() -> None:
    reached, open_ends = set(), {Stage.QUEUED}
    while open_ends:
        stage = open_ends.pop()
        reached.add(stage)
        for event in KINDS.values():
            if Purpose.VERIFY in event.purposes and event.moves.get(stage) not in (None, *reached):
                open_ends.add(event.moves[stage])
    assert reached == set(Stage) - {Stage.WRITING, Stage.SEALING}


@pytest.mark.parametrize("stage", [stage for stage in UNDER_WAY if stage != Stage.QUEUED])
def test_a_writers_hello_is_refused_at_every_stage_and_changes_nothing(
    site: Site, deployed: Deployment, stage: Stage
) -> None:
    row = armed(site).changed(stage=stage)
    with site.database.writing():
        site.database.deployments.put(row)
    before = site.database.events.of(row.id)
    with pytest.raises(TransitionError, match="not expected"):
        record(site, row.id, hello_of("n", serial="S1"), source="agent")
    assert site.database.deployments.get(row.id) == row
    assert site.database.events.of(row.id) == before


def test_the_report_of_a_verification_is_nothing_to_a_deployment(site: Site) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    for event in (SlotGiven(), PowerBegan(nonce="n")):
        record(site, row.id, event, source="test")
    with pytest.raises(TransitionError, match="not expected"):
        record(site, row.id, examined(), source="agent")
    assert AgentExamined.purposes == HostReleased.purposes == VerifyConcluded.purposes == VERIFYING


def test_what_it_boots_forbids_every_agent_to_write(site: Site, deployed: Deployment) -> None:
    plan = boot.ordered("http://10.77.0.1", armed(site))
    assert isinstance(plan, Ramdisk) and is_survey(plan.args)
    with pytest.raises(ProtocolError, match="forbids"):
        KernelArguments.parse(plan.args)
    assert ExaminationArguments.parse(plan.args) == ExaminationArguments("http://10.77.0.1", MAC, "n")


# what becomes of it


def test_the_host_goes_from_the_report_to_its_disk(site: Site, deployed: Deployment) -> None:
    row = record(site, armed(site).id, examined(), source="agent")
    assert row.stage == Stage.RESTARTING and row.consumed and not row.nonce
    assert not row.token_hash and not row.phone_hash and not row.target.is_known and not row.disk.name
    row = record(site, row.id, DiskChosen(), source="bmc")
    row = record(site, row.id, HostReleased(), source="agent")
    assert row.stage == Stage.VERIFYING
    row = record(site, row.id, VerifyConcluded(), source="ramdisk")
    assert row.stage == Stage.READY and not row.nonce_hash


def test_the_hosts_last_deployment_stays_what_it_is(site: Site, deployed: Deployment) -> None:
    row, deployments = armed(site), site.database.deployments
    record(site, row.id, OrderCancelled(by="ann"), source="operator")
    for found in (
        deployments.last_of("vc-1"),
        deployments.last_readable("vc-1"),
        deployments.last_written("vc-1"),
        deployments.last_consumed("vc-1"),
    ):
        assert found and found.id == deployed.id
    newest = deployments.last_order_of("vc-1")
    assert newest and newest.id == row.id
    assert deployments.completed("vc-1") == [deployed.id]
    chosen = select_hosts(site, "state=ready", everything=False)
    assert [host.name for host in chosen] == ["vc-1"], "it is none that failed or was cancelled"


def test_of_old_orders_the_last_deployment_is_kept_beside_the_last_verification(
    site: Site, deployed: Deployment, clock: Clock
) -> None:
    first = verification(site)
    record(site, first.id, OrderCancelled(by="ann"), source="operator")
    second = verification(site)
    record(site, second.id, OrderCancelled(by="ann"), source="operator")
    clock.now += 1e6
    assert site.database.deployments.prune(clock.now, 10) == 1
    assert {row.id for row in site.database.deployments.newest()} == {deployed.id, second.id}


def test_a_host_is_verified_and_deployed_by_turns(site: Site, deployed: Deployment) -> None:
    row = verification(site)
    image = site.database.images.all()[0]
    with pytest.raises(RefusedError, match="is being verified already") as refused:
        arm(site, site.database.hosts.get("vc-1"), image, by="tom")
    assert refused.value.code == 132
    with pytest.raises(RefusedError, match="is being verified already"):
        verification(site)
    record(site, row.id, OrderCancelled(by="ann"), source="operator")
    arm(site, site.database.hosts.get("vc-1"), image, by="tom")
    with pytest.raises(RefusedError, match="is being deployed already"):
        verification(site)


def test_nobody_verifies_what_was_never_deployed_or_is_locked(site: Site) -> None:
    with pytest.raises(NotFoundError) as missing:
        verification(site)
    assert missing.value.code == 577
    host = site.database.hosts.get("vc-1").model_copy(update={"locked": True})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    with pytest.raises(RefusedError) as locked:
        verification(site)
    assert locked.value.code == 131


def test_silence_after_the_report_ends_in_the_verdict_all_the_same(site: Site, deployed: Deployment) -> None:
    row = record(site, armed(site).id, examined(), source="agent")
    assert not examination.is_silent(row, 1e6), "its BMC has not been told yet"
    row = record(site, row.id, DiskChosen(), source="bmc")
    assert not examination.is_silent(row, examination.SILENCE)
    assert examination.is_silent(row, examination.SILENCE + 1)
    assert not examination.is_silent(deployed.changed(stage=Stage.RESTARTING, reboot=True), 1e6)
    examination.release(site, row)
    event = site.database.events.last_of(row.id)
    assert event and "look whether the host has booted its disk" in event.data.describe()
    assert site.database.deployments.get(row.id).stage == Stage.VERIFYING


def test_a_report_that_is_lost_fails_the_verification_and_nothing_else(
    site: Site, deployed: Deployment
) -> None:
    row = record(site, armed(site).id, examined(), source="agent")
    record(site, row.id, DiskChosen(), source="bmc")
    row = record(site, row.id, HostReleased(), source="agent")
    examination.judge(site, row)
    ended = site.database.deployments.get(row.id)
    assert ended.stage == Stage.FAILED and ended.code == 502 and "cannot be read" in ended.reason
    last = site.database.deployments.last_of("vc-1")
    assert last and last.stage == Stage.READY


def test_no_advice_after_a_verification_is_to_erase_the_disk(site: Site, deployed: Deployment) -> None:
    """Whatever the hints say that were written for deployments, live and at the end."""
    row = armed(site)
    late = DeadlinePassed(code=220, sentence="nothing came", hint="look; then: provision retry vc-1")
    row = record(site, row.id, late, source="worker")
    assert row.stage == Stage.FAILED and row.hint == "look; then: provision verify vc-1"
    actions = [action for cause in causes_of(site, row) for action in cause.actions]
    assert actions and not [action for action in actions if "retry" in action]
    assert deployed.advise("provision retry vc-1") == "provision retry vc-1"


def test_the_story_has_neither_writing_nor_sealing(site: Site, deployed: Deployment) -> None:
    row = record(site, armed(site).id, examined(), source="agent")
    told = read(site.database.events.of(row.id))
    assert list(told.stages) == [Stage.POWERING, Stage.NETBOOTING, Stage.RESTARTING, Stage.VERIFYING]
    assert "has looked at the host: facts" in told.stages[Stage.NETBOOTING].note
    assert row.stage not in RESTING


def reported(site: Site) -> Deployment:
    """A verification whose host has said that it is well, and shall be judged."""
    row = record(site, armed(site).id, examined(), source="agent")
    facts = {
        "image_id": "ramdisk",
        "image_version": "9",
        "root_disks": [],
        "memory": 1 << 30,
        "macs": [MAC],
        "pci": [],
        "machine_id": "",
        "kernel": "6.1.0",
        "cloud_init": "none",
    }
    disk = {"name": "nvme0n1", "size": 1 << 30, "logical_sector": 512, "serial": "D1"}
    hardware = {
        "mac": MAC,
        "macs": [MAC],
        "serial": "S1",
        "uuid": "",
        "memory": 1 << 30,
        "version": "2.0",
        "disks": [disk],
    }
    told = {"facts": json.dumps(facts), "hardware": json.dumps(hardware)}
    examinations.keep(site.settings.state, row.id, told)
    record(site, row.id, DiskChosen(), source="bmc")
    return record(site, row.id, HostReleased(), source="agent")


def test_a_full_disk_says_nothing_of_a_host(
    site: Site, deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged when there is room again, and not failed at the first commit that succeeds."""
    monkeypatch.setattr(signing, "sign", lambda body, key: "signed")
    row, add = reported(site), site.database.acceptance_reports.add

    def refuse(report: StoredReport) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(site.database.acceptance_reports, "add", refuse)
    with pytest.raises(DiskFullError):
        examination.judge(site, row)
    assert site.database.deployments.get(row.id).stage == Stage.VERIFYING
    monkeypatch.setattr(site.database.acceptance_reports, "add", add)
    examination.judge(site, row)
    assert site.database.deployments.get(row.id).stage == Stage.READY
    assert len(site.database.acceptance_reports.of_host("vc-1")) == 1
    told = [event.describe() for event in site.database.events.of(row.id) if event.kind == "verify.task"]
    assert len(told) == len(set(told)), "each check is told once"


def test_the_signed_report_says_who_looked_and_is_compared_with_nothing(
    site: Site, deployed: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "sign", lambda body, key: "signed")
    row = reported(site)
    examination.judge(site, row)
    ended = site.database.deployments.get(row.id)
    assert (ended.stage, ended.verdict.result) == (Stage.READY, "passed")
    [stored] = site.database.acceptance_reports.of_host("vc-1")
    report = canonical.read(stored.body.encode())
    assert stored.id == ended.verdict.report and stored.deployment == deployed.id
    assert report.stack == {"ramdisk": "2.0"} and report.operator == "ann"
    assert report.subject.image.sha256 == "", "nobody has read the image again"
    statuses = {check.id: (str(check.status), check.reason) for check in report.checks}
    assert statuses["os.image"][0] == "not_applicable" and "not opened" in statuses["os.image"][1]
    assert "serial D1" in statuses["disk.root"][1] and "is there" in statuses["disk.root"][1]
    assert {path.path for path in report.artifacts} == {"facts.json", "hardware.json"}
    assert acceptance.last_report(site, "vc-1") is None, "what a ramdisk saw is no baseline"
