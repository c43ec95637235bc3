"""The text of a QR code: what it says, and that nothing but such a text is read."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.certificate import canonical, minisig, statement
from provisioner.certificate.minisig import Signature
from provisioner.certificate.statement import Statement
from provisioner.errors import CertificateError
from provisioner.system.text import escape
from tests import certificates

SHORT = Signature(b"ED" + bytes(range(72)), statement.FORMAT, bytes(range(64)))
REPORT = certificates.healthy()
SAID = statement.of_report(REPORT, canonical.render(REPORT))
TEXT = statement.write(SAID, SHORT)


def test_it_says_which_unit_which_verdict_and_which_report() -> None:
    assert SAID[:5] == (
        *("a-20261129-vc-0042-7f3a", "vc-0042", "S411795X4A12345", "accepted", "2026-11-29T11:04:49Z"),
    )
    assert TEXT.startswith("vaultcube.gpu-statement/1;a-20261129-vc-0042-7f3a;vc-0042;S411795X4A12345;acc")
    assert statement.read(TEXT) == (SAID, SHORT)
    assert statement.read(f" {TEXT}\n") == (SAID, SHORT), "a scanner adds a line feed"


@given(st.text(st.characters(codec="utf-8"), max_size=60).map(escape))
def test_a_serial_of_any_signs_comes_back(serial: str) -> None:
    """Escaped, as a machine's serial is when it is taken in."""
    said = SAID._replace(serial=serial)
    assert statement.write(said, SHORT).isascii()
    assert statement.read(statement.write(said, SHORT)) == (said, SHORT)


OTHERWISE = {
    "nothing": "",
    "another format": TEXT.replace("statement/1", "statement/2"),
    "half of it": TEXT[: len(TEXT) // 2],
    "one letter less": TEXT[:-1],
    "a field more": TEXT.replace(";accepted;", ";accepted;;"),
    "another verdict": TEXT.replace(";accepted;", ";perfect;"),
    "another sum": TEXT.replace(SAID.sha256, SAID.sha256[:-1]),
    "another time": TEXT.replace("T11:04", " 11:04"),
    "coded otherwise": TEXT.replace("vc-0042;", "vc%2D0042;"),
    "coded badly": TEXT.replace("vc-0042;", "vc%zz;"),
    "no text": TEXT.replace("vc-0042;", "%ff;"),
    "what moves the cursor": TEXT.replace("vc-0042;", "%1B;"),
    "a longer signature": TEXT + "AAAA",
    "endless": TEXT + "A" * 100_000,
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(CertificateError) as refused:
        statement.read(text)
    assert refused.value.code == 566


@given(st.text(max_size=200))
def test_anything_is_refused_in_words(text: str) -> None:
    with pytest.raises(CertificateError):
        statement.read(text)


@pytest.mark.parametrize(
    "other", [{"finished_at": 1e300}, {"subject": certificates.subject(serial="漢" * 200)}]
)
def test_a_report_that_no_code_can_hold_is_refused(other: dict[str, object]) -> None:
    report = certificates.healthy(**other)
    with pytest.raises(CertificateError) as refused:
        statement.of_report(report, canonical.render(report))
    assert refused.value.code == 560


def test_a_signature_file_has_one_form() -> None:
    signature = Signature(b"ED" + bytes(range(72)), "said", bytes(range(64)))
    text = signature.text()
    assert minisig.read(text) == signature
    chance = random.Random(20261129)
    for _ in range(500):
        place = chance.randrange(len(text))
        changed = text[:place] + chr(chance.randrange(1, 0x250)) + text[place + 1 :]
        found = minisig.read(changed)
        assert changed == text or found is None or found != signature
    assert minisig.read(text + "\n") is None and minisig.read("x" * 9000) is None


def test_a_statement_is_signed_with_a_line_feed_as_a_file_has_it() -> None:
    assert Statement(*"abcdef").signed_bytes() == b"vaultcube.gpu-statement/1;a;b;c;d;e;f\n"
