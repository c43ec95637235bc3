"""A rehearsal's report: good when every check holds, whatever its deployment was meant to end as."""

import json
from pathlib import Path

import pytest

from provisioner.lab import report
from provisioner.lab.report import Check, HostReport, ImageReport, Report, StageReport


def test_a_deployment_that_had_to_fail_makes_a_good_rehearsal() -> None:
    found = Report("corrupt-pack", result="failed", checks=[Check("the sentence", True, "damaged")])
    assert found.is_good


def test_one_check_that_does_not_hold_makes_it_bad() -> None:
    found = Report("deploy", result="ready", checks=[Check("a", True, ""), Check("b", False, "")])
    assert not found.is_good


def test_a_rehearsal_in_which_nothing_was_checked_is_not_good() -> None:
    assert not Report("deploy", result="ready").is_good


def test_several_reports_are_one_file_with_one_result(tmp_path: Path) -> None:
    good = Report("a", checks=[Check("x", True, "")], label="commit")
    bad = Report("b", checks=[Check("x", False, "")])
    report.write(tmp_path / "new" / "r.json", [good, bad], 2)
    body = json.loads((tmp_path / "new" / "r.json").read_text())
    assert (body["schema_version"], body["result"], body["label"]) == (1, "failed", "commit")
    assert [run["scenario"] for run in body["runs"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ("its disk is whole", "its disk is whole"),
        ("No problems found.\n3 free sectors\n", "No problems found.; 3 free sectors"),
        ("ready\r\n\r\n  verified\n\n", "ready; verified"),
        ("a line\vanother\fa third\u2028a last", "a line; another; a third; a last"),
        ("\x1b[2J stays what it is", "\x1b[2J stays what it is"),
        ("", ""),
    ],
)
def test_a_summary_has_a_line_for_each_thing_whatever_was_seen(seen: str, shown: str) -> None:
    found = Report("deploy", checks=[Check("the disk", True, seen), Check("the rest", False, seen)])
    found.hosts.append(HostReport("vault-1", "52:54:00:77:01:01", "uefi", "virtio", "failed", seen))
    lines = found.lines()
    assert not [line for line in lines if len(line.splitlines()) > 1]
    assert [line for line in lines if "the " in line[:8]] == [
        f"  ✓ the disk: {shown}".rstrip(),
        f"  ✗ the rest: {shown}".rstrip(),
    ]
    assert f"  host     vault-1 52:54:00:77:01:01, virtio: failed {shown}".rstrip() in lines
    assert found.as_data()["checks"][0]["seen"] == seen, "the file has it as it was"  # type: ignore[index]


def test_a_report_s_json_is_named_field_by_field() -> None:
    made = Report("deploy", result="ready", seconds=9.5, checks=[Check("x", True, "seen")])
    assert made.as_data()["image"] == {}, "nothing was built yet"
    made.stages.append(StageReport("writing", 4.5))
    made.hosts.append(HostReport("vault-1", "52:54:00:77:01:01", "uefi", "virtio 1024 MiB", "ready"))
    made.image = ImageReport("os@1", 10, "ab" * 32, 5)
    data = made.as_data()
    assert (data["schema_version"], data["scenario"], data["seconds"]) == (1, "deploy", 9.5)
    assert data["stages"] == [{"name": "writing", "seconds": 4.5}]
    assert data["image"] == {"name": "os@1", "raw": 10, "sha256": "ab" * 32, "pack": 5}
    assert data["hosts"] == [
        {
            "name": "vault-1",
            "mac": "52:54:00:77:01:01",
            "firmware": "uefi",
            "disk": "virtio 1024 MiB",
            "result": "ready",
            "diagnosis": "",
            "seconds": 0,
        }
    ]
    assert data["checks"] == [{"name": "x", "ok": True, "seen": "seen"}]
    assert {"accelerator", "versions", "firmware", "label", "kept"} < set(data)
