"""What a host's scripts print of GPUs: read within bounds, kept as plain data, or refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provisioner.domain import deployment
from provisioner.verify import Expected, GpuKind, SshTarget, Verdict, ansible, run, ssh
from provisioner.verify.evidence import MOST_XIDS, GpuEvidence, HostFacts, read_evidence, unreadable
from provisioner.verify.model import Evidence
from tests.hostile_words import WORDS, faults, texts

FACTS = {
    **{"image_id": "vault-os", "image_version": "1", "root_disks": [], "memory": 1 << 40, "macs": []},
    **{"pci": [], "machine_id": "m", "kernel": "6.8", "cloud_init": "done"},
}
XID = {"number": 31, "bus": "0000:18:00.0", "at": 3.5, "text": "MMU Fault"}
LINK = {"number": 0, "active": True, "version": 6, "remote": "0000:04:00.0", "errors": 2}
PRINTED: dict[str, dict[str, Any]] = {
    "nvml": {"state": "ok", "driver": "580.95.05", "cuda": "13.0", "gpus": [{"index": 0, "nvlinks": [LINK]}]},
    "pcie": {"gpus": ["0000:18:00.0"], "functions": [{"bus": "0000:18:00.0", "width": 16, "speed": 32.0}]},
    "kernel_log": {"state": "ok", "boot": "b", "xids": [XID]},
    "firmware": {"serial": "S1", "parts": [{"part": "bios", "version": "2.4"}], "stack": {"docker": "28"}},
    "container": {"state": "ok", "before": ["GPU-1"], "after": ["GPU-1"]},
}
WANTED = Expected("vault-os", "1", "", 0, (), (), "580", (GpuKind("10de:2330", 0),))
TARGET = SshTarget("vc-1", "10.77.0.5", "provision", Path("/key"), ())


def read(**printed: Any) -> GpuEvidence:
    return read_evidence({name: json.dumps(said) for name, said in printed.items()})


def test_what_was_not_asked_is_unknown_and_what_was_is_kept() -> None:
    assert read() == GpuEvidence()
    evidence = read(**PRINTED)
    assert None not in [getattr(evidence, name) for name in GpuEvidence.model_fields]
    kept = evidence.as_data()
    assert list(kept) == list(PRINTED)
    assert json.loads(json.dumps(kept))["nvml"]["gpus"][0]["nvlinks"] == [LINK]


def test_a_verdict_with_all_evidence_is_plain_data() -> None:
    evidence = Evidence(HostFacts.model_validate(FACTS), read(**PRINTED))
    kept = deployment.Verdict.model_validate(Verdict("passed", (), evidence).as_data())
    assert deployment.Verdict.model_validate_json(kept.model_dump_json()) == kept
    assert set(kept.facts) == {*PRINTED, *FACTS}


def test_of_a_log_without_end_an_event_has_the_first_lines_and_how_many_more_there_are() -> None:
    many = {"state": "ok", "xids": [{**XID, "number": number} for number in range(2000)]}
    kept: Any = read(kernel_log=many).as_data()["kernel_log"]
    assert [xid["number"] for xid in kept["xids"]] == list(range(MOST_XIDS))
    assert kept["left_out"] == 2000 - MOST_XIDS
    few: Any = read(kernel_log={"state": "ok", "xids": [XID]}).as_data()["kernel_log"]
    assert "left_out" not in few


# what no script of ours prints, and a stranger might
FLOODS = {
    "more Xid lines": ("kernel_log", {"state": "ok", "xids": [XID] * 2001}),
    "a time without end": ("kernel_log", {"state": "ok", "xids": [{**XID, "at": float("inf")}]}),
    "another state": ("kernel_log", {"state": "fine"}),
    "no speed": ("pcie", {"functions": [{"bus": "0000:18:00.0", "speed": float("nan")}]}),
    "a width below nothing": ("pcie", {"functions": [{"bus": "0000:18:00.0", "width": -1}]}),
    "a tree without end": ("pcie", {"functions": [{"bus": "b"}] * 513}),
    "a power without end": ("nvml", {"state": "ok", "gpus": [{"index": 0, "power": float("inf")}]}),
    "links without end": ("nvml", {"state": "ok", "gpus": [{"index": 0, "nvlinks": [LINK] * 65}]}),
    "counters beyond 63 bits": (
        "nvml",
        {"state": "ok", "gpus": [{"index": 0, "ecc_volatile_corrected": 1 << 63}]},
    ),
    "a part of its own": ("firmware", {"parts": [{"part": "toaster", "version": "1"}]}),
    "programs without end": ("firmware", {"stack": {str(number): "1" for number in range(65)}}),
    "UUIDs without end": ("container", {"state": "ok", "before": ["GPU-1"] * 65}),
    "a long UUID": ("container", {"state": "ok", "before": ["GPU" * 500]}),
    "a list": ("container", [1, 2]),
}


@pytest.mark.parametrize(("name", "said"), FLOODS.values(), ids=list(FLOODS))
def test_floods_and_what_is_no_evidence_are_not_read(name: str, said: Any) -> None:
    assert getattr(read(**{name: said}), name) is None
    assert unreadable({name: json.dumps(said)}) == [name]
    assert unreadable({name: json.dumps(PRINTED[name])}) == []


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_nothing_of_it_is_kept_as_it_came(words: str) -> None:
    short = words[:20]
    evidence = read(
        nvml={"state": "ok", "cuda": words, "gpus": [{"index": 0, "nvlinks": [{**LINK, "remote": short}]}]},
        pcie={
            "gpus": [short],
            "functions": [{"bus": short, "parent": short, "slot": words}],
            "reason": words,
        },
        kernel_log={"state": "cut", "reason": words, "boot": short, "xids": [{**XID, "text": words}]},
        firmware={
            **dict.fromkeys(("product", "serial", "board", "board_serial", "uuid"), short),
            **{"cpu": words, "stack": {"docker": words}},
            "parts": [{"part": "nic", "place": short, "version": short, "about": words}],
        },
        container={"state": "error", "reason": words, "before": [short], "after": [short]},
    )
    assert None not in [getattr(evidence, name) for name in GpuEvidence.model_fields]
    assert [fault for text in texts(evidence.as_data()) for fault in faults(text)] == []


@pytest.fixture
def printing(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the playbook's tasks print, without a host."""
    outputs = {"read facts": json.dumps(FACTS), "read GPUs": json.dumps(PRINTED["nvml"])}

    @contextmanager
    def route(target: SshTarget, work: Path) -> Iterator[None]:
        yield

    monkeypatch.setattr(ssh, "route", route)
    monkeypatch.setattr(ansible, "run_playbook", lambda *_, **__: ansible.PlayResult(outputs=outputs))
    return outputs


def verify(work: Path) -> Verdict:
    return run(TARGET, WANTED, on_task=lambda task: None, work=work, seconds=60)


@pytest.mark.parametrize(
    "task", ["read PCIe", "read the kernel log", "read firmware", "read GPUs in a container"]
)
def test_a_host_that_prints_something_else_has_failed(
    task: str, printing: dict[str, str], tmp_path: Path
) -> None:
    assert verify(tmp_path).result != "failed"
    printing[task] = '{"state": "accepted"'
    verdict = verify(tmp_path)
    assert (verdict.result, verdict.sentences) == ("failed", ("vc-1 printed no facts that can be read",))


def test_raw_evidence_of_an_earlier_run_does_not_stay(printing: dict[str, str], tmp_path: Path) -> None:
    printing["read PCIe"] = json.dumps(PRINTED["pcie"])
    verify(tmp_path)
    assert json.loads((tmp_path / "evidence/pcie.json").read_text()) == PRINTED["pcie"]
    del printing["read PCIe"]
    verify(tmp_path)
    assert sorted(path.name for path in (tmp_path / "evidence").iterdir()) == ["facts.json", "nvml.json"]
