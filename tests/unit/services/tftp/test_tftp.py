"""TFTP's codec, policy and transfer arithmetic; no sockets."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.services.tftp.packet import (
    Ack,
    ErrorCode,
    ErrorPacket,
    TftpPacketError,
    TransferRequest,
    build_ack,
    build_data,
    build_error,
    build_oack,
    build_request,
    parse,
)
from provisioner.services.tftp.policy import (
    Content,
    NegotiatedOptions,
    TransferRefused,
    negotiate,
    normalise,
    open_requested,
)
from provisioner.services.tftp.transfer import MAX_PROGRESS_TIMEOUT, PROGRESS_TIMEOUT, Transfer


def request(name: str = "a", **options: str) -> TransferRequest:
    return TransferRequest(name, "octet", options=options)


@given(st.binary(max_size=600))
def test_arbitrary_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    try:
        parse(data)
    except TftpPacketError:
        return


@given(st.binary(max_size=600), st.sampled_from([b"\0\1", b"\0\2"]))
def test_arbitrary_requests_are_a_request_or_an_error(data: bytes, code: bytes) -> None:
    try:
        found = parse(code + data)
    except TftpPacketError:
        return
    assert isinstance(found, TransferRequest)


words = st.text("abcXYZ./\\-09é", min_size=1, max_size=12)


@given(words, st.dictionaries(words.map(str.lower), words, max_size=4), st.booleans())
def test_a_request_is_read_back(name: str, options: dict[str, str], write: bool) -> None:
    asked = TransferRequest(name, "octet", write, options)
    assert parse(build_request(asked)) == asked


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\1",
        b"\0\1a\0octet",
        b"\0\1\0octet\0",
        b"\0\1a\0octet\0blksize\0",
        b"\0\4\0",
        b"\0\3\0\1x",
        b"\0\6a\0b\0",
    ],
)
def test_a_broken_packet_is_an_error(data: bytes) -> None:
    with pytest.raises(TftpPacketError):
        parse(data)


REQUEST = b"\0\1a\0octet\0"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", None),  # nothing that says TFTP
        (b"\1", None),
        (b"\0\5", None),  # an error is never answered, whole or not
        (b"\0\5\0", None),
        (b"\0\1", ErrorCode.ILLEGAL),
        (b"\0\1\0", ErrorCode.ILLEGAL),
        (b"\0\1\0octet\0", ErrorCode.ILLEGAL),  # no name
        (b"\0\1\0octet\0tsize\x000\0", ErrorCode.ILLEGAL),
        (b"\0\2\0octet\0", ErrorCode.ILLEGAL),
        (b"\0\1a\0", ErrorCode.ILLEGAL),  # no mode
        (b"\0\1a\0octet", ErrorCode.ILLEGAL),  # no end
        (REQUEST + b"blksize\x00512", ErrorCode.ILLEGAL),
        (b"\0\1" + b"a" * 1100 + b"\0octet\0", ErrorCode.ILLEGAL),
        (REQUEST + b"blksize\0", ErrorCode.OPTIONS),  # no value
        (REQUEST + b"tsize\x000\0blksize\0", ErrorCode.OPTIONS),
        (b"\0\4\0", ErrorCode.ILLEGAL),  # half an acknowledgement
        (b"\0\3\0\1data", ErrorCode.UNKNOWN_TRANSFER),
        (b"\0\6blksize\x00512\0", ErrorCode.UNKNOWN_TRANSFER),
        (b"\0\0\0\0", ErrorCode.ILLEGAL),  # no opcode of the standard
        (b"\0\7\0\0", ErrorCode.ILLEGAL),
        (b"\1\1a\0octet\0", ErrorCode.ILLEGAL),
        (b"\xff\xff\xff\xff", ErrorCode.ILLEGAL),
    ],
)
def test_what_is_wrong_has_its_error_code_or_is_not_answered(data: bytes, code: ErrorCode | None) -> None:
    with pytest.raises(TftpPacketError) as fault:
        parse(data)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (b"multicast\0\0", {"multicast": ""}),  # as atftp sends it: an empty value is a value
        (b"blksize\x001468\0multicast\0\0", {"blksize": "1468", "multicast": ""}),
        (b"multicast\0\0tsize\x000\0", {"multicast": "", "tsize": "0"}),
        (b"blksize\0\0", {"blksize": ""}),
        (b"\0", {}),  # zeros that some firmware appends
        (b"\0\0\0\0\0", {}),
        (b"tsize\x000\0\0\0\0", {"tsize": "0"}),
        (b"\x00512\0", {}),  # no name: nothing that anybody knows
        (b"blksize\x00512\0BLKSIZE\x008\0", {"blksize": "512"}),
        (b"x\0y\0" * 200, {"x": "y"}),
    ],
)
def test_options_are_read_whatever_their_values(words: bytes, options: dict[str, str]) -> None:
    assert parse(REQUEST + words) == TransferRequest("a", "octet", options=options)


def test_acknowledgement_and_error_are_read() -> None:
    assert parse(b"\0\4\xff\xff") == Ack(65535)
    assert parse(b"\0\5\0\x08User aborted\0") == ErrorPacket(8, "User aborted")


def test_packets_are_built_as_the_standard_shows_them() -> None:
    assert build_data(65537, b"xy") == b"\0\3\0\1xy"
    assert build_oack({"tsize": "7"}) == b"\0\6tsize\x007\0"
    assert build_error(ErrorCode.ACCESS, "nö") == b"\0\5\0\2n?\0"


@pytest.mark.parametrize(
    "name", ["snponly.efi", "/snponly.efi", "\\SNPONLY.EFI", "//snponly.efi", "snponly.efi\xff"]
)
def test_a_name_is_found_however_firmware_writes_it(name: str) -> None:
    assert normalise(name) == "snponly.efi"
    assert open_requested(request(name), {"snponly.efi": b"x"}.get).size == 1


@given(st.text("\0\r\x0f\x11\x1b\x7f\xff\xa0", min_size=1), st.binary())
def test_what_a_rom_reads_behind_a_name_is_dropped(first: str, more: bytes) -> None:
    name = f"/SNPONLY.efi{first}{more.decode('latin-1')}"
    assert normalise(name) == "snponly.efi"


def test_the_number_of_the_option_that_followed_is_dropped_only_with_its_length() -> None:
    files = {"snponly.efi": b"x"}
    for code in "aw":  # options 97 and 119, and their lengths
        assert open_requested(request(f"snponly.efi{code}\x11\0\xff"), files.get).size == 1
        with pytest.raises(TransferRefused):
            open_requested(request(f"snponly.efi{code}"), files.get)
    with pytest.raises(TransferRefused):
        open_requested(request("snponly.efiaa\x11"), files.get)


BOTH = {"snponly.efi": b"x", "snponly.efi2": b"xx"}


@pytest.mark.parametrize(
    ("behind", "size"),
    [
        ("< PXEClient:Arch:00000:UNDI:002001", 1),  # option 60 of 32 bytes, the length a blank
        ("< PXEClient:Arch:00000:UNDI:002001\xff", 1),
        ("< PXEClient:Arch:00007:UNDI:003016a!", 1),  # and option 97, whose value begins with zero
        ("B$tftp.rack-b.site-7.vaultcube.local.aB#tftp.rack-b.site-7.vaultcube.local.", 1),
        ("2< PXEClient:Arch:00000:UNDI:002001", 2),  # the longest name that there is
        ("< PXEClient:Arch:00000:UNDI:00200", 0),  # a letter less than the length says
        ("a!a", 0),
        ("nb", 0),
        ("/../snponly.efi", 0),
    ],
)
def test_whole_options_behind_a_name_are_dropped_though_all_of_it_is_text(behind: str, size: int) -> None:
    asked = request(f"snponly.efi{behind}")
    if size:
        assert open_requested(asked, BOTH.get).size == size
    else:
        with pytest.raises(TransferRefused, match="not found"):
            open_requested(asked, BOTH.get)


@given(st.text(max_size=600))
def test_no_name_costs_much_or_leads_elsewhere(name: str) -> None:
    asked: list[str] = []
    with suppress(TransferRefused):
        open_requested(request(name), asked.append)
    assert len(asked) <= 516 and all(name.lower().replace("\\", "/").find(one) >= 0 for one in asked)


@pytest.mark.parametrize("name", ["autoexec.ipxe", "/AUTOEXEC.IPXE", "boot/autoexec.ipxe"])
def test_autoexec_is_an_empty_file(name: str) -> None:
    assert open_requested(request(name), lambda name: None).size == 0


def test_writing_text_mode_and_unlisted_names_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    cases = [
        (TransferRequest("a", "octet", write=True), ErrorCode.ACCESS, "takes none"),
        (TransferRequest("a", "netascii"), ErrorCode.ILLEGAL, "octet"),
        (request("../etc/passwd"), ErrorCode.NOT_FOUND, "not found"),
        (request("missing"), ErrorCode.NOT_FOUND, "not found"),
        (request("link"), ErrorCode.ACCESS, "symbolic links"),
        (request("fifo"), ErrorCode.ACCESS, "regular"),
        (request("folder"), ErrorCode.ACCESS, "regular"),
    ]
    files = {name: tmp_path / name for name in ("missing", "link", "fifo", "folder")} | {"a": tmp_path / "a"}
    for asked, code, words in cases:
        with pytest.raises(TransferRefused, match=words) as refusal:
            open_requested(asked, files.get)
        assert refusal.value.code == code, asked


def test_a_file_stays_the_one_that_was_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    content = open_requested(request("a"), {"a": tmp_path / "a"}.get)
    (tmp_path / "b").write_bytes(b"new!")
    (tmp_path / "b").rename(tmp_path / "a")
    assert (content.size, content.read(0, 10)) == (3, b"old")
    content.close()
    content.close()


def test_options_are_agreed_to_within_our_limits() -> None:
    terms = negotiate(request(blksize="65535", windowsize="9999", timeout="7", tsize="0", multicast=""), 1000)
    assert terms == NegotiatedOptions(
        65464, 64, 7, {"blksize": "65464", "windowsize": "64", "timeout": "7", "tsize": "1000"}
    )


@pytest.mark.parametrize("value", ["abc", "-1", "", " 0", "٣"])
def test_a_size_that_is_no_number_is_not_answered(value: str) -> None:
    assert negotiate(request(tsize=value), 5) == NegotiatedOptions()


@pytest.mark.parametrize("value", ["0", "7", "9" * 40])
def test_any_other_size_is_answered_by_ours(value: str) -> None:
    assert negotiate(request(tsize=value), 5).accepted == {"tsize": "5"}


@pytest.mark.parametrize("value", ["abc", "-1", "", "0", " 8", "+9", "٣", "9" * 40, "1e3"])
def test_an_unusable_option_is_left_out(value: str) -> None:
    assert negotiate(request(blksize=value, windowsize=value, timeout=value), 5) == NegotiatedOptions()


def transfer(size: int, **options: str) -> Transfer:
    content = Content((bytes(range(256)) * (size // 256 + 1))[:size])
    return Transfer(content, negotiate(request(**options), size), 0.0)


def numbers(packets: list[bytes] | None) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets or []]


def test_without_options_data_follows_at_once_and_a_full_last_block_needs_an_empty_one() -> None:
    sent = transfer(512)
    assert numbers(sent.begin(0)) == [1]
    assert sent.acknowledge(1, 0.01) == [b"\0\3\0\2"]
    assert sent.acknowledge(2, 0.02) == []
    assert sent.done


def test_with_options_the_client_confirms_them_first() -> None:
    sent = transfer(3000, blksize="1000", windowsize="2")
    assert sent.begin(0) == [b"\0\6blksize\x001000\0windowsize\x002\0"]
    assert numbers(sent.acknowledge(0, 0.01)) == [1, 2]
    assert numbers(sent.acknowledge(2, 0.02)) == [3, 4]
    assert not sent.done
    sent.acknowledge(4, 0.03)
    assert (sent.done, sent.acknowledged_bytes) == (True, 3000)


def test_a_repeated_acknowledgement_doubles_nothing() -> None:
    sent = transfer(5000)
    sent.begin(0)
    assert numbers(sent.acknowledge(1, 0.01)) == [2]
    assert sent.acknowledge(1, 0.02) == []
    assert sent.acknowledge(0, 0.02) == []
    assert sent.acknowledge(40000, 0.02) == []


def test_a_hole_in_a_window_is_filled_from_the_hole_on() -> None:
    sent = transfer(9000, blksize="1000", windowsize="4")
    sent.begin(0)
    assert numbers(sent.acknowledge(0, 0.01)) == [1, 2, 3, 4]
    assert numbers(sent.acknowledge(2, 0.02)) == [3, 4, 5, 6]
    assert numbers(sent.acknowledge(2, 0.03)) == []  # already being repeated
    assert numbers(sent.acknowledge(6, 0.04)) == [7, 8, 9, 10]
    assert numbers(sent.acknowledge(6, 0.05)) == [7, 8, 9, 10]  # block 7 was lost
    assert numbers(sent.acknowledge(6, 0.06)) == []


def test_block_numbers_roll_over() -> None:
    size = 70000 * 8
    sent = transfer(size, blksize="8", windowsize="64")
    packets = sent.begin(0.0)
    now, rounds = 0.0, 0
    while not sent.done:
        now, rounds = now + 0.001, rounds + 1
        packets = sent.acknowledge(numbers(packets)[-1] if rounds > 1 else 0, now)
    assert (sent.acknowledged_bytes, rounds) == (size, 1 + -(-70001 // 64))


def test_waits_follow_the_round_trip_grow_and_end() -> None:
    sent = transfer(5000)
    sent.begin(0)
    assert sent.deadline == pytest.approx(0.1)
    sent.acknowledge(1, 0.001)
    assert sent.deadline == pytest.approx(0.021)
    now, waits = sent.deadline, []
    while (packets := sent.retransmit(now)) is not None:
        assert numbers(packets) == [2]
        waits.append(sent.deadline - now)
        now = sent.deadline
    assert waits[:4] == pytest.approx([0.03, 0.045, 0.0675, 0.10125])
    assert max(waits) > 5, "atftp's own clock begins anew with each repetition, and it must come to its turn"
    assert now == pytest.approx(0.001 + PROGRESS_TIMEOUT)


@pytest.mark.parametrize("options", [{}, {"tsize": "0"}, {"blksize": "65464", "windowsize": "64"}])
def test_a_request_that_nobody_stands_behind_causes_three_small_packets(options: dict[str, str]) -> None:
    sent = transfer(100_000, **options)
    heard = sent.begin(0)
    while (packets := sent.retransmit(sent.deadline)) is not None:
        heard += packets
    assert len(heard) == 3 and len(set(heard)) == 1 and len(heard[0]) <= 516
    assert sent.deadline == pytest.approx(PROGRESS_TIMEOUT), "and it ends when any other would"


def test_a_request_that_comes_again_is_answered_again_once_the_timer_has_given_up() -> None:
    sent = transfer(100_000, tsize="0")
    first = sent.begin(0)
    assert sent.answer_again(0.05) == [], "the timer will do it"
    for _ in range(2):
        assert sent.retransmit(sent.deadline) == first
    assert sent.retransmit(sent.deadline) == []
    for now in (4.0, 8.0):
        assert sent.answer_again(now) == first
        assert sent.retransmit(sent.deadline) == [], "once for each time"
    assert numbers(sent.acknowledge(0, 8.1)) == [1]
    assert sent.answer_again(8.2) == [], "it has begun"
    assert numbers(sent.retransmit(sent.deadline)) == [1], "and what is lost now is sent again"


def test_the_answer_to_a_repeated_packet_measures_nothing() -> None:
    sent = transfer(5000)
    sent.begin(0)
    sent.acknowledge(1, 0.2)
    sent.retransmit(1.0)
    sent.acknowledge(2, 1.0001)
    wait = sent.deadline - 1.0001
    assert wait == pytest.approx(0.9), "still 0.2 and 4 times 0.1, half as long again, and kept"
    sent.acknowledge(3, 1.0101)
    assert sent.deadline - 1.0101 < 0.8, "until a packet that was sent once is answered"


def test_a_client_with_a_long_timeout_is_waited_for_but_not_for_ever() -> None:
    sent = transfer(5000, timeout="8")
    sent.begin(0)
    assert sent.retransmit(20.0)
    assert sent.retransmit(24.1) is None
    assert transfer(5000, timeout="255").retransmit(MAX_PROGRESS_TIMEOUT) is None


def test_packets_that_are_sent_again_are_counted() -> None:
    sent = transfer(5000, windowsize="4")
    sent.begin(0)
    assert len(sent.acknowledge(0, 0.01)) == 4 and sent.retransmits == 0
    assert len(sent.acknowledge(2, 0.02)) == 4 and sent.retransmits == 2, "3, 4 a second time, 5, 6 anew"
    assert sent.retransmit(1.0) and sent.retransmits == 6


def test_a_silent_client_is_given_up_at_its_deadline_whatever_the_clock_says() -> None:
    """With some times rounding made it a hair's breadth too early, again and again."""
    for number in range(1000):
        now = number * 0.37
        sent = transfer(5000)
        sent.begin(now)
        sent.acknowledge(1, now + 0.01)
        repetitions = 0
        while sent.retransmit(sent.deadline) is not None:
            repetitions += 1
            assert repetitions < 20, now


def test_the_same_request_begins_anew_only_after_a_silence() -> None:
    sent = transfer(5000)
    sent.begin(0)
    assert sent.is_fresh(9), "it has not been answered"
    sent.acknowledge(1, 1.0)
    assert sent.is_fresh(2.9) and not sent.is_fresh(3.1)


def drive(size: int, hops: list[int], *, prefetched: bool, **options: str) -> list[bytes]:
    """What a session sends for some ACKs, and how it stands; `prefetched` as a session does it."""
    sent, out, ready = transfer(size, **options), [], list[tuple[bytes, list[bytes]]]()
    out += sent.begin(0)
    for number, block in enumerate(hops):
        now = 0.01 * (number + 1)
        if ready and ready[0][0] == build_ack(block):
            out += ready.pop(0)[1]
            sent.acknowledge_expected(now, timed=not ready)
            ready = ready or sent.prefetch()
            continue
        packets = sent.acknowledge(block, now)
        out += packets
        if prefetched and packets:
            ready = sent.prefetch()
    return [*out, f"{sent.acknowledged_bytes} {sent.done} {sent.retransmits}".encode()]


@pytest.mark.parametrize("window", ["1", "4", "16"])
def test_looking_ahead_changes_nothing_that_is_sent(window: str) -> None:
    hops = [0, *range(1, 8), 7, 8, 9, 12, 12, 10, 16, 20, 20, 24, 28, 32, 33, 36, 37, 38, 39, 40]
    plain = drive(20_000, hops, prefetched=False, windowsize=window)
    assert plain == drive(20_000, hops, prefetched=True, windowsize=window) and len(plain) > 10


def test_a_wait_that_has_grown_is_short_again_after_the_next_answer_at_once() -> None:
    """Also where answers are ready, of which not each is measured: else a bad line lets it grow and grow."""
    sent, now = transfer(40_000), 0.0
    sent.begin(now)
    for block in (1, 2):
        sent.acknowledge(block, now := now + 0.001)
    short = sent.deadline - now
    ready = sent.prefetch()
    assert len(ready) > 3
    sent.retransmit(now := sent.deadline)
    assert sent.deadline - now > 1.4 * short
    sent.acknowledge_expected(now := now + 0.001, timed=False)  # Karn: of a packet that was sent twice
    assert sent.deadline - now > 1.4 * short
    sent.acknowledge_expected(now := now + 0.001, timed=False)
    assert sent.deadline - now < 1.1 * short


def test_what_is_ready_is_what_the_hoped_for_acknowledgements_ask_for() -> None:
    sent = transfer(3000, windowsize="2")
    sent.begin(0)
    sent.acknowledge(0, 0.01)
    ready = sent.prefetch()
    assert [expected_ack for expected_ack, _ in ready] == [build_ack(2), build_ack(4)]
    assert [sent.acknowledge(last, 0.02) for last in (2, 4)] == [packets for _, packets in ready]
    assert numbers(ready[-1][1]) == [5, 6] and len(ready[-1][1][1]) == 4 + 3000 - 5 * 512
    assert sent.prefetch() == [], "nothing is left"
    assert transfer(3000, windowsize="64", blksize="65464").prefetch() == [], "too much to keep ready"
