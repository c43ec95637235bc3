"""A report has one rendering; whatever is written otherwise is refused."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.certificate import canonical
from provisioner.domain.acceptance import AcceptanceReport, GpuMeasurement
from provisioner.errors import CertificateError, InputError
from tests import certificates

DATA = canonical.render(certificates.healthy())
TEXT = DATA.decode()


@pytest.mark.parametrize("report", [certificates.healthy(), certificates.rejected()], ids=["good", "bad"])
def test_what_was_written_reads_back_and_is_written_alike(report: AcceptanceReport) -> None:
    data = canonical.render(report)
    assert canonical.read(data) == report
    assert canonical.render(canonical.read(data)) == data
    assert data.endswith(b"}\n") and data.count(b"\n") == 1 and "Жанна".encode() in data


OTHERWISE = {
    "a blank": TEXT.replace(":", ": ", 1),
    "no line feed": TEXT.rstrip("\n"),
    "two line feeds": TEXT + "\n",
    "another line end": TEXT.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + TEXT,
    "another order": json.dumps(dict(reversed(json.loads(TEXT).items())), separators=(",", ":")) + "\n",
    "an escape": TEXT.replace("Жанна", "\\u0416анна"),
    "ASCII alone": json.dumps(json.loads(TEXT), sort_keys=True, separators=(",", ":")) + "\n",
    "a key twice": TEXT.replace('"level":"full"', '"level":"full","level":"full"'),
    "a key twice, the first another": TEXT.replace('"level":"full"', '"level":"soak","level":"full"'),
    "an exponent": TEXT.replace('"value":61.0', '"value":6.1e1'),
    "more digits": TEXT.replace('"value":61.0', '"value":61.00'),
    "a whole number for a fraction": TEXT.replace('"value":61.0', '"value":61'),
    "a fraction for a whole number": TEXT.replace('"samples":5', '"samples":5.0'),
    "a number in quotes": TEXT.replace('"samples":5', '"samples":"5"'),
    "not a number": TEXT.replace('"value":61.0', '"value":NaN'),
    "endless": TEXT.replace('"value":61.0', '"value":Infinity'),
    "a number without end": TEXT.replace('"value":61.0', '"value":1' + "0" * 5000),
    "a key that is not known": TEXT.replace('{"artifacts"', '{"aa":1,"artifacts"'),
    "another format": TEXT.replace("acceptance/1", "acceptance/2"),
    "another verdict": TEXT.replace('"status":"accepted"', '"status":"rejected"'),
    "what cannot be shown": TEXT.replace("vault-os", "vault\\u202eos"),
    "no object": "[]\n",
    "nothing": "",
    "deep": "[" * 100_000 + "]" * 100_000 + "\n",
    "half of it": TEXT[: len(TEXT) // 2],
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_written_otherwise_is_refused(text: str) -> None:
    assert text != TEXT
    with pytest.raises(CertificateError) as refused:
        canonical.read(text.encode())
    assert refused.value.code == 560 and refused.value.hint


@pytest.mark.parametrize("data", [b"\xff\xfe", DATA.replace(b"vault-os", b"vault\xffos"), b"\x00" * 10])
def test_what_is_no_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        canonical.read(data)


def test_what_is_larger_than_any_report_is_not_even_parsed() -> None:
    with pytest.raises(CertificateError, match="larger"):
        canonical.read(b" " * (canonical.LARGEST + 1))


def test_what_an_older_release_has_written_is_read() -> None:
    """It lacks the keys that have come since, each of which has a value of its own."""
    older = json.loads(TEXT)
    del older["baseline"], older["subject"]["rack"]
    data = json.dumps(older, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    assert canonical.read(data).subject.rack == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_number_for_is_not_written(value: float) -> None:
    gpu = certificates.gpu(0, measured=(GpuMeasurement(name="h2d", value=value, unit="GB/s"),))
    with pytest.raises(InputError, match="holds what JSON cannot"):
        canonical.render(certificates.healthy(gpus=(gpu,)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_as_it_was(value: float) -> None:
    gpu = certificates.gpu(0, measured=(GpuMeasurement(name="h2d", value=value, unit="GB/s"),))
    data = canonical.render(certificates.healthy(gpus=(gpu,)))
    [measured] = canonical.read(data).gpus[0].measured
    assert repr(measured.value) == repr(value)


def test_a_byte_that_is_left_out_or_comes_in_makes_another_report_or_none() -> None:
    """What is read all the same is another text, which the signature finds."""
    chance = random.Random(20261129)
    for _ in range(300):
        place = chance.randrange(len(DATA))
        changed = DATA[:place] + DATA[place + chance.randrange(2) + (chance.random() < 0.5) :]
        changed = changed if changed != DATA else DATA[:place] + b" " + DATA[place:]
        try:
            report = canonical.read(changed)
        except CertificateError:
            continue
        assert canonical.render(report) != DATA


@given(st.binary(max_size=300))
def test_anything_is_read_or_refused_in_words(data: bytes) -> None:
    with pytest.raises(CertificateError):
        canonical.read(data)
