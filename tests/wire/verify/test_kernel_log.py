"""The script that reads the kernel's log, over a file in /dev/kmsg's form and a stand-in for journalctl."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.verify.evidence import KernelLog, XidLine, read_evidence
from tests.wire import nvmllab

SCRIPT = nvmllab.ROOT / "ansible/files/kernel_log.py"
PROGRAM = Path(__file__).with_name("programs") / "journalctl.py"
BEGIN = "6,0,0,-;Linux version 6.8.0-85-generic (buildd@lcy02-amd64-019)"
BOOT = "7f1d2c60-0c8d-4f0e-9a56-5d9b6a3f1c22"
LOST = "the kernel's buffer has lost 100 lines before its line 100"
MISSED = "e9bf28e6e834481bb6f48f548ad13606"


def kmsg(*messages: str, first: int = 0, priority: int = 4) -> list[str]:
    """Records as /dev/kmsg has them, a second apart."""
    return [
        f"{priority},{number},{number * 1_000_000},-;{text}" for number, text in enumerate(messages, first)
    ]


def entry(message: Any, second: int, **other: str) -> str:
    """An entry as `journalctl -o json` prints it (systemd's Journal JSON Format)."""
    known = {
        "_TRANSPORT": "kernel",
        "SYSLOG_FACILITY": "0",
        "SYSLOG_IDENTIFIER": "kernel",
        "_BOOT_ID": BOOT.replace("-", ""),
        "_SOURCE_MONOTONIC_TIMESTAMP": str(second * 1_000_000),
        "__MONOTONIC_TIMESTAMP": str(second * 1_000_000 + 4711),
        "MESSAGE": message,
    }
    return json.dumps({**known, **other})


def ask(folder: Path, lines: list[str] | None, journal: list[str] | None = None) -> KernelLog:
    """What the script prints; without lines the kernel's log is closed, without a journal there is none."""
    (folder / "boot").write_text(BOOT + "\n")
    (folder / "bin").mkdir()
    if lines is not None:
        (folder / "kmsg").write_text("".join(f"{line}\n" for line in lines))
    if journal is not None:
        (folder / "journal").write_text("".join(f"{line}\n" for line in journal))
        (folder / "bin/journalctl").symlink_to(PROGRAM)
    done = run.run(
        ["/usr/bin/python3", "-", folder / "kmsg", folder / "boot"],
        stdin=SCRIPT.read_bytes(),
        env={"PATH": str(folder / "bin"), "JOURNAL": str(folder / "journal")},
    )
    said = read_evidence({"kernel_log": done.stdout.decode()}).kernel_log
    assert said is not None, done.stdout
    return said


FORMS = {
    "since driver 450": (
        "NVRM: Xid (PCI:0000:18:00): 79, pid=1234, name=python3, GPU has fallen off the bus.",
        (79, "0000:18:00.0", "pid=1234, name=python3, GPU has fallen off the bus."),
    ),
    "older": (
        "NVRM: Xid (0000:18:00): 31, Ch 00000010, intr 10000000. MMU Fault",
        (31, "0000:18:00.0", "Ch 00000010, intr 10000000. MMU Fault"),
    ),
    "with the function": (
        "NVRM: Xid (PCI:0000:18:00.0): 48, pid=77, An uncorrectable double bit error (DBE) has been detected",
        (48, "0000:18:00.0", "pid=77, An uncorrectable double bit error (DBE) has been detected"),
    ),
    "in capitals, with a long domain": (
        "NVRM: Xid (PCI:00000001:9A:00): 94, pid='<unknown>', Contained: SM (0x1). RST: No",
        (94, "0001:9a:00.0", "pid='<unknown>', Contained: SM (0x1). RST: No"),
    ),
    "on a line of its own": ("NVRM: Xid (PCI:0000:18:00): 43", (43, "0000:18:00.0", "")),
    "of an NVSwitch": (
        "nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 20034, Fatal, Link 30 LTSSM Fault Up",
        (20034, "0000:04:00.0", "SXid of NVSwitch nvidia-nvswitch3: Fatal, Link 30 LTSSM Fault Up"),
    ),
    "of an NVSwitch, with zeros": (
        "nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 00142, Non-fatal, Link 28 x",
        (142, "0000:c3:00.0", "SXid of NVSwitch nvidia-nvswitch0: Non-fatal, Link 28 x"),
    ),
    "without an Xid": (
        "NVRM: The NVIDIA GPU 0000:b3:00.0\\x0aNVRM: (PCI ID: 10de:26b5) installed in this system has"
        "\\x0aNVRM: fallen off the bus and is not responding to commands.",
        (79, "0000:b3:00.0", "without an Xid: GPU has fallen off the bus and is not responding to commands"),
    ),
}


@pytest.mark.parametrize(("line", "fault"), FORMS.values(), ids=list(FORMS))
def test_each_form_of_a_fault_is_read(line: str, fault: tuple[int, str, str], tmp_path: Path) -> None:
    said = ask(tmp_path, [BEGIN, *kmsg("NVRM: loading NVIDIA UNIX Open Kernel Module", line, first=1)])
    number, bus, text = fault
    assert said == KernelLog(state="ok", boot=BOOT, xids=(XidLine(number=number, bus=bus, at=2, text=text),))


OTHERS = {
    "a further line of an SXid": "nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 20034, Severity 0 Engine 30",
    "its data": "nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 20034, Data {0x50b50000, 0x00000001}",
    "a sentence of it": "NVRM: GPU 0000:9a:00.0: GPU has fallen off the bus.",
    "quoted": "tmpfs: Unknown parameter 'NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus'",
    "quoted, of a switch": "x: nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 00142, Fatal, Link 28",
    "quoted, without an Xid": "x: NVRM: The NVIDIA GPU 0000:b3:00.0 has fallen off the bus",
    "no place": "NVRM: Xid (somewhere): 79, GPU has fallen off the bus.",
    "no number": "NVRM: Xid (PCI:0000:18:00): many",
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=list(OTHERS))
def test_what_is_no_fault_of_its_own_is_left_out(line: str, tmp_path: Path) -> None:
    assert ask(tmp_path, [BEGIN, *kmsg(line, first=1)]) == KernelLog(state="ok", boot=BOOT)


def test_what_a_program_wrote_into_the_log_is_no_fault(tmp_path: Path) -> None:
    fault = FORMS["older"][0]
    said = ask(
        tmp_path, [BEGIN, *kmsg(fault, first=1, priority=12), f" MESSAGE={fault}", f" 4,1,0,-;{fault}"]
    )
    assert said == KernelLog(state="ok", boot=BOOT)
    written = entry(fault, 3, SYSLOG_FACILITY="3")
    (tmp_path / "closed").mkdir()
    assert ask(tmp_path / "closed", None, [entry("Linux version 6.8", 0), written]).xids == ()


def test_the_case_of_xid_79_is_read(tmp_path: Path) -> None:
    case = nvmllab.load("xid-79")
    lines = [
        f"{line.partition(',')[0]},{number},{line.split(',', 2)[2]}"
        for number, line in enumerate(case["kmsg"])
    ]
    said = ask(tmp_path, lines)
    assert said.state == "ok"
    assert [xid.model_dump() for xid in said.xids] == case["xids"]


# --- whether it is all of the log -----------------------------------------------------------------------


def test_a_buffer_that_lost_its_beginning_is_cut(tmp_path: Path) -> None:
    said = ask(tmp_path, kmsg("a", FORMS["older"][0], first=100))
    assert (said.state, said.reason) == ("cut", f"{LOST}; there is no journal")
    assert [xid.number for xid in said.xids] == [31]


def test_a_buffer_with_a_gap_is_cut(tmp_path: Path) -> None:
    said = ask(tmp_path, [BEGIN, *kmsg("b", first=50)])
    assert (said.state, said.reason[:60]) == (
        "cut",
        "the kernel's buffer has lost 49 lines before its line 50; th",
    )


def test_a_whole_journal_makes_up_for_it_and_nothing_is_told_twice(tmp_path: Path) -> None:
    early, late = (
        "NVRM: Xid (PCI:0000:18:00): 63, Row Remapper",
        "NVRM: Xid (PCI:0000:18:00): 64, Row Remapper",
    )
    journal = [entry("Linux version 6.8", 0), entry(early, 7), entry(list(late.encode()), 101)]
    said = ask(tmp_path, kmsg("a", late, FORMS["older"][0], first=100), journal)
    assert (said.state, said.reason) == ("ok", "")
    assert [(xid.number, xid.at) for xid in said.xids] == [(63, 7), (64, 101), (31, 102)]


JOURNALS = {
    "begins later": ([entry("usb 1-1: new device", 9)], "the journal has lost the beginning of this boot"),
    "is empty": ([], "the journal has nothing of the kernel"),
    "is no journal": (["No journal files were found."], "the journal has nothing of the kernel"),
    "has gaps": (
        [
            entry("Linux version 6.8", 0),
            entry("Missed 12 kernel messages", 5, _TRANSPORT="driver", MESSAGE_ID=MISSED),
        ],
        "the journal has gaps: Missed 12 kernel messages",
    ),
}


@pytest.mark.parametrize(("journal", "reason"), JOURNALS.values(), ids=list(JOURNALS))
def test_a_journal_that_is_not_whole_makes_up_for_nothing(
    journal: list[str], reason: str, tmp_path: Path
) -> None:
    said = ask(tmp_path, kmsg("a", first=100), journal)
    assert (said.state, said.reason) == ("cut", f"{LOST}; {reason}")


def test_a_closed_log_is_told(tmp_path: Path) -> None:
    said = ask(tmp_path, None)
    assert said.state == "closed"
    assert said.reason == f"{tmp_path / 'kmsg'}: No such file or directory; there is no journal"


def test_the_journal_is_enough_where_the_kernels_log_is_closed(tmp_path: Path) -> None:
    said = ask(tmp_path, None, [entry("Linux version 6.8", 0), entry(FORMS["older"][0], 3)])
    assert (said.state, [xid.number for xid in said.xids]) == ("ok", [31])


def test_an_empty_buffer_is_no_clean_bill(tmp_path: Path) -> None:
    assert ask(tmp_path, []).state == "closed"


def test_a_gpu_that_repeats_itself_for_ever_is_cut_short_and_that_is_told(tmp_path: Path) -> None:
    said = ask(tmp_path, [BEGIN, *kmsg(*[f"{FORMS['older'][0]} {n}" for n in range(2500)], first=1)])
    assert (said.state, len(said.xids)) == ("ok", 2000)
    assert said.reason == "500 more lines with an Xid are left out"


def test_the_running_kernels_own_log_is_read_by_who_may() -> None:
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
        states = ("ok", "cut")
    except OSError:
        states = ("ok", "cut", "closed")  # by the journal
    done = run.run(["/usr/bin/python3", "-"], stdin=SCRIPT.read_bytes())
    said = read_evidence({"kernel_log": done.stdout.decode()}).kernel_log
    assert said and said.state in states and len(said.boot) == 36
