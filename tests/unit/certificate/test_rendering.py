"""PDF and HTML are the same bytes for the same report, and nothing of what they show is cut."""

import hashlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.certificate import canonical, pdf, pdf_blocks, qr, rendering, sheet, statement
from provisioner.certificate.minisig import Signature
from provisioner.certificate.rendering import RENDERING, SignedReport
from provisioner.certificate.sheet import Face, Sheet
from provisioner.domain.acceptance import AcceptanceReport
from provisioner.system import canonical_json
from tests import certificates
from tests.certificates import healthy, rejected
from tests.hostile_words import WORDS

# number of a rendering → SHA-256 of what it makes of the samples. A change of what is drawn is a new number
# with a row of its own: files that were handed over before are known by the old one.
BEFORE: dict[str, str] = {  # by number 1, of samples as they were signed before a report had a root hash
    "healthy.html": "758dadab9f41c7d72aa7f82c592815703ac32581f9dfb36c68cc2e33b5cc99a8",
    "healthy.pdf": "82ea2edc98992799fee8ac79af7f835dcd1312f5ddd0793f01c09300b9bd7865",
    "rejected.html": "0cdb9b878c29b196fe9af190de890bdda1a5419480826826a330b8e4d64dd419",
    "rejected.pdf": "d86e1d3f3e3aa2641825baffc33141658365fd5bd743b3a567c24179bde73e93",
}
DRAWN: dict[int, dict[str, str]] = {
    1: {
        "healthy.html": "d29e6d62ee822572cd90bae1adf796aa697f5fd7e1a80a4c13ab6a22fbccde3e",
        "healthy.pdf": "198ba1e7b5cc884630e1adfd950796ee0cad13196862aff1fb81aa32b352df9f",
        "rejected.html": "a346476f403811d6babd3024bfeb5e1b10cf4ee3e2f464becca90d930a5680cb",
        "rejected.pdf": "4da74cc0f1e580e11bc77574df5884e9db557ddb555e05a7cf1c9175466e943a",
    }
}


def signed(report: AcceptanceReport, *, data: bytes = b"") -> SignedReport:
    """With a signature of the right form; `data` is its rendering where another release has made it."""
    data = data or canonical.render(report)
    value = b"ED" + bytes(range(72))
    said = statement.of_report(report, data)
    short = Signature(value, statement.FORMAT, bytes(64))
    return rendering.signed_report(data, Signature(value, statement.write(said, short), bytes(64)))


SAMPLES = {"healthy": healthy(), "rejected": rejected()}


def drawn(documents: dict[str, SignedReport]) -> dict[str, str]:
    """What is made of each, by its SHA-256."""
    made = {}
    for name, document in documents.items():
        made[f"{name}.pdf"] = hashlib.sha256(rendering.as_pdf(document)).hexdigest()
        made[f"{name}.html"] = hashlib.sha256(rendering.as_html(document)).hexdigest()
    return made


def test_what_is_drawn_differently_has_another_number() -> None:
    made = drawn({name: signed(report) for name, report in SAMPLES.items()})
    assert made == DRAWN[RENDERING], "raise RENDERING, and add a row to DRAWN"


def test_what_was_signed_before_is_drawn_as_it_was() -> None:
    """A key that reports have since changes nothing of those that do not have it."""
    former = {}
    for name, report in SAMPLES.items():
        body = report.model_dump(mode="json")
        del body["subject"]["image"]["root_hash"]
        former[name] = signed(report, data=canonical_json.dump(body))
    assert drawn(former) == BEFORE


def test_the_root_hash_stands_on_the_page() -> None:
    report = healthy()
    image = report.subject.image.model_copy(update={"root_hash": "ab" * 32, "sha256": ""})
    told = report.model_copy(update={"subject": report.subject.model_copy(update={"image": image})})
    page = rendering.as_html(signed(told)).decode()
    assert "Root hash read back" in page and "ab" * 32 in page and "not read back" not in page


@pytest.mark.parametrize("name", SAMPLES)
def test_the_page_is_what_was_looked_at(golden: Callable[[str, str], None], name: str) -> None:
    golden(f"certificate/{name}.html", rendering.as_html(signed(SAMPLES[name])).decode())


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    page = rendering.as_html(signed(rejected())).decode()
    assert not re.search(r"<script|<link|<img|https?://|@import|url\(", page)
    assert "default-src 'none'" in page


def test_words_of_machines_are_neither_markup_nor_commands() -> None:
    words = " ".join(word for word in WORDS.values() if "\ud800" not in word)
    hostile = f"<script>alert(1)</script>&\"'{words}"
    checks = [one.model_copy(update={"title": hostile}) for one in certificates.healthy_checks()]
    page = rendering.as_html(signed(healthy(checks=checks, tool=hostile, stack={"x": hostile}))).decode()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not [letter for letter in page if letter != "\n" and not letter.isprintable()]
    assert rendering.as_pdf(signed(healthy(checks=checks, tool=hostile))).startswith(b"%PDF-")


@pytest.fixture
def page() -> Sheet:
    return Sheet("t", 0, lambda _: None)


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.floats(10, 100))
def test_no_letter_is_lost_where_a_text_is_wrapped(text: str, width: float) -> None:
    page, face = Sheet("t", 0, lambda _: None), Face("sans", 8)
    lines = page.wrap(text, face, width)
    assert "".join(lines).replace(" ", "") == sheet.printable(text).replace(" ", "")
    assert all(page.width(line, face) <= width + 1e-6 or len(line) == 1 for line in lines)


def test_a_word_that_is_too_wide_is_broken_at_its_signs(page: Sheet) -> None:
    lines = page.wrap("GPU-8f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0", Face("code", 8), 40)
    assert lines == ["GPU-8f1c2d3e-4b5a-6978-", "8796-a5b4c3d2e1f0"]


def test_what_no_font_has_is_shown_as_its_code() -> None:
    assert sheet.printable("Ann Άλφα Жанна ≥ → ✓ ✗ · µ") == "Ann Άλφα Жанна ≥ → ✓ ✗ · µ"
    assert sheet.printable("漢\U0001f600\u202e") == "\\u6f22\\U0001f600\\u202e"


def test_a_value_that_is_longer_than_a_page_goes_on_on_the_next_one() -> None:
    reason = " ".join(f"word{number}" for number in range(9000))
    long = [one.model_copy(update={"observed": reason}) for one in certificates.healthy_checks()[:1]]
    file = rendering.as_pdf(signed(healthy(checks=long)))
    assert int(re.search(rb"/Count (\d+)", file)[1]) > 10  # type: ignore[index]  # each PDF has one


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 400)), max_size=20))
def test_run_lengths_give_the_bytes_back(runs: list[tuple[int, int]]) -> None:
    """By the decoder of ISO 32000-1, 7.4.5."""
    data = b"".join(bytes((byte,)) * length for byte, length in runs)
    coded, out, place = pdf_blocks.run_lengths(data), bytearray(), 0
    while (length := coded[place]) != 128:
        if length < 128:
            out += coded[place + 1 : place + 2 + length]
            place += 2 + length
        else:
            out += coded[place + 1 : place + 2] * (257 - length)
            place += 2
    assert out == data and place == len(coded) - 1


def test_nothing_in_a_pdf_depends_on_zlib() -> None:
    """Its releases and builds (zlib-ng) compress differently, and a certificate is compared byte by byte."""
    file = rendering.as_pdf(signed(healthy()))
    assert b"FlateDecode" not in file and file.count(b"/RunLengthDecode") == 6


def test_the_qr_code_is_small_enough_to_be_read() -> None:
    short = signed(healthy()).signature.comment
    code = qr.of_text(short)
    assert code.size <= 77 and pdf.CODE_SIZE / (code.size + 8) > 0.5, "a module is more than half a mm"
    assert len(short) < 450
