"""What comes again and again is logged once and counted."""

import logging

import pytest

from provisioner.services.eventloop.rate_limited_log import PACKET_BURST, PacketLog, RateLimitedLog

log = logging.getLogger("limited")
SUMMARY = "%d more of what was said before, or of too many kinds to say"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_the_same_is_said_once_and_counted(lines: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    limited = RateLimitedLog(log, burst=200, period=60, summary=SUMMARY, clock=lambda: now[0])
    key = ("10.0.0.9", "refused")
    written = [limited.write(logging.INFO, "%s: refused %s", "10.0.0.9", name, key=key) for name in "abc"]
    assert written == [True, False, False]
    assert limited.write(logging.INFO, "another client", key=("10.0.0.8", "refused"))
    now[0] = 61
    limited.flush()
    limited.flush()
    assert [record.message for record in lines.records] == [
        "10.0.0.9: refused a",
        "another client",
        "2 more of what was said before, or of too many kinds to say",
    ]
    assert limited.write(logging.INFO, "again", key=key), "a new period"


def test_whoever_invents_addresses_fills_neither_disk_nor_memory(lines: pytest.LogCaptureFixture) -> None:
    limited = RateLimitedLog(log, burst=20, period=60)
    for number in range(10_000):
        limited.write(logging.INFO, "%s", number, key=str(number))
    assert len(lines.records) == 20 and len(limited._keys) == 20


def test_lines_without_a_key_are_limited_too_and_the_count_has_their_level(
    lines: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    limited = RateLimitedLog(log, burst=2, period=10, summary="%d more", clock=lambda: now[0])
    written = [limited.write(logging.WARNING, "bad") for _ in range(5)]
    assert written == [True, True, False, False, False]
    now[0] = 10
    assert limited.write(logging.INFO, "good")
    assert [(record.levelname, record.message) for record in lines.records[2:]] == [
        ("WARNING", "3 more"),
        ("INFO", "good"),
    ]


def test_a_bad_packet_is_shown_by_its_head_and_a_fault_of_ours_by_its_traceback(
    lines: pytest.LogCaptureFixture,
) -> None:
    packets = PacketLog(log)
    packets.malformed("lan0 10.0.0.9", "too short", b"\xab" * 100)
    try:
        raise RuntimeError("the store is gone")
    except RuntimeError as fault:
        packets.failed("xid 00000001 lan0 52:54:00:00:00:01", "not answered", fault, b"\1\2")
    bad, failed = lines.records
    assert bad.message == f"lan0 10.0.0.9: too short; 100 bytes: {'ab' * 48}"
    assert failed.message == (
        "xid 00000001 lan0 52:54:00:00:00:01: not answered: RuntimeError('the store is gone'); 2 bytes: 0102"
    )
    assert failed.exc_info and not bad.exc_info
    for _ in range(100):
        packets.malformed("lan0", "too short", b"")
    assert len(lines.records) == PACKET_BURST
