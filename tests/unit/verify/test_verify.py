"""Verification without a host: the judgement's sentences, the pinned keys, the inventory, the playbooks."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain import deployment
from provisioner.domain.acceptance import CheckResult, CheckStage, Level, Severity, Status
from provisioner.domain.deployment import WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import VerifyPassed, VerifyTask
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.requirements import AcceptedFirmware, Requirements
from provisioner.domain.stage import Stage
from provisioner.errors import ServiceError
from provisioner.site.site import Site
from provisioner.verify import (
    Expected,
    GpuKind,
    PciDevice,
    SshTarget,
    Verdict,
    ssh,
)
from provisioner.verify.evidence import GpuEvidence, HostFacts, read_facts, read_gpus
from provisioner.verify.evidence_burnin import BurninReport, PeerCopy, SiteCheckReport, read_burnin
from provisioner.verify.judge import host, judge, tasks
from provisioner.verify.model import Evidence, TaskResult
from provisioner.verify.verification import conclude
from provisioner.worker import verification
from tests import healthy_gpus as healthy
from tests.hostile_words import WORDS, faults, texts
from tests.unit.conftest import hello_of

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
MAC = "ac:1f:6b:0a:42:10"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA+b/c="
SAID: dict[str, Any] = {
    "image_id": "vault-os",
    "image_version": "1.1",
    "root_disks": [{"name": "nvme0n1", "serial": "S5XX"}],
    "memory": 503 * GIB,
    "macs": [MAC],
    "pci": ["10de:2330", "8086:0d57", "10de:2330"],
    "machine_id": "3d12",
    "kernel": "6.1.0",
    "cloud_init": "done",
}
FACTS = HostFacts.model_validate(SAID)
H100 = PciDevice("10de:2330", 2, "H100 SXM")
WANTED = Expected("vault-os", "1.1", "S5XX", 512 * GIB, (MAC,), (H100,))
TARGET = SshTarget("vc-1", "10.77.0.5", "provision", Path("/state/secrets/deploy_ed25519"), (KEY,))


def deviations(expected: Expected = WANTED, **said: Any) -> list[str]:
    facts = read_facts(json.dumps(SAID | said))
    assert facts is not None
    return [r.sentence for r in tasks(judge(Evidence(facts), expected)) if r.result == "deviation"]


def test_a_host_that_is_as_wanted_has_no_deviation() -> None:
    facts = read_facts(json.dumps(SAID))
    assert facts is not None
    results = list(tasks(judge(Evidence(facts), WANTED)))
    assert [result.name for result in results] == [
        "image",
        "root disk",
        "memory",
        "network card",
        "pci 10de:2330",
    ]
    assert {result.result for result in results} == {"ok"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"image_version": "1.0"}, "the OS says image vault-os 1.0, deployed was vault-os 1.1"),
        (
            {"image_id": "", "image_version": ""},
            "the OS says nothing of an image (no IMAGE_ID in os-release), deployed was vault-os 1.1",
        ),
        (
            {"root_disks": [{"name": "sda", "serial": "OLD"}]},
            "the root file system is on disk serial OLD, written was S5XX",
        ),
        (
            {"root_disks": [{"name": "sda", "serial": ""}]},
            "the root file system is on disk sda, which shows no serial, written was S5XX",
        ),
        ({"root_disks": []}, "the root file system is on no disk that is known, written was S5XX"),
        ({"memory": int(15.6 * GIB)}, "memory 15.6 GiB, the profile wants at least 512 GiB"),
        ({"macs": []}, f"network card {MAC} is missing"),
        ({"pci": ["10de:2330"]}, "2 PCI devices 10de:2330 (H100 SXM) expected, 1 found"),
        ({"pci": ["10de:2330"] * 3}, "2 PCI devices 10de:2330 (H100 SXM) expected, 3 found"),
    ],
)
def test_each_deviation_has_its_sentence(said: dict[str, Any], sentence: str) -> None:
    assert deviations(**said) == [sentence]


VOLUME = {"name": "sda", "serial": "PDNLH0BRH00001", "wwn": "naa.600508b1001c7ef0a5d2c1b4e3f60718"}


@pytest.mark.parametrize(
    ("serial", "wwn", "sentences"),
    [
        ("PDNLH0BRH00001", "0x600508b1001c7ef0a5d2c1b4e3f60718", []),
        ("PDNLH0BRH00001", "", []),
        ("", "naa.600508B1001C7EF0A5D2C1B4E3F60718", []),
        ("pdnlh0brh00001 ", "", []),
        (
            "PDNLH0BRH00001",
            "naa.600508b1001c7ef0a5d2c1b4e3f60719",
            [
                "the root file system is on disk serial PDNLH0BRH00001 naa.600508b1001c7ef0a5d2c1b4e3f60718, "
                "written was PDNLH0BRH00001 naa.600508b1001c7ef0a5d2c1b4e3f60719"
            ],
        ),
    ],
)
def test_of_volumes_with_one_serial_the_wwn_tells_which_has_the_root(
    serial: str, wwn: str, sentences: list[str]
) -> None:
    expected = replace(WANTED, root_disk_serial=serial, root_disk_wwn=wwn)
    assert deviations(expected, root_disks=[VOLUME]) == sentences


@pytest.mark.parametrize("wanted", [300 << 20, 900 << 20, 1 << 30, 1100 << 20, 2 << 30, 16 << 30, 2 << 40])
def test_too_little_memory_never_reads_as_enough(wanted: int) -> None:
    allowed = max(int(wanted * host.MEMORY_TOLERANCE), host.MEMORY_FLOOR)
    expected = replace(WANTED, memory_min=wanted)
    assert deviations(expected, memory=wanted - allowed) == []
    (sentence,) = deviations(expected, memory=wanted - allowed - 1)
    has, wants = re.findall(r"([0-9.]+) GiB", sentence)
    assert float(has) < float(wants)


CARDS = {  # MiB as NVML shows them (drivers from R510 on), gigabytes on the label
    "Quadro RTX 6000, ECC on": (23040, 24),
    "A10": (23028, 24),
    "A16": (15356, 16),
    "A100 40": (40960, 40),
    "A100 80": (81920, 80),
    "L4": (23034, 24),
    "L40S": (46068, 48),
    "T4": (15360, 16),
    "V100 32": (32510, 32),
    "H100 SXM": (81559, 80),
    "H100 NVL": (95830, 94),
    "H200": (143771, 141),
    "B200": (183359, 180),
    "GB200": (189471, 186),
    "RTX 5090": (32607, 32),
    "RTX PRO 6000": (97887, 96),
}


@pytest.mark.parametrize(("mebibytes", "label"), CARDS.values(), ids=list(CARDS))
def test_a_healthy_card_has_the_memory_of_its_label_and_of_no_larger_one(mebibytes: int, label: int) -> None:
    def faults(memory_min: int) -> list[str]:
        said = json.dumps(
            {
                "state": "ok",
                "driver": "580.95.05",
                "graphics": [{"bus": "0000:18:00.0", "id": "10de:2330", "driver": "nvidia"}],
                "gpus": [
                    {"index": 0, "bus": "0000:18:00.0", "id": "10de:2330", "uuid": "G"}
                    | {"memory": mebibytes << 20}
                ],
            }
        )
        report = read_gpus(said)
        assert report
        kind = GpuKind("10de:2330", 1, memory_min=memory_min << 30)
        expected = replace(WANTED, gpu_driver="580", gpus=(kind,))
        evidence = Evidence(FACTS, GpuEvidence(nvml=report))
        return [r.sentence for r in tasks(judge(evidence, expected)) if r.result == "deviation"]

    assert faults(label) == []
    assert len(faults(label * 5 // 4)) == 1


@pytest.mark.parametrize(
    ("pci", "gpus_said", "sentences"),
    [
        (
            [H100.id],
            {
                "state": "ok",
                "driver": "580.1",
                "gpus": [{"index": 0, "bus": "0:1:0.0", "id": H100.id, "uuid": "G"}],
            },
            ["2 GPUs 10de:2330 expected, NVML shows 1"],
        ),
        (
            [],
            {"state": "not loaded"},
            ["no GPU of NVIDIA's is on the PCI bus, 2 10de:2330 expected; its kernel module is not loaded"],
        ),
        (
            [H100.id],
            {"state": "no module"},
            [
                "2 PCI devices 10de:2330 (H100 SXM) expected, 1 found",
                "the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked",
            ],
        ),
    ],
    ids=("NVML counts them", "nothing to drive", "NVML does not count"),
)
def test_a_gpu_that_is_missing_is_told_once(
    pci: list[str], gpus_said: dict[str, Any], sentences: list[str]
) -> None:
    facts, report = read_facts(json.dumps(SAID | {"pci": pci})), read_gpus(json.dumps(gpus_said))
    assert facts and report
    expected = replace(WANTED, gpu_driver="580", gpus=(GpuKind(H100.id, 2),))
    results = tasks(judge(Evidence(facts, GpuEvidence(nvml=report)), expected))
    assert [result.sentence for result in results if result.result == "deviation"] == sentences


def test_one_device_is_called_a_device() -> None:
    expected = replace(WANTED, pci=(PciDevice("15b3:1021", 1),))
    assert deviations(expected) == ["1 PCI device 15b3:1021 expected, 0 found"]


def test_what_was_not_asked_is_not_checked() -> None:
    expected = Expected("vault-os", "1.1", "", 0, (), ())
    assert deviations(expected, root_disks=[], memory=0, macs=[], pci=[]) == []


def test_a_card_that_is_named_twice_is_checked_once_and_in_any_case() -> None:
    assert deviations(replace(WANTED, macs=(MAC.upper(), MAC.upper())), macs=[]) == [
        f"network card {MAC.upper()} is missing"
    ]
    assert deviations(replace(WANTED, macs=(MAC.upper(),))) == []


@pytest.mark.parametrize(
    ("wanted", "least"), [(512 * GIB, 512 * GIB * 0.93), (GIB, GIB * 0.93), (GIB // 2, GIB // 2 - (64 << 20))]
)
def test_memory_may_lack_what_firmware_and_kernel_keep_and_no_more(wanted: int, least: float) -> None:
    expected = replace(WANTED, memory_min=wanted)
    assert deviations(expected, memory=int(least) + 1) == []
    assert len(deviations(expected, memory=int(least) - 1)) == 1


@pytest.mark.parametrize(
    "text", ["", "Welcome!", "[]", json.dumps(SAID | {"memory": -1}), json.dumps(SAID | {"macs": "x"})]
)
def test_anything_but_the_facts_is_not_read(text: str) -> None:
    assert read_facts(text) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": "fine"}', '{"state": "ok", "gpus": [{}]}'])
def test_anything_but_gpus_is_not_read(text: str) -> None:
    assert read_gpus(text) is None


def test_nvml_is_asked_for_what_the_profile_says_and_only_with_a_driver(site: Site, verifying: str) -> None:
    row = site.database.deployments.get(verifying)
    h100 = Gpu(id="10de:2330", count=8, name="H100", memory_min=80 * GIB, link_width=16, ecc=True)
    for driver, cards, kinds in (
        ("", (Gpu(id="10de:2330", count=8),), ()),
        ("580", (h100,), (GpuKind("10de:2330", 8, "H100", 80 * GIB, 16, ecc=True),)),
    ):
        profile = Profile(name="cube", gpu_driver=driver, gpus=cards)
        site.database.put_inventory([], [profile], site.settings.hosts_range)
        expected = verification.expected_of(site, row)
        assert (expected.gpu_driver, expected.gpus) == (driver, kinds)
        assert expected.pci == (PciDevice("10de:2330", 8, cards[0].name),)


def test_a_hosts_text_cannot_command_the_terminal() -> None:
    assert deviations(image_version="\x1b[2J") == [
        "the OS says image vault-os \\x1b[2J, deployed was vault-os 1.1"
    ]


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_nothing_that_a_host_prints_is_kept_or_told_as_it_came(words: str) -> None:
    short = words[:20]
    exact = {"image_version": short, "macs": [short], "pci": [short], "machine_id": short}
    disks = [{"name": words, "serial": short}]
    facts = read_facts(json.dumps(SAID | exact | {"kernel": words, "cloud_init": words, "root_disks": disks}))
    report = read_gpus(json.dumps({"state": "error", "reason": words, "driver": short}))
    assert facts and report
    evidence = Evidence(facts, GpuEvidence(nvml=report))
    results = judge(evidence, replace(WANTED, gpu_driver="580"))
    told = [result.sentence for result in tasks(results)]
    kept = Verdict("rejected", tuple(told), evidence, results).as_data()
    assert [fault for text in texts(kept) for fault in faults(text)] == [] and len(told) > 4


FLOODS = {
    "more digits than Python reads": "9" * 5000,
    "no number": "NaN",
    "infinite": "1e400",
    "beyond 63 bits": str(1 << 63),
    "nested too deeply": "[" * 200_000,
    "too long a text": '"' + "x" * (5 << 20) + '"',
}


@pytest.mark.parametrize("memory", FLOODS.values(), ids=FLOODS.keys())
def test_numbers_without_end_and_other_floods_are_no_facts(memory: str) -> None:
    assert read_facts(json.dumps(SAID | {"memory": 0}).replace('"memory": 0', f'"memory": {memory}')) is None


def test_the_verdict_is_plain_data() -> None:
    facts = read_facts(json.dumps(SAID))
    assert facts is not None
    kept = deployment.Verdict.model_validate(Verdict("passed", ("a",), Evidence(facts)).as_data())
    assert deployment.Verdict.model_validate_json(kept.model_dump_json()) == kept
    assert kept.facts["pci"] == {"10de:2330": 2, "8086:0d57": 1}


def test_the_hosts_keys_are_pinned_without_comments_and_with_the_port_where_it_is_another() -> None:
    assert ssh.known_hosts_text(replace(TARGET, host_keys=(f"{KEY} root@vc-1\n",))) == f"10.77.0.5 {KEY}\n"
    assert ssh.known_hosts_text(replace(TARGET, port=2222)) == f"[10.77.0.5]:2222 {KEY}\n"


def test_a_line_that_is_no_key_is_not_pinned() -> None:
    smuggled = f"{KEY}\n* {KEY}"
    assert (
        ssh.known_hosts_text(replace(TARGET, host_keys=("@cert-authority *", smuggled, KEY)))
        == f"10.77.0.5 {KEY}\n"
    )
    with pytest.raises(ServiceError, match="told no SSH host key"):
        ssh.known_hosts_text(replace(TARGET, host_keys=(smuggled, "")))


def test_the_inventory_names_the_pinned_keys_and_nothing_secret(tmp_path: Path) -> None:
    with ssh.route(TARGET, tmp_path) as route:
        values = ssh.inventory(route)["all"]["hosts"]["vc-1"]
        assert len(str(route.control)) < 90  # ssh adds 17 bytes while it connects, the limit is 107
    arguments = values.pop("ansible_ssh_args")
    for option in (
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={tmp_path / 'known_hosts'}",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ControlMaster=auto",
    ):
        assert f"-o {option}" in arguments
    assert values == {
        "ansible_host": "10.77.0.5",
        "ansible_port": 22,
        "ansible_user": "provision",
        "ansible_ssh_private_key_file": "/state/secrets/deploy_ed25519",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_pipelining": True,
    }


@pytest.mark.parametrize("name", ["verify", "seal"])
def test_the_playbooks_are_well_formed(name: str) -> None:
    playbook = Path(sys.executable).with_name("ansible-playbook")
    argv = [playbook, "--syntax-check", "-i", "vc-1,", ROOT / f"ansible/{name}.yml"]
    done = run.run(argv, env={"LC_ALL": "C.UTF-8", "PATH": f"{playbook.parent}:{os.environ['PATH']}"})
    assert f"playbook: {ROOT}/ansible/{name}.yml" in done.stdout.decode()


@pytest.fixture
def verifying(site: Site) -> str:
    """The id of a deployment whose host has phoned home."""
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="tom")
    for event in (
        SlotGiven(),
        PowerBegan(nonce="n"),
        hello_of("n"),
        AgentWritten(disk=WrittenDisk(serial="S5XX")),
        OsPhoned(host_keys=(KEY,), address="10.77.0.5"),
    ):
        record(site, row.id, event, source="test")
    return row.id


@pytest.mark.parametrize(
    ("result", "stage", "code"),
    [
        ("passed", Stage.SEALING, 0),
        ("rejected", Stage.REJECTED, 501),
        ("incomplete", Stage.REJECTED, 504),
        ("failed", Stage.FAILED, 502),
        ("unreachable", Stage.VERIFYING, 0),
    ],
)
def test_each_verdict_leads_to_its_stage(
    site: Site, verifying: str, monkeypatch: pytest.MonkeyPatch, result: Any, stage: Stage, code: int
) -> None:
    check = CheckResult(
        id="kernel.log",
        title="log",
        stage=CheckStage.VALIDATION,
        status=Status.ERROR,
        severity=Severity.REQUIRED,
        reason="because",
        action="open the log",
    )
    verdict = Verdict(result, ("because",) if result != "passed" else (), checks=(check,))
    monkeypatch.setattr(verification, "run_verification", lambda *_, **__: verdict)
    verification.verify(site, site.database.deployments.get(verifying))
    row = site.database.deployments.get(verifying)
    assert (row.stage, row.code, row.reason) == (stage, code, "because" if code else "")
    assert bool(row.hint) == bool(code)
    if result == "incomplete":
        assert row.hint == "open the log; then: provision retry vc-1"
    if result in ("passed", "rejected", "incomplete"):
        assert row.verdict.checks == (check,), "nothing of it is lost"
        assert site.database.deployments.get(verifying).verdict.checks == (check,)


@pytest.mark.parametrize(
    ("result", "stage"),
    [("passed", Stage.READY), ("failed", Stage.FAILED), ("unreachable", Stage.SEALING)],
)
def test_a_host_that_is_unreachable_while_it_is_sealed_is_tried_again(
    site: Site, verifying: str, monkeypatch: pytest.MonkeyPatch, result: Any, stage: Stage
) -> None:
    record(site, verifying, VerifyPassed(), source="test")
    monkeypatch.setattr(verification, "run_sealing", lambda *_, **__: Verdict(result, ("because",)))
    verification.seal(site, site.database.deployments.get(verifying))
    row = site.database.deployments.get(verifying)
    assert (row.stage, row.last_event) == (
        stage,
        {"passed": "seal.done", "failed": "seal.failed", "unreachable": "seal.task"}[result],
    )


@pytest.mark.parametrize(
    ("seen", "expected", "result", "sentences"),
    [
        (healthy.evidence(), healthy.FULL, "passed", ()),
        (
            healthy.evidence(healthy.nvml(*map(healthy.gpu, range(7)))),
            healthy.FULL,
            "rejected",
            (
                "GPU 0000:db:00.0 in slot 8 (10de:2330, driver nvidia) is on the PCI bus and missing "
                "from NVML",
            ),
        ),
        (
            healthy.evidence(burnin=None),
            replace(healthy.FULL, acceptance=Requirements(level=Level.STANDARD)),
            "incomplete",
            (
                "the burn-in was not made, or printed nothing that can be read",
                "the burn-in was not made: see burnin.run",
            ),
        ),
    ],
)
def test_a_verdict_is_what_the_checks_come_to(
    seen: Evidence, expected: Expected, result: str, sentences: tuple[str, ...]
) -> None:
    told: list[TaskResult] = []
    verdict = conclude(seen, expected, told.append)
    assert (verdict.result, verdict.sentences[: len(sentences)]) == (result, sentences)
    assert bool(verdict.sentences) == bool(sentences)
    assert verdict.checks == judge(seen, expected) and told == list(tasks(verdict.checks))


def test_a_verdict_keeps_all_evidence_and_all_checks() -> None:
    check = SiteCheckReport(name="nfs", status="error", reason="it is not there")
    peer = PeerCopy.model_validate({"from": "GPU-0", "to": "GPU-1", "state": "ok"})
    seen = healthy.evidence(site_checks=(check,), burnin=healthy.burnin(peers=(peer,)))
    verdict = conclude(seen, healthy.FULL, lambda task: None)
    kept = deployment.Verdict.model_validate_json(json.dumps(verdict.as_data()))
    assert kept.checks == verdict.checks
    names = {"nvml", "pcie", "kernel_log", "firmware", "container", "burnin", "site_checks"}
    assert names < set(kept.facts) and seen.burnin
    assert BurninReport.model_validate(kept.facts["burnin"]) == seen.burnin


def test_a_host_that_prints_megabytes_makes_no_row_and_no_story_of_megabytes() -> None:
    """All of it is in the run's evidence, and each finding in the report."""
    copies = [
        PeerCopy.model_validate({"from": f"GPU-{n}", "to": "x" * 200, "state": "error", "reason": "y" * 200})
        for n in range(4096)
    ]
    told: list[TaskResult] = []
    seen = healthy.evidence(burnin=healthy.burnin(peers=tuple(copies)))
    verdict = conclude(seen, healthy.FULL, told.append)
    assert verdict.result == "rejected" and len(verdict.checks) > 4096
    assert len(verdict.sentences) == 51 and verdict.sentences[-1] == "and 4046 more"
    assert len(told) == 401 and told[-1].sentence.startswith("and ")
    facts = verdict.as_data()["facts"]
    assert (
        isinstance(facts, dict)
        and set(facts) == {"left_out"}
        and "see the run's evidence" in facts["left_out"]
    )


def test_a_burn_in_that_brings_four_megabytes_of_dcgm_is_read_whole() -> None:
    """The program keeps so much of what dcgmi printed (LONGEST_OUTPUT), with an escape for each quote."""
    whole = {**healthy.burnin().model_dump(mode="json"), "raw": '"' * (4 << 20)}
    found = read_burnin(json.dumps(whole))
    assert found is not None and found == healthy.burnin()


def test_a_verdict_of_an_older_release_is_read() -> None:
    old = deployment.Verdict.model_validate({"result": "passed", "sentences": [], "facts": {"pci": {}}})
    assert old.checks == ()
    assert VerifyPassed(verdict=old).describe() == "the host is what its profile says"


def test_warnings_are_told_with_the_pass() -> None:
    old = healthy.nvml(*(healthy.gpu(number, ecc_aggregate_uncorrected=1) for number in range(8)))
    verdict = conclude(healthy.evidence(old), healthy.FULL, lambda task: None)
    passed = VerifyPassed(verdict=deployment.Verdict.model_validate(verdict.as_data()))
    assert passed.describe() == "the host is what its profile says, with 8 warnings"
    one = healthy.nvml(healthy.gpu(0, ecc_aggregate_uncorrected=1), *map(healthy.gpu, range(1, 8)))
    verdict = conclude(healthy.evidence(one), healthy.FULL, lambda task: None)
    passed = VerifyPassed(verdict=deployment.Verdict.model_validate(verdict.as_data()))
    assert passed.describe() == "the host is what its profile says, with 1 warning"


@pytest.mark.parametrize(
    ("result", "words"),
    [("ok", "so"), ("deviation", "so"), ("warning", "warning: so"), ("unproved", "not checked: so")],
)
def test_a_check_that_is_neither_good_nor_bad_says_which(result: str, words: str) -> None:
    assert VerifyTask(task="xid", result=result, sentence="so").describe() == words


def test_a_profiles_demands_reach_the_judge(site: Site, verifying: str) -> None:
    row = site.database.deployments.get(verifying)
    demands = Requirements(level=Level.FULL, required=("firmware.versions",))
    cube = Gpu(id="10de:2330", nvlinks=18, power_limit=700, mig=False, persistence=True, vbios=("96.00",))
    profile = Profile(
        name="cube",
        gpu_driver="580",
        gpus=(cube,),
        acceptance=demands,
        firmware=AcceptedFirmware(bios=("2.1",)),
    )
    site.database.put_inventory([], [profile], site.settings.hosts_range)
    expected = verification.expected_of(site, row)
    assert (expected.acceptance, expected.firmware) == (demands, profile.firmware)
    [kind] = expected.gpus
    assert (kind.nvlinks, kind.power_limit, kind.mig, kind.persistence, kind.vbios) == (
        *(18, 700, False, True),
        ("96.00",),
    )
