"""The QR code, read back by zbar from the printed page: what it says, and that it was signed."""

import random
from pathlib import Path

import pytest

from provisioner import run
from provisioner.certificate import canonical, files, signing, verifying
from provisioner.errors import CertificateError
from tests.certificates import healthy, make_key, rejected, subject


class Printed:
    """A certificate on paper, as a scanner sees it."""

    def __init__(self, folder: Path, name: str = "site") -> None:
        self.folder = folder
        self.secret, self.public = make_key(folder, name)

    def scan(self, report: canonical.AcceptanceReport, dpi: int) -> str:
        """What zbar reads on the first page of the PDF at that many dots per inch."""
        data, target = canonical.render(report), self.folder / f"{report.report_id}.pdf"
        files.write(data, signing.sign(data, self.secret), target)
        page = self.folder / "page"
        how = ("-r", str(dpi), "-f", "1", "-l", "1", "-singlefile", "-gray", "-png")
        run.run(["pdftoppm", *how, target, page])
        done = run.run(["zbarimg", "--quiet", "--raw", self.folder / "page.png"])
        return done.stdout.decode().rstrip("\n")


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    return Printed(tmp_path)


@pytest.mark.parametrize("dpi", [150, 300])
def test_the_printed_code_is_read_and_verifies_alone(printed: Printed, dpi: int) -> None:
    for report, verdict in ((healthy(), "accepted"), (rejected(), "rejected")):
        found = verifying.verify_statement(printed.scan(report, dpi), [printed.public])
        told = (found.form, found.host, found.serial, found.verdict, found.report_id, found.finished_at)
        assert told == (
            *("qr", "vc-0042", "S411795X4A12345", verdict, report.report_id, "2026-11-29T11:04:49Z"),
        )
        path = printed.folder / f"{report.report_id}.pdf"
        verifying.require_same(verifying.verify(path, [printed.public]), found)
    other = verifying.verify(printed.folder / "a-20261129-vc-0042-7f3a.pdf", [printed.public])
    with pytest.raises(CertificateError, match="is of report a-20261129-vc-0042-8b1c") as refused:
        verifying.require_same(other, found)
    assert refused.value.code == 567


def test_the_code_of_long_names_is_read_too(printed: Printed) -> None:
    report = healthy(
        subject=subject(name="rack-12-upper-left-accelerator-node-0042", serial="Σειρά 42/7 " * 3)
    )
    text = printed.scan(report, 200)
    assert verifying.verify_statement(text, [printed.public]).serial == "Σειρά 42/7 " * 3


def test_every_letter_that_is_changed_is_found(printed: Printed) -> None:
    data = canonical.render(healthy())
    text = files.minisig.read(signing.sign(data, printed.secret)).comment  # type: ignore[union-attr]
    assert verifying.verify_statement(text, [printed.public]).verdict == "accepted"
    chance = random.Random(20261129)
    for _ in range(200):
        place = chance.randrange(len(text))
        changed = text[:place] + chance.choice("aB3;%/+=x") + text[place + 1 :]
        if changed != text:
            with pytest.raises(CertificateError) as refused:
                verifying.verify_statement(changed, [printed.public])
            assert refused.value.code in (563, 566)


def test_a_code_of_another_site_is_not_believed(printed: Printed, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = Printed(tmp_path / "b", "other")
    text = other.scan(healthy(), 150)
    with pytest.raises(CertificateError, match="not known here"):
        verifying.verify_statement(text, [printed.public])
