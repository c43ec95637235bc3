"""What a certificate shows: everything that was measured, alike checks as one row, what failed first."""

from provisioner.certificate import canonical, checks, document, values
from provisioner.certificate.document import Document, FindingBlock, Items, Listing
from provisioner.certificate.minisig import Signature
from provisioner.domain.acceptance import AcceptanceReport, CheckStage, Status, reach_verdict
from tests import certificates
from tests.certificates import PLACES, check, healthy, rejected

SIGNATURE = Signature(b"ED" + bytes(range(72)), "vaultcube.gpu-statement/1;…", bytes(64))


def shown(report: AcceptanceReport) -> Document:
    return document.of_report(report, canonical.render(report), SIGNATURE)


def block(report: AcceptanceReport, title: str) -> Items | Listing | FindingBlock:
    [found] = [each for each in shown(report).blocks if each.title.startswith(title)]
    return found


def words(report: AcceptanceReport) -> str:
    """Every text that is shown."""
    made = shown(report)
    parts = [made.title, made.verdict, made.sentence, made.foot, *(item.text for item in made.facts)]
    for each in made.blocks:
        parts.append(each.title)
        if isinstance(each, Items):
            parts += [text for item in each.items for text in (item.title, item.text)]
        elif isinstance(each, Listing):
            parts += [text for row in each.rows for text in row]
        else:
            parts += [text for finding in each.findings for text in finding]
    return "\n".join(parts)


def test_all_that_identifies_a_unit_is_shown() -> None:
    report = healthy()
    said = words(report)
    subject = report.subject
    for value in (
        *(subject.name, subject.serial, subject.board_serial, subject.uuid, *subject.macs, subject.product),
        *(subject.disk_serial, subject.disk_wwn, subject.rack, subject.site, subject.profile),
        *(subject.profile_sha256, subject.deployment, subject.image.sha256, subject.image.manifest_sha256),
        *(report.report_id, report.operator, report.tool, report.host.cpu, report.host.kernel),
        *(part.version for part in report.host.firmware),
        *report.stack.values(),
        *(text for gpu in report.gpus for text in (gpu.serial, gpu.uuid, gpu.pci_bus_id, gpu.vbios)),
        *(artifact.sha256 for artifact in report.artifacts),
        *("2026-11-29 10:33:35 UTC", "2026-11-29 11:04:49 UTC", "140.4 GiB", "x16 gen 5"),
        SIGNATURE.key_id,
    ):
        assert value in said, value


def test_checks_of_all_gpus_are_one_row_with_the_lowest_and_the_highest() -> None:
    listing = block(healthy(), "Checks")
    assert isinstance(listing, Listing)
    assert ("pass", "Bandwidth host to GPU", "all 8 GPUs", "55.1 to 55.8 GB/s", "≥ 50 GB/s") in listing.rows
    assert ("pass", "ECC mode", "all 8 GPUs", "on", "on") in listing.rows
    stages = [row[0] for row in listing.rows if not any(row[1:])]
    assert stages == ["SANITY", "VALIDATION", "PERFORMANCE", "STRESS"]


def test_what_failed_stands_alone_and_first_with_its_place_and_its_action() -> None:
    findings = block(rejected(), "What stands in the way")
    assert isinstance(findings, FindingBlock)
    heads = [finding.head for finding in findings.findings]
    assert (
        heads[0]
        == f"FAIL: PCIe link width (gpu.link-width), GPU 2, slot 3, {PLACES[2]}, serial 1654823000122"
    )
    assert findings.findings[0].action == "Power the unit off and reseat the GPU in slot 3 and its riser."
    assert "(observed 8 lanes, expected ≥ 16 lanes)" in findings.findings[0].reason
    assert heads[2:] == [
        "SKIPPED: Bandwidth host to GPU (gpu.h2d), all 8 GPUs",
        "SKIPPED: Matrix product equals the CPU's (gpu.matmul), all 8 GPUs",
        "SKIPPED: Faulty results under load (gpu.burn), all 8 GPUs",
    ]
    listing = block(rejected(), "Checks (")
    assert isinstance(listing, Listing)
    row = ("pass", "PCIe link width", "GPUs 0, 1, 3, 4, 5, 6, 7", "16 lanes", "≥ 16 lanes")
    assert row in listing.rows
    assert {listing.rows[number][0] for number in listing.strong} == {"FAIL", "SKIPPED"}


def test_every_check_is_in_a_row_and_all_that_is_not_good_is_named() -> None:
    report = rejected()
    listed = {(row.cells[0].lower(), row.cells[1].removesuffix(" (advisory)")) for row in checks.rows(report)}
    short = {Status.WARN: "warning"}
    assert {(short.get(one.status, str(one.status)), one.title) for one in report.checks} <= listed
    found = checks.findings(report)
    assert len(found.failed) == 5 and [one.head for one in found.noted] == [
        f"WARNING: Temperature (gpu.temperature), GPU 6, slot 7, {PLACES[6]}, serial 1654823000126"
    ]


def test_outliers_twins_and_what_is_worse_than_before_are_shown() -> None:
    said = words(rejected())
    assert "GPU 2: PCIe link x16 then, x8 now" in said and "the median of 63 others is 78 °C" in said
    assert "7 units of the same profile" in said and "x8 of x16 gen 4 of 5" in said
    assert "Row Remapper: New row marked for remapping" in said


def test_a_unit_without_gpus_says_so_and_is_not_accepted() -> None:
    failed = check(
        "gpu.count",
        "GPUs on the PCI bus and in NVML",
        CheckStage.SANITY,
        status=Status.FAIL,
        observed=0,
        expected=8,
        operator="==",
        reason="NVML shows no GPU, the profile wants 8.",
    )
    report = healthy(checks=[failed], gpus=(), artifacts=())
    made = shown(report)
    assert (made.verdict, made.is_accepted) == ("REJECTED", False)
    assert not any(each.title.startswith("GPUs") for each in made.blocks)
    empty = healthy(checks=[], verdict=reach_verdict([]))
    assert shown(empty).verdict == "INCOMPLETE" and "No check was made" in shown(empty).sentence


def test_values_are_shown_as_what_they_are() -> None:
    told = [None, True, 16, 55.123456789, 1e9, 79.0, [1, 2], {"b": 1}, "on"]
    assert [values.text_of(value) for value in told] == [
        *("", "yes", "16", "55.1235", "1000000000", "79", "1, 2", '{"b": 1}', "on")
    ]
    assert values.text_of(85_899_345_920, "bytes") == "85.9 GB"
    assert values.expectation(">=", 50, "GB/s") == "≥ 50 GB/s"
    assert values.expectation("in", ["a", "b"], "") == "one of a, b"
    assert values.moment(1e300).endswith("which no clock shows")


def test_a_gpu_that_tells_little_is_shown_with_what_it_lacks() -> None:
    silent = certificates.gpu(
        3, serial="", uuid="", vbios="", memory_bytes=None, before={}, after={}, measured=(), slot=""
    )
    listing = block(healthy(gpus=(silent,)), "GPUs (1)")
    assert isinstance(listing, Listing)
    assert listing.rows == (("3", "–", "NVIDIA H200", "?", PLACES[3], "?", "?", "?", "?"),)
