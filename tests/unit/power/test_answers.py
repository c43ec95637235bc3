"""What an answer of a BMC means: by IPMI's completion codes and by Redfish's statuses and messages."""

import gzip
import json
import zlib
from dataclasses import replace

import pytest

from provisioner.errors import NotYetError, PowerError
from provisioner.power import completion, patience, redfish_answer
from provisioner.power.outcome import Kind, Outcome
from provisioner.power.protocol import BmcAddress

BMC = BmcAddress("redfish", "10.0.0.9", 443, user="ann", password="s3cret", name="vc-1", secret="rack-b3")


def body(identifier: str, words: str = "in words") -> bytes:
    return json.dumps(
        {
            "error": {
                "code": "x.GeneralError",
                "@Message.ExtendedInfo": [{"MessageId": identifier, "Message": words}],
            }
        }
    ).encode()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((0x00, Kind.DONE), (0xC0, Kind.NOT_NOW), (0xD2, Kind.NOT_NOW), (0xD1, Kind.NOT_NOW)),
        *((0xC3, Kind.UNKNOWN), (0xFF, Kind.UNKNOWN), (0xFFFF, Kind.UNKNOWN)),
        *((0xC1, Kind.REFUSED), (0xCC, Kind.REFUSED), (0xD5, Kind.REFUSED), (0x80, Kind.REFUSED)),
        *((0xC5, Kind.NOT_NOW), (0xDF, Kind.UNKNOWN), (0xFE, Kind.UNKNOWN), (0x7E, Kind.REFUSED)),
    ],
)
def test_a_completion_code_is_judged(code: int, kind: Kind) -> None:
    outcome = completion.judge(code)
    assert outcome.kind is kind
    assert kind is Kind.DONE or f"0x{code:02x}" in outcome.words


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (204, b"", Kind.DONE, 203),
        (202, b"{}", Kind.DONE, 203),
        (503, b"", Kind.NOT_NOW, 203),
        (400, body("Base.1.4.ServiceInUnknownState"), Kind.NOT_NOW, 203),
        (409, body("Base.1.8.ResourceInUse"), Kind.NOT_NOW, 203),
        (500, body("Base.1.8.InternalError"), Kind.UNKNOWN, 203),
        (504, b"<html>", Kind.UNKNOWN, 203),
        (400, body("iLO.2.15.PropertyNotWritableOrUnknown"), Kind.REFUSED, 203),
        (401, b"", Kind.REFUSED, 202),
        (403, b"", Kind.REFUSED, 213),
        (403, body("Base.1.8.InsufficientPrivilege"), Kind.REFUSED, 213),
        (403, body("SMC.1.0.OemLicenseNotPassed"), Kind.REFUSED, 203),
        (
            400,
            body("iLO.0.10.UnableToModifyDuringSystemPOST").replace(b"MessageId", b"MessageID"),
            Kind.NOT_NOW,
            203,
        ),
        (403, body("Base.1.8.PasswordChangeRequired"), Kind.REFUSED, 212),
        (400, body("Base.1.8.AccountLocked"), Kind.REFUSED, 215),
        (403, body("Base.1.8.NoValidSession"), Kind.REFUSED, 202),
        (409, b"", Kind.REFUSED, 203),
        (400, body("iLO.2.15.UnableToModifyDuringSystemPOST"), Kind.NOT_NOW, 203),
        (301, b"<html>", Kind.REFUSED, 203),
    ],
)
def test_an_answer_of_redfish_is_judged(status: int, text: bytes, kind: Kind, code: int) -> None:
    outcome = redfish_answer.judge(redfish_answer.parse(status, text, {}))
    assert (outcome.kind, outcome.code) == (kind, code)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (body("Base.1.8.X", "the thing  is\nbroken"), "the thing is broken (status 400)"),
        (b'{"error": {"@Message.ExtendedInfo": {"MessageId": "X.1.Y"}}}', "X.1.Y (status 400)"),
        (b'{"error": {"message": "no"}}', "no (status 400)"),
        (b'{"error": "odd"}', "Bad Request (status 400)"),
        (b"<html><style>p {x}</style><p>No</p> entry</html>", "No entry (status 400)"),
        (b"\xff\xfe[1]", "\ufffd\ufffd[1] (status 400)"),
        (b"", "Bad Request (status 400)"),
    ],
)
def test_an_error_is_told_in_the_bmcs_own_words(text: bytes, words: str) -> None:
    assert redfish_answer.parse(400, text, {}).words() == words


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("5", 5.0),
        ("0", 1.0),
        ("86400", 60.0),
        ("-3", 2.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 2.0),
        ("9" * 40, 2.0),
    ],
)
def test_the_pause_that_a_bmc_asks_for_has_bounds(asked: str, pause: float) -> None:
    answer = redfish_answer.parse(503, b"", {"Retry-After": asked})
    fault = redfish_answer.judge(answer).fault(BMC, "reset")
    assert isinstance(fault, NotYetError) and fault.code == 211
    assert patience.pause_after(fault) == pause


def test_silence_is_asked_again_and_a_refusal_is_not() -> None:
    assert patience.pause_after(PowerError("silent", code=201)) == patience.SILENCE
    refused = redfish_answer.judge(redfish_answer.parse(403, body("Base.1.8.PasswordChangeRequired"), {}))
    fault = refused.fault(BMC, "reset")
    assert patience.pause_after(fault) is None
    assert "before its password is changed: in words" in str(fault)
    assert fault.hint.endswith("provision bmc secret rack-b3 --user ann")


def test_patience_ends_with_the_last_error_and_asks_before_each_try(monkeypatch: pytest.MonkeyPatch) -> None:
    now, checks = [0.0], []
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def busy() -> None:
        raise NotYetError("busy", pause=4)

    with pytest.raises(NotYetError, match="busy"):
        patience.outlast(busy, 10, before_retry=lambda: checks.append(now[0]))
    assert checks == [4, 8]


@pytest.mark.parametrize("has_answered", [True, False])
def test_silence_is_outlasted_only_of_a_bmc_that_has_answered(
    monkeypatch: pytest.MonkeyPatch, has_answered: bool
) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    faults = [NotYetError("restarting")] * has_answered + [PowerError("silent", code=201)] * 2

    def act() -> str:
        if faults:
            raise faults.pop(0)
        return "on"

    if has_answered:
        assert patience.outlast(act, 1000) == "on"
    else:
        with pytest.raises(PowerError, match="silent"):
            patience.outlast(act, 1000)
        assert len(faults) == 1


def test_a_withdrawn_order_ends_it_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    tries = []

    def busy() -> None:
        tries.append(1)
        raise NotYetError("busy")

    def withdrawn() -> None:
        raise PowerError("cancelled")

    with pytest.raises(PowerError, match="cancelled"):
        patience.outlast(busy, 1000, before_retry=withdrawn)
    assert tries == [1]


@pytest.mark.parametrize(
    "outcome",
    [
        completion.judge(0xD5),
        redfish_answer.judge(redfish_answer.parse(409, b"", {})),
        redfish_answer.judge(redfish_answer.Answer(409, redfish_answer.Resource(), task="Exception")),
    ],
)
def test_what_is_refused_in_the_present_state_is_asked_again(outcome: Outcome) -> None:
    assert outcome.kind is Kind.REFUSED, "another order may be taken"
    fault = outcome.fault(BMC, "reset")
    assert isinstance(fault, NotYetError) and patience.pause_after(fault) == 2


def test_a_date_is_read_by_the_bmcs_own_clock() -> None:
    headers = {"Retry-After": "Thu, 01 Jan 1970 00:10:30 GMT", "Date": "Thu, 01 Jan 1970 00:10:00 GMT"}
    assert redfish_answer.parse(503, b"", headers).pause() == 30


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (gzip.compress(b'{"Id": "1"}', mtime=0), {"Content-Encoding": "gzip"}),
        (gzip.compress(b'{"Id": "1"}', mtime=0), {"content-encoding": "X-GZIP"}),
        (gzip.compress(b'{"Id": "1"}', mtime=0), {}),
        (zlib.compress(b'{"Id": "1"}'), {"Content-Encoding": "deflate"}),
        (b'{"Id": "1"}', {"Content-Encoding": "gzip"}),
        (b'\xef\xbb\xbf{"Id": "1"}\0\r\n', {}),
    ],
)
def test_a_body_is_read_however_it_is_packed(data: bytes, headers: dict[str, str]) -> None:
    assert redfish_answer.parse(200, data, headers).body.text("Id") == "1"


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"Id": "1', b"\x1f\x8b\x08", b"null", b"[1]"])
def test_what_is_no_object_is_empty(data: bytes) -> None:
    assert redfish_answer.parse(200, data, {}).body.fields == {}


def test_a_packed_body_swells_no_further_than_is_read() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(redfish_answer.parse(200, bomb, {}).text) <= redfish_answer.LARGEST


def test_an_etag_that_no_header_can_hold_is_none() -> None:
    resource = redfish_answer.Resource({"@odata.etag": '"ü"'})
    assert redfish_answer.Answer(200, resource).etag() == ""


@pytest.mark.parametrize(
    ("identifier", "words", "is_named"),
    [
        ("iLO.2.14.InvalidOperationForSystemState", "not now", True),
        ("Base.1.8.X", "The operation failed due to the current power state.", True),
        ("IDRAC.2.8.PSU501", "Server is already powered ON.", True),
        ("Oem.Y", "the host is already off", True),
        ("Oem.Y", "not allowed in its present state", True),
        ("Base.1.8.ActionParameterNotSupported", "ForceOn is not supported (status 400)", False),
        ("Base.1.8.ServiceInUnknownState", "the service is in an unknown state", False),
        ("Base.1.8.ResourceExists", "it is already offered", False),
    ],
)
def test_a_refusal_that_names_the_power_state_passes(identifier: str, words: str, is_named: bool) -> None:
    answer = redfish_answer.parse(400, body(identifier, words), {})
    assert answer.names_power_state() is is_named


@pytest.mark.parametrize("passes", [False, True])
def test_a_refusal_that_passes_is_asked_again(passes: bool) -> None:
    answer = replace(redfish_answer.parse(400, body("iLO.2.14.Z"), {}), passes=passes)
    fault = redfish_answer.judge(answer).fault(BMC, "power on")
    assert isinstance(fault, NotYetError) is passes
    assert "status 400" in str(fault)
