"""Checks of the kernel's log: that it was read whole, and which errors of NVIDIA's drivers stand in it."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage, Severity, Xid
from provisioner.verify import xids
from provisioner.verify.evidence import KernelLog, XidLine
from provisioner.verify.judge.finding import Check, Finding, good, left_out, miss, unproved
from provisioner.verify.judge.seen import Seen

UNREAD = "the kernel's log was not read"
WHY = {
    "closed": "the kernel's log is closed to the user who reads it",
    "cut": "the kernel's log has lost its beginning: what was first since boot is not known",
    "error": "the kernel's log cannot be read",
}


def log(seen: Seen) -> Iterator[Finding]:
    """The log of this boot was read from its beginning: no error of the driver can be missing."""
    log = seen.evidence.gpu.kernel_log
    if log is None:
        yield left_out(UNREAD)
    elif log.state == "ok":
        yield good("the kernel's log of this boot was read whole", log.boot)
    else:
        yield unproved(WHY[log.state] + (f": {log.reason}" if log.reason else ""))


def xid(seen: Seen) -> Iterator[Finding]:
    """No error that the hardware or the driver is to blame for; one that nobody knows counts as such."""
    yield from _xids(seen, "no error of a GPU or its driver is in the kernel's log", is_application=False)


def application(seen: Seen) -> Iterator[Finding]:
    """No error that a program is to blame for, as far as NVIDIA's document says."""
    yield from _xids(seen, "no error of a program is in the kernel's log", is_application=True)


def _xids(seen: Seen, words: str, *, is_application: bool) -> Iterator[Finding]:
    log = seen.evidence.gpu.kernel_log
    if log is None:
        yield left_out(UNREAD)
        return
    found = [one for one in xids.summarise(log) if (one.category == "application") is is_application]
    yield from (_said(seen, one) for one in found)
    if not found:
        yield _none(log, words)


def _none(log: KernelLog, words: str) -> Finding:
    """That nothing was found is said of a whole log alone."""
    if log.state == "ok":
        return good(words, 0, 0)
    return left_out("the kernel's log was not read whole: see kernel.log")


def _said(seen: Seen, one: Xid) -> Finding:
    """Xids name a GPU without its function: `0000:18:00`."""
    bus = next(
        (gpu.bus for gpu in seen.cards.answering if one.pci_bus_id and gpu.bus.startswith(one.pci_bus_id)), ""
    )
    place = f"GPU {bus}{seen.slot(bus)}" if bus else f"GPU {one.pci_bus_id}" if one.pci_bus_id else "a GPU"
    times = f", {one.count} times" if one.count > 1 else ""
    meaning = xids.meaning(one.number)
    words = f"{place} has Xid {one.number} ({meaning.what}; {one.category}){times}"
    return miss(words, bus or one.pci_bus_id, one.number, None, "", meaning.action)


def switch(seen: Seen) -> Iterator[Finding]:
    """No fatal error of an NVSwitch."""
    yield from _sxids(seen, "no fatal error of an NVSwitch is in the kernel's log", is_fatal=True)


def switch_nonfatal(seen: Seen) -> Iterator[Finding]:
    """No other error of an NVSwitch."""
    yield from _sxids(seen, "no other error of an NVSwitch is in the kernel's log", is_fatal=False)


def _sxids(seen: Seen, words: str, *, is_fatal: bool) -> Iterator[Finding]:
    """The driver of the NVSwitches writes `Fatal` or `Non-fatal` into each line; where it does not: fatal."""
    log = seen.evidence.gpu.kernel_log
    if log is None:
        yield left_out(UNREAD)
        return
    found: dict[tuple[str, int], XidLine] = {}
    for line in log.xids:
        if xids.is_of_switch(line) and ("non-fatal" not in line.text.lower()) is is_fatal:
            found.setdefault((line.bus, line.number), line)
    for line in found.values():
        place = f"NVSwitch {line.bus}" if line.bus else "an NVSwitch"
        yield miss(f"{place} has SXid {line.number}: {line.text}", line.bus, line.number)
    if not found:
        yield _none(log, words)


CHECKS = (
    Check(
        "kernel.log",
        "The kernel's log was read whole",
        "kernel log",
        CheckStage.VALIDATION,
        "kernel log",
        "let the deployment's user read it (group adm); a longer log: log_buf_len",
        log,
        "from the boot on",
    ),
    Check(
        "kernel.xid",
        "No error of hardware or driver (Xid)",
        "xid",
        CheckStage.VALIDATION,
        "kernel log",
        "see what the Xid is",
        xid,
        "none since boot",
    ),
    Check(
        "kernel.xid-application",
        "No error of a program (Xid)",
        "xid of a program",
        CheckStage.VALIDATION,
        "kernel log",
        "see what the Xid is",
        application,
        "none since boot",
        severity=Severity.ADVISORY,
    ),
    Check(
        "nvswitch.sxid",
        "No fatal error of an NVSwitch (SXid)",
        "sxid",
        CheckStage.VALIDATION,
        "kernel log",
        "restart the host; if it comes back, report it to NVIDIA",
        switch,
        "none since boot",
    ),
    Check(
        "nvswitch.sxid-nonfatal",
        "No other error of an NVSwitch (SXid)",
        "sxid that is not fatal",
        CheckStage.VALIDATION,
        "kernel log",
        "watch it: compare with its next report",
        switch_nonfatal,
        "none since boot",
        severity=Severity.ADVISORY,
    ),
)
