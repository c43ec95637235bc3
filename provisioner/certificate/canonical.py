"""The one rendering of a report, byte by byte: what is signed, and what reading compares with."""

import json

from pydantic import ValidationError

from provisioner.domain.acceptance import AcceptanceReport
from provisioner.errors import CertificateError, InputError
from provisioner.system import canonical_json
from provisioner.validation import sentences

LARGEST = 8 << 20  # bytes; a report of eight GPUs has some 50 kB
FORMAT = "vaultcube.gpu-acceptance/1"
MOST_WORDS = 300  # characters of what is wrong with a report


def render(report: AcceptanceReport) -> bytes:
    """One line of JSON in UTF-8: every key, sorted, no blanks, a line feed at the end.

    Numbers are as Python's json has them: a whole number without a point, any other as the shortest text that
    reads back as the same IEEE 754 double (and always with a point or an exponent). Raises InputError
    (PV-100): a value that JSON has no number for.
    """
    try:
        return canonical_json.dump(report.model_dump(mode="json"))
    except (ValueError, RecursionError) as fault:
        raise InputError(f"the report {report.report_id} holds what JSON cannot: {fault}") from fault


def read(data: bytes) -> AcceptanceReport:
    """The report of which this is the rendering. Raises CertificateError (PV-560) for anything else.

    Compared is what stands there, not what this release would write: a release that knows a further key
    reads what an older one has signed.
    """
    if len(data) > LARGEST:
        raise _refused("it is larger than any report")
    try:
        value = json.loads(data.decode(), parse_constant=canonical_json.no_number)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise _refused(f"it is no {FORMAT}")
        if canonical_json.dump(value) != data:
            raise _refused("it is not written as reports are: blanks, order, a key twice, or a number")
        report = AcceptanceReport.model_validate(value)
        if canonical_json.dump(report.model_dump(mode="json", exclude_unset=True)) != data:
            raise _refused("a value in it is not of its own kind, or holds what cannot be shown")
    except ValidationError as fault:
        raise _refused(sentences(fault)[:MOST_WORDS]) from fault
    except (ValueError, RecursionError) as fault:
        raise _refused(f"it is no JSON that can be read: {fault}"[:MOST_WORDS]) from fault
    return report


def _refused(why: str) -> CertificateError:
    return CertificateError(
        f"this is no report of an acceptance: {why}",
        hint="take the file as it was written; a newer report wants a newer release",
        code=560,
    )
