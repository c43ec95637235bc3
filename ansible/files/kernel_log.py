"""Prints what NVIDIA's drivers said of faults (Xid, SXid) since this machine started, as one JSON object.

Runs on the target with its Python alone, as root: the log is closed to others. It reads /dev/kmsg, and the
journal where the kernel's buffer has lost its beginning. Arguments, for tests: another file for /dev/kmsg,
another one for the boot id. Changes nothing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

KMSG = "/dev/kmsg"
BOOT = "/proc/sys/kernel/random/boot_id"
LARGEST = 8192  # bytes of a record (the kernel's CONSOLE_EXT_LOG_MAX)
MOST = 2000  # lines that are kept; a GPU may repeat itself for ever
LIMIT = 60  # seconds for the journal
FIRST = "Linux version "  # how the first line of every boot begins
MISSED = "e9bf28e6e834481bb6f48f548ad13606"  # SD_MESSAGE_JOURNAL_MISSED: the journal came too late for lines
TIMES = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")  # the kernel's own, the journal's
PCI = r"(?:PCI:)?([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)"
# at the beginning of a line: the kernel quotes what programs say to it, and anybody can make it quote this
XID = re.compile(rf"NVRM: Xid \({PCI}\): (\d+)[, ]*(.*)", re.DOTALL)
SXID = re.compile(rf"(nvidia-nvswitch\d+): SXid \({PCI}\): (\d+), (.*)", re.DOTALL)
# said where the GPU is gone before the driver knows it: no Xid, and the same fault as Xid 79
FALLEN = re.compile(r"NVRM: The NVIDIA GPU ([0-9a-f:.]+)\b.*fallen off the bus", re.DOTALL)
DETAIL = ("Severity", "Data")  # further lines of one SXid


class Record(NamedTuple):
    """A line of the kernel's own; `at` in microseconds since the boot."""

    at: int
    text: str


class Log(NamedTuple):
    """What one source has; `reason`: why it is not the whole log, empty where it is."""

    records: list[Record]
    reason: str


def kmsg(path: str) -> Log:
    """The kernel's buffer, which overwrites its oldest lines."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as fault:
        return Log([], f"{path}: {fault.strerror}")
    text = b""
    try:
        while True:
            try:
                part = os.read(file, LARGEST)  # one record, of a device
            except BrokenPipeError:  # overwritten before it was read; the numbers show that
                continue
            except BlockingIOError:
                break
            if not part:
                break
            text += part
    except OSError as fault:
        return Log([], f"{path}: {fault.strerror}")
    finally:
        os.close(file)
    return records(text.decode(errors="replace"))


def records(text: str) -> Log:
    """Lines `PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT` (the kernel's dev-kmsg), each with lines that begin
    with a space and are left out, as is whatever did not come from the kernel itself.
    """
    found, expected, reason = [], 0, ""
    for line in text.split("\n"):
        head, _, message = line.partition(";")
        fields = head.split(",")
        if line.startswith(" ") or len(fields) < 3 or not all(field.isdigit() for field in fields[:3]):
            continue
        priority, number, at = (int(field) for field in fields[:3])
        if number != expected and not reason:
            reason = f"the kernel's buffer has lost {number - expected} lines before its line {number}"
        expected = number + 1
        if priority >> 3 == 0:  # facility `kern`, which no program can write
            found.append(Record(at, re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), message)))
    return Log(found, reason or ("" if expected else "the kernel's buffer is empty"))


def journal() -> Log:
    """The journal of this boot."""
    program = shutil.which("journalctl")
    if not program:
        return Log([], "there is no journal")
    matches = ["_TRANSPORT=kernel", "+", f"MESSAGE_ID={MISSED}"]
    argv = [program, "--boot", "--output=json", "--all", "--no-pager", "--quiet", *matches]
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return Log([], f"the journal cannot be read: {type(fault).__name__}")
    return entries(done.stdout.decode(errors="replace"))


def entries(text: str) -> Log:
    """Entries in journalctl's JSON, one a line; a message that is no text is a list of bytes there."""
    found, missed = [], ""
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        message = entry.get("MESSAGE") or ""
        message = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
        if entry.get("MESSAGE_ID") == MISSED:
            missed = f"the journal has gaps: {message}"
        elif entry.get("SYSLOG_FACILITY") == "0":
            times = [entry[name] for name in TIMES if entry.get(name)]
            found.append(Record(int(times[0]) if times else 0, message))
    if not found:
        return Log([], "the journal has nothing of the kernel")
    begins = found[0].text.startswith(FIRST)
    return Log(found, missed or ("" if begins else "the journal has lost the beginning of this boot"))


def fault(record: Record) -> dict[str, Any] | None:
    """The fault that a line tells of, if it does."""
    at = record.at / 1e6
    if found := XID.match(record.text):
        return {"number": int(found[2]), "bus": place(found[1]), "at": at, "text": found[3][:300]}
    if found := SXID.match(record.text):
        if found[4].startswith(DETAIL):
            return None
        text = f"SXid of NVSwitch {found[1]}: {found[4]}"
        return {"number": int(found[3]), "bus": place(found[2]), "at": at, "text": text[:300]}
    if found := FALLEN.match(record.text):
        text = "without an Xid: GPU has fallen off the bus and is not responding to commands"
        return {"number": 79, "bus": place(found[1]), "at": at, "text": text}
    return None


def place(bus: str) -> str:
    """A place as the kernel writes it, `0000:18:00.0`: a GPU's is told without its function."""
    domain, _, rest = bus.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}" + ("" if "." in rest else ".0")


def ask(path: str, boot: str) -> dict[str, Any]:
    """The faults, and whether the log was there from its beginning; one whole source is enough."""
    logs = [kmsg(path)]
    if logs[0].reason:
        logs.append(journal())
    known = sorted({record for log in logs for record in log.records})  # both have the same microseconds
    whole = any(not log.reason for log in logs)
    reasons = [] if whole else [log.reason for log in logs]
    faults = [one for one in map(fault, known) if one]
    if len(faults) > MOST:
        reasons.append(f"{len(faults) - MOST} more lines with an Xid are left out")
    return {
        "state": "ok" if whole else "cut" if known else "closed",
        "reason": "; ".join(reasons),
        "boot": Path(boot).read_text().strip(),
        "xids": faults[:MOST],
    }


if __name__ == "__main__":
    print(json.dumps(ask(*(sys.argv[1:] + [KMSG, BOOT][len(sys.argv) - 1 :]))))
