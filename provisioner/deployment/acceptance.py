"""The report of a verification: assembled from what is known of the host, signed, and kept with its event."""

import secrets
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from provisioner.certificate import canonical, signing
from provisioner.domain import timeline
from provisioner.domain.acceptance import AcceptanceReport, Baseline, ImageSubject, Subject
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.host import Host
from provisioner.domain.stage import Stage
from provisioner.errors import NotFoundError, PackError, ProvisionError, SecretKeyError
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from provisioner.verify import Verdict, twins
from provisioner.verify.evidence import FirmwareReport
from provisioner.verify.model import Evidence, Expected
from provisioner.verify.report import RAMDISK, Made, assemble

MOST_SIBLINGS = 50  # of a profile, those that were verified last
ALIKE = (Stage.POWERING, Stage.NETBOOTING, Stage.RESTARTING)  # stages that take as long on all of a kind
MOSTLY = 0.9  # of an image
BOOT = "boot"  # in a report's `stack`, where nobody has seen the firmware start the disk
BY_KEXEC = "by kexec; its firmware was not seen to start this disk"


def conclude(
    site: Site,
    row: Deployment,
    expected: Expected,
    verdict: Verdict,
    began: float,
    evidence: Path,
    *,
    later_by: str = "",
) -> StoredReport | None:
    """The signed report of a verdict; None where nothing was judged. Nothing is stored.

    `evidence` is the folder of raw outputs. `later_by` has asked for it after the deployment: then the disk
    was written to since, and nobody has read the image back. Raises PackError (PV-325, PV-695 to 698) where
    it cannot be signed.
    """
    if not verdict.checks or verdict.evidence is None:
        return None
    report = _report(site, row, expected, verdict, began, evidence)
    if later_by:
        image = report.subject.image.model_copy(update={"sha256": "", "root_hash": ""})
        subject = report.subject.model_copy(update={"image": image})
        report = report.model_copy(update={"operator": later_by, "subject": subject})
    if row.lacks_firmware_boot:
        report = report.model_copy(update={"stack": {**report.stack, BOOT: BY_KEXEC}})
    if not verdict.evidence.ramdisk:  # it shows too little to be compared
        report = _compared(site, row, report)
    body = canonical.render(report)
    return StoredReport(
        id=report.report_id,
        host=row.host,
        deployment=row.id,
        created=report.finished_at,
        level=report.level,
        verdict=report.verdict.status,
        body=body.decode(),
        signature=_signature(site, row.host, body),
    )


def _signature(site: Site, host: str, body: bytes) -> str:
    try:
        with opened_secrets.certificate_key(site, host) as key:
            return signing.sign(body, key)
    except (NotFoundError, SecretKeyError) as fault:
        raise PackError(f"it cannot be signed: {fault}", hint=fault.hint, code=fault.code) from fault


def last_report(site: Site, host: str) -> AcceptanceReport | None:
    """The newest report of a host that can be compared."""
    return next(_readable(site.database.acceptance_reports.from_newest(host)), None)


def _report(
    site: Site, row: Deployment, expected: Expected, verdict: Verdict, began: float, evidence: Path
) -> AcceptanceReport:
    host = site.database.hosts.get(row.host)
    seen = verdict.evidence
    assert seen is not None  # noqa: S101  conclude has looked
    made = Made(
        report_id=f"a-{row.id.removeprefix('d-').lower()}-{secrets.token_hex(4)}",
        began=began,
        finished=site.clock(),
        operator=row.armed_by,
        evidence=evidence,
    )
    return assemble(_subject(site, row, host, expected, seen), expected, verdict, made)


def _subject(site: Site, row: Deployment, host: Host, expected: Expected, seen: Evidence) -> Subject:
    machine = seen.gpu.firmware or FirmwareReport()
    return Subject(
        site=site.settings.dhcp.domain,
        name=row.host,
        macs=host.macs,
        serial=machine.serial or row.serial or host.serial,
        board_serial=machine.board_serial,
        uuid=machine.uuid or row.uuid or host.uuid,
        product=machine.product,
        disk_serial=row.disk.serial,
        disk_wwn=row.disk.wwn,
        rack=host.rack,
        profile=expected.profile,
        profile_sha256=expected.profile_sha256,
        deployment=row.id,
        image=_image(site, row),
    )


def _image(site: Site, row: Deployment) -> ImageSubject:
    """Its hash is named only where the agent has read every chunk back from the disk and compared it."""
    name, version = row.image.split("@", 1)
    read_back = site.database.events.last_of(row.id, AgentWritten.kind) is not None
    known = [image for image in site.database.images.all() if read_back and image.id == row.image]
    sha256, root_hash = (known[0].raw_sha256, known[0].root_hash) if known else ("", "")
    return ImageSubject(name=name, version=version, sha256=sha256, root_hash=root_hash)


def _compared(site: Site, row: Deployment, report: AcceptanceReport) -> AcceptanceReport:
    """With what is worse than the last time, and than its siblings."""
    siblings = [_twin(site, other) for other in _siblings(site, row, report)]
    last = last_report(site, row.host)
    if last and last.subject.serial != report.subject.serial:
        last = None  # another machine had the name
    baseline = twins.compare(report, last, _twin(site, report), siblings)
    return report.model_copy(update={"baseline": baseline if last or siblings else Baseline()})


def _twin(site: Site, report: AcceptanceReport) -> twins.Twin:
    """As it is compared: with the rate of its disk and the seconds of its deployment, where they are known.

    Only who wrote most of the image has a rate: what was on the disk already costs no time. A start by kexec
    is no start of the firmware, and the slower of both is nobody's fault.
    """
    events = site.database.events.of(report.subject.deployment)
    stages = timeline.read(events).stages
    phoned = [event.data for event in events if isinstance(event.data, OsPhoned)]
    by_kexec = any(one.started_by == "kexec" for one in phoned)
    alike = [stage for stage in ALIKE if stages[stage].ended and not (by_kexec and stage == Stage.RESTARTING)]
    seconds = {stage.value: stages[stage].seconds(0) for stage in alike}
    written = [event.data for event in events if isinstance(event.data, AgentWritten)]
    rates = [
        one.bytes_written / one.seconds / 1e9
        for one in written
        if one.seconds and one.bytes_written > MOSTLY * (one.bytes_written + one.bytes_saved)
    ]
    return twins.twin_of(report, write_rate=rates[-1] if rates else None, stages=seconds)


def _siblings(site: Site, row: Deployment, report: AcceptanceReport) -> list[AcceptanceReport]:
    """Of each other host of its profile the newest report that can be compared."""
    hosts = [host for host in site.database.hosts.all() if host.profile == report.subject.profile]
    names = [host.name for host in hosts if host.name != row.host]
    newest = site.database.acceptance_reports.newest_of(names)
    found = (last for one in newest if (last := last_report(site, one.host)))
    return list(islice(found, MOST_SIBLINGS))


def _readable(stored: Iterable[StoredReport]) -> Iterator[AcceptanceReport]:
    """What another release wrote, or was damaged since, is compared with nothing; nor what a ramdisk saw."""
    for one in stored:
        try:
            report = canonical.read(one.body.encode())
        except ProvisionError:
            continue
        if RAMDISK not in report.stack:
            yield report
