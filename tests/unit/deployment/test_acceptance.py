"""The report of a verification: what it says of the unit, whose it is, what it is compared with."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.certificate import canonical, signing
from provisioner.deployment import acceptance
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.acceptance import AcceptanceReport, Level
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.stage import Stage
from provisioner.errors import PackError
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from provisioner.verify import Verdict
from provisioner.verify.evidence import KernelLog, XidLine
from provisioner.verify.judge import judge
from provisioner.verify.model import Evidence
from provisioner.worker import verification
from tests.healthy_gpus import PLACES, QUICK, evidence, gpu, nvml
from tests.unit.conftest import Clock, hello_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeepMe"
WHOLE = "0" * 64  # the image's hash in the catalogue of the tests


@pytest.fixture(autouse=True)
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature itself is another room's, and a program's."""
    monkeypatch.setattr(signing, "sign", lambda body, key: f"signed {len(body)} by {key.name}")


@pytest.fixture
def row(site: Site) -> Deployment:
    """A deployment whose host has phoned home."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    for event in (
        SlotGiven(),
        PowerBegan(nonce="n"),
        hello_of("n"),
        AgentWritten(disk=WrittenDisk(serial="S5XX", wwn="eui.0025385b21404d3a")),
        OsPhoned(host_keys=(KEY,), address="10.77.0.5"),
    ):
        record(site, row.id, event, source="test")
    return site.database.deployments.get(row.id)


def judged(seen: Evidence) -> Verdict:
    return Verdict("passed", (), seen, judge(seen, QUICK))


def conclude(site: Site, row: Deployment, folder: Path, seen: Evidence | None = None) -> StoredReport:
    profile = site.database.profiles.get("cube")
    expected = replace(QUICK, profile=profile.name, profile_sha256=profile.sha256)
    stored = acceptance.conclude(site, row, expected, judged(seen or evidence()), 1_799_999_990.0, folder)
    assert stored
    return stored


def read(stored: StoredReport) -> AcceptanceReport:
    return canonical.read(stored.body.encode())


def test_a_report_names_the_unit_and_what_was_written_to_it(
    site: Site, row: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "nvml.json").write_text("{}")
    stored = conclude(site, row, tmp_path / "evidence")
    report, profile = read(stored), site.database.profiles.get("cube")
    assert (stored.host, stored.deployment, stored.level) == ("vc-1", row.id, Level.QUICK)
    assert (stored.id, stored.created) == (report.report_id, report.finished_at)
    subject = report.subject
    assert (subject.name, subject.macs, subject.deployment) == ("vc-1", ("52:54:00:00:00:01",), row.id)
    assert (subject.disk_serial, subject.disk_wwn) == ("S5XX", "eui.0025385b21404d3a")
    assert (subject.profile, subject.profile_sha256) == ("cube", profile.sha256)
    assert (subject.image.name, subject.image.version, subject.image.sha256) == ("vault-os", "1", WHOLE)
    assert report.operator == "tom" and report.started_at == 1_799_999_990.0
    assert len(report.gpus) == 8 and report.verdict.status == "accepted"
    assert [(one.path, one.size) for one in report.artifacts] == [("nvml.json", 2)]


def test_a_report_names_the_profile_that_was_asked_though_it_is_another_by_now(
    site: Site, row: Deployment, tmp_path: Path
) -> None:
    """A burn-in takes hours, in which anybody may apply an inventory."""
    expected, asked = verification.expected_of(site, row), site.database.profiles.get("cube")
    laxer = asked.model_copy(update={"memory_min": 1})
    site.database.put_inventory([], [laxer], site.settings.hosts_range)
    stored = acceptance.conclude(site, row, expected, judged(evidence()), 0, tmp_path)
    assert stored and laxer.sha256 != asked.sha256
    subject = read(stored).subject
    assert (subject.profile, subject.profile_sha256) == ("cube", asked.sha256)


def test_the_machines_own_numbers_come_before_those_of_the_inventory(
    site: Site, row: Deployment, tmp_path: Path
) -> None:
    seen = evidence()
    assert seen.gpu.firmware
    own = seen.gpu.firmware.model_copy(update={"serial": "SN-OF-SMBIOS", "board_serial": "BOARD-1"})
    seen = replace(seen, gpu=seen.gpu.model_copy(update={"firmware": own}))
    subject = read(conclude(site, row, tmp_path, seen)).subject
    assert (subject.serial, subject.board_serial) == ("SN-OF-SMBIOS", "BOARD-1")


def test_the_drivers_errors_are_told_with_what_to_do(site: Site, row: Deployment, tmp_path: Path) -> None:
    line = XidLine(number=79, bus=PLACES[0], at=9, text="NVRM: Xid (PCI:0000:18:00): 79, GPU has fallen off")
    (xid,) = read(
        conclude(site, row, tmp_path, evidence(kernel_log=KernelLog(state="ok", xids=(line, line))))
    ).xid
    assert (xid.number, xid.pci_bus_id, xid.count) == (79, PLACES[0], 2) and xid.action


def test_no_hash_is_named_where_nothing_was_read_back(site: Site, row: Deployment, tmp_path: Path) -> None:
    with site.database.writing() as db:
        db.execute("DELETE FROM events WHERE kind = 'agent.written'")
    assert read(conclude(site, row, tmp_path)).subject.image.sha256 == ""


def test_what_was_not_judged_has_no_report(site: Site, row: Deployment, tmp_path: Path) -> None:
    for verdict in (Verdict("unreachable", ("no answer",)), Verdict("failed", ("no facts",))):
        assert acceptance.conclude(site, row, QUICK, verdict, 0, tmp_path) is None


def test_it_is_compared_with_the_last_report_of_the_same_machine(
    site: Site, row: Deployment, tmp_path: Path, clock: Clock
) -> None:
    first = conclude(site, row, tmp_path)
    assert read(first).baseline.report_id == ""
    with site.database.writing():
        site.database.acceptance_reports.add(first)
    clock.now += 60
    worse = evidence(nvml=nvml(gpu(0, replays=5000), *map(gpu, range(1, 8))))
    baseline = read(conclude(site, row, tmp_path, worse)).baseline
    assert baseline.report_id == first.id
    assert any("replays" in sentence for sentence in baseline.regressions), baseline
    assert (baseline.siblings, baseline.outliers) == (0, ())


def accept(
    site: Site, clock: Clock, name: str, folder: Path, seconds: float, powering: float
) -> StoredReport:
    """A host of the profile whose disk was written in so many seconds, after such a start; its report."""
    mac = f"52:54:00:00:00:{int(name.removeprefix('vc-')):02x}"
    host = site.database.hosts.get("vc-1").model_copy(update={"name": name, "macs": (mac,)})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    row = arm(site, host, site.database.images.all()[0], by="tom")
    disk = WrittenDisk(serial=f"S{name}")
    record(site, row.id, SlotGiven(), source="test")
    record(site, row.id, PowerBegan(nonce=f"n-{row.id}"), source="test")
    clock.now += powering
    record(site, row.id, DhcpSeen(), source="test")
    for event in (
        hello_of(f"n-{row.id}", boot_id=row.id, mac=mac),
        AgentWritten(disk=disk, seconds=seconds, bytes_written=1 << 30),
        OsPhoned(host_keys=(KEY,), address="10.77.0.5"),
    ):
        record(site, row.id, event, source="test")
    stored = conclude(site, site.database.deployments.get(row.id), folder)
    with site.database.writing():
        site.database.acceptance_reports.add(stored)
    return stored


def test_a_slow_disk_and_a_slow_start_are_named_beside_their_siblings(
    site: Site, clock: Clock, tmp_path: Path
) -> None:
    for name in ("vc-2", "vc-3", "vc-4", "vc-5"):
        twin = accept(site, clock, name, tmp_path, 0.5, 200)
    assert read(twin).baseline.outliers == (), "these are alike"
    slow = read(accept(site, clock, "vc-6", tmp_path, 2.0, 900)).baseline
    assert slow.siblings == 4
    assert slow.outliers == (
        "vc-6: writing of the disk 0.5369 GB/s, its 4 siblings 2.147 GB/s",
        "vc-6, powering: stage 900 s, its 4 siblings 200 s",
    )


def test_of_a_sibling_the_newest_report_that_can_be_compared_is(
    site: Site, clock: Clock, tmp_path: Path
) -> None:
    """What a ramdisk saw, or nobody can read, does not take a host out of its siblings."""
    for name in ("vc-2", "vc-3", "vc-4", "vc-5"):
        twin = accept(site, clock, name, tmp_path, 0.5, 200)
        shown = read(twin).model_copy(update={"stack": {"ramdisk": "2.0"}, "report_id": f"a-later-{name}"})
        for number, body in enumerate((canonical.render(shown).decode(), "{}")):
            later = replace(twin, id=f"{twin.id}-{number}", created=clock.now + 1 + number, body=body)
            with site.database.writing():
                site.database.acceptance_reports.add(later)
    slow = read(accept(site, clock, "vc-6", tmp_path, 2.0, 900)).baseline
    assert slow.siblings == 4 and any("writing of the disk" in sentence for sentence in slow.outliers)


def test_a_report_that_cannot_be_read_any_more_is_compared_with_nothing(
    site: Site, row: Deployment, tmp_path: Path
) -> None:
    damaged = replace(conclude(site, row, tmp_path), body="{}")
    with site.database.writing():
        site.database.acceptance_reports.add(damaged)
    assert acceptance.last_report(site, "vc-1") is None
    assert read(conclude(site, row, tmp_path)).baseline.report_id == ""


@pytest.fixture
def verify(site: Site, row: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[[Verdict], Deployment]:
    def verify(verdict: Verdict) -> Deployment:
        monkeypatch.setattr(verification, "run_verification", lambda *_, **__: verdict)
        verification.verify(site, site.database.deployments.get(row.id))
        return site.database.deployments.get(row.id)

    return verify


def test_the_report_is_kept_with_the_event_that_names_it(
    site: Site, row: Deployment, verify: Callable[[Verdict], Deployment]
) -> None:
    after = verify(judged(evidence()))
    (stored,) = site.database.acceptance_reports.of_host("vc-1")
    assert after.stage == Stage.SEALING and after.verdict.report == stored.id
    assert site.database.acceptance_reports.get(stored.id) == stored


def test_what_cannot_be_signed_is_not_accepted(
    site: Site, verify: Callable[[Verdict], Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(body: bytes, key: Path) -> str:
        raise PackError("the key is gone", hint="restore it", code=325)

    monkeypatch.setattr(signing, "sign", refuse)
    after = verify(judged(evidence()))
    assert (after.stage, after.code, after.reason) == (Stage.FAILED, 325, "the key is gone")
    assert site.database.acceptance_reports.of_host("vc-1") == []


def test_reports_go_with_their_machine_and_not_with_its_name(
    site: Site, row: Deployment, verify: Callable[[Verdict], Deployment]
) -> None:
    verify(judged(evidence()))
    (stored,) = site.database.acceptance_reports.of_host("vc-1")
    with site.database.writing():
        host = site.database.hosts.get("vc-1")
        site.database.hosts.rename("vc-1", host.model_copy(update={"name": "vc-9"}))
    assert [one.id for one in site.database.acceptance_reports.of_host("vc-9")] == [stored.id]
    with site.database.writing():
        site.database.hosts.remove("vc-9")
    assert site.database.acceptance_reports.of_host("vc-9") == []
    assert site.database.acceptance_reports.get(stored.id).body == stored.body, "who has it can show it"


def test_a_start_by_kexec_is_said_and_changes_no_verdict(site: Site, row: Deployment, tmp_path: Path) -> None:
    by_firmware = read(conclude(site, row, tmp_path))
    by_kexec = read(conclude(site, row.changed(started_by="kexec"), tmp_path))
    proven = read(conclude(site, row.changed(started_by="kexec", firmware_boot=5.0), tmp_path))
    assert by_kexec.stack["boot"] == "by kexec; its firmware was not seen to start this disk"
    assert "boot" not in by_firmware.stack and "boot" not in proven.stack
    assert by_kexec.verdict == by_firmware.verdict
