"""Checks of what surrounds the GPUs: firmware, containers, and the site's own checks."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage, Severity
from provisioner.domain.requirements import SiteCheck
from provisioner.verify.evidence import FirmwarePart, FirmwareReport
from provisioner.verify.evidence_burnin import SiteCheckReport
from provisioner.verify.judge.finding import Check, Finding, absent, good, left_out, miss, needless, unproved
from provisioner.verify.judge.seen import Seen, listed

PARTS = {"bios": "BIOS", "bmc": "BMC", "nic": "network card", "nvme": "NVMe disk"}


def firmware(seen: Seen) -> Iterator[Finding]:
    """Each part's firmware is one that the profile accepts."""
    accepted = {part: versions for part, versions in seen.expected.firmware if versions}
    report = seen.evidence.gpu.firmware
    if not accepted:
        yield needless("the profile names no firmware", _versions(report))
        return
    if report is None:
        yield left_out("the firmware's versions were not read")
        return
    faults = [_drifted(one, accepted[one.part]) for one in report.parts if one.part in accepted]
    found = {one.part for one in report.parts}
    yield from (fault for fault in faults if fault)
    for part in accepted:
        if part not in found:
            yield unproved(f"no firmware version of a {PARTS[part]} could be read")
    if not any(faults) and set(accepted) <= found:
        yield good("the firmware is what the profile accepts", _versions(report))


def _versions(report: FirmwareReport | None) -> dict[str, str]:
    parts = report.parts if report else ()
    return {f"{one.part} {one.place}".strip(): one.version for one in parts}


def _drifted(one: FirmwarePart, accepted: tuple[str, ...]) -> Finding | None:
    if one.version in accepted:
        return None
    name = " ".join(filter(None, (PARTS[one.part], one.place)))
    words = f"{name} has firmware {one.version}, the profile accepts {' or '.join(accepted)}"
    return miss(words, one.place, one.version, accepted, "in")


def container(seen: Seen) -> Iterator[Finding]:
    """A container sees the GPUs that NVML shows."""
    shown = seen.evidence.gpu.container
    if (missing := _not_run(seen)) or shown is None:
        yield missing or left_out("no container was run")
        return
    wanted = {gpu.uuid or "": gpu for gpu, _ in seen.cards.pairs()}
    lost = [seen.place(gpu) for uuid, gpu in wanted.items() if uuid and uuid not in shown.before]
    if lost or not shown.before:
        count = f"{len(wanted) - len(lost)} of {len(wanted)} GPUs"
        which = f", not {listed(lost)}" if lost else ""
        yield miss(f"a container sees {count}{which}", "host", shown.before, wanted, "==")
    else:
        yield good(f"a container sees {len(shown.before)} GPUs", shown.before)


def reload(seen: Seen) -> Iterator[Finding]:
    """A container keeps its GPUs over `systemctl daemon-reload` (runc's systemd cgroup driver loses them)."""
    shown = seen.evidence.gpu.container
    if (missing := _not_run(seen)) or shown is None:
        yield missing or left_out("no container was run")
        return
    lost = [uuid for uuid in shown.before if uuid not in shown.after]
    if not shown.before:
        yield left_out("the container saw no GPU before: see container.gpus")
    elif lost:
        words = (
            f"after systemctl daemon-reload the container has lost {len(lost)} of {len(shown.before)} GPUs"
        )
        yield miss(words, "host", shown.after, shown.before, "==")
    else:
        yield good("the container keeps its GPUs over systemctl daemon-reload", shown.after)


def _not_run(seen: Seen) -> Finding | None:
    """Why no container tells anything."""
    shown = seen.evidence.gpu.container
    if shown is None or shown.state == "ok":
        return None
    reason = f": {shown.reason}" if shown.reason else ""
    if shown.state == "error":
        return unproved(f"the container could not be run{reason}")
    words = {"no docker": "the host has no Docker", "no image": "the host has no image for a container"}
    return absent(words[shown.state] + reason)


def site_checks(seen: Seen) -> Iterator[Finding]:
    """Each check of the site's own that the profile names was made, by the program that it approves."""
    wanted = seen.expected.acceptance.checks
    if not wanted:
        yield needless("the profile names no check of the site's own")
    told = {report.name: report for report in seen.evidence.site_checks}
    yield from (_of_site(check, told.get(check.name)) for check in wanted)


def _of_site(check: SiteCheck, report: SiteCheckReport | None) -> Finding:
    if report is None:
        return left_out(f"the site's check {check.name} was not made", check.name)
    name = f"the site's check {check.name}"
    if report.status == "error":
        return unproved(f"{name}: {report.reason or 'no reason given'}", check.name)
    if report.sha256 != check.sha256:
        return unproved(f"{name}: its program is not the one that the profile approves", check.name)
    words = f"{name}: {report.reason or report.status}"
    if report.status == "fail":
        return miss(words, check.name, report.observed, report.expected)
    # that it warns is the result of `site_warnings`
    return good(words, report.observed, report.expected, scope=check.name)


def site_warnings(seen: Seen) -> Iterator[Finding]:
    """None of the site's own checks warns."""
    named = {check.name for check in seen.expected.acceptance.checks}
    reports = [one for one in seen.evidence.site_checks if one.name in named]
    warned = [report for report in reports if report.status == "warn"]
    for report in warned:
        words = f"the site's check {report.name} warns: {report.reason or 'no reason given'}"
        yield miss(words, report.name, report.observed, report.expected)
    if not named:
        yield needless("the profile names no check of the site's own")
    elif not warned:
        yield good("no check of the site's own warns")


CHECKS = (
    Check(
        "firmware.versions",
        "The firmware is what the profile accepts",
        "firmware",
        CheckStage.VALIDATION,
        "DMI, BMC, ethtool, sysfs",
        "update it by the maker's tool, or accept it in the profile",
        firmware,
        "`firmware`",
        severity=Severity.ADVISORY,
        is_of_gpus=False,
        is_in_ramdisk=True,
    ),
    Check(
        "container.gpus",
        "A container sees every GPU",
        "container",
        CheckStage.VALIDATION,
        "docker",
        "is the NVIDIA container toolkit in the image, and docker told of it?",
        container,
        "every UUID of NVML",
        is_conditional=True,
    ),
    Check(
        "container.reload",
        "It keeps them over systemctl daemon-reload",
        "container reload",
        CheckStage.VALIDATION,
        "docker",
        "let docker use the cgroupfs driver, or device links of CDI",
        reload,
        "every UUID as before",
        is_conditional=True,
    ),
    Check(
        "site.check",
        "The site's own checks pass",
        "site check",
        CheckStage.VALIDATION,
        "the site's program",
        "see what the site says of its check",
        site_checks,
        "`checks`",
        names_scope=True,
        is_of_gpus=False,
    ),
    Check(
        "site.warning",
        "The site's own checks warn of nothing",
        "site check warns",
        CheckStage.VALIDATION,
        "the site's program",
        "see what the site says of its check",
        site_warnings,
        "`checks`",
        severity=Severity.ADVISORY,
        is_of_gpus=False,
    ),
)
