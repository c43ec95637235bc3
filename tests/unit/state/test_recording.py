"""A recorded console: its text without what a terminal obeys, its last words, its limits."""

from pathlib import Path

import pytest

from provisioner.state import recording
from provisioner.state.recording import Recording, RecordingWriter, TerminalText, plain
from provisioner.state.redaction import redact_text
from provisioner.system.checksum import sha256_text
from tests.hostile_words import WORDS, faults


@pytest.fixture
def kept(tmp_path: Path) -> Recording:
    (tmp_path / "logs").mkdir()
    return Recording(tmp_path, "d-1")


def test_the_console_is_shown_without_control_sequences() -> None:
    assert plain(b"\x1b[2J\x1b[01;01H\x1b[=3h>>Start \x1b[1mPXE\x1b[0m\r\n\xff") == ">>Start PXE\n\ufffd"


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x1b]0;a title\x07",
        b"\x1b]52;c;cm0gLXJm\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_payload\x1b\\",
        b"\x1bc",
        b"\x1b(B",
        b"\x07\x08\x00\x7f",
        "\x9b2J".encode(),
    ],
)
def test_nothing_is_left_that_a_terminal_would_obey(hostile: bytes) -> None:
    shown = plain(b"before" + hostile + b"after")
    assert shown.startswith("before") and shown.endswith("after")
    assert all(letter.isprintable() for letter in shown)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_the_console_is_kept_as_it_came_and_its_text_hides_nothing(kept: Recording, words: str) -> None:
    data = f"tab\t{words}\r\n".encode(errors="surrogatepass")
    kept.log.write_bytes(data)
    assert kept.read(0, 1 << 20) == data
    shown = [plain(data).replace("\t", ""), *kept.last_words()]
    assert [fault for text in shown for line in text.split("\n") for fault in faults(line)] == []
    assert all("\n" not in line for line in kept.last_words())


def test_a_sequence_that_is_cut_in_two_is_taken_out_all_the_same() -> None:
    data = "\x1b[31mred\x1b]0;title\x07 \x1b(0é\x1b[0m\n".encode()
    for cut in range(len(data)):
        text = TerminalText()
        assert text.add(data[:cut]) + text.add(data[cut:], last=True) == "red é\n", cut


def test_the_last_words_are_lines_with_text_of_a_readable_width(kept: Recording) -> None:
    assert kept.last_words() == []
    lines = [f"line {number}\r\n\r\n   \x1b[0m\r\n" for number in range(40)]
    kept.log.write_text("".join(lines) + "x" * 500)
    words = kept.last_words()
    assert words[:2] == ["line 26", "line 27"] and len(words) == recording.WORDS
    assert words[-1] == "x" * recording.WIDTH + "…"


def test_the_last_lines_begin_where_they_should(kept: Recording) -> None:
    kept.log.write_bytes(b"one\ntwo\nthree\n")
    assert [kept.read(kept.line_start(n), 99) for n in (1, 2, 3, 9)] == [
        b"three\n",
        b"two\nthree\n",
        b"one\ntwo\nthree\n",
        b"one\ntwo\nthree\n",
    ]


def test_what_comes_after_the_limit_is_kept_in_part_and_said(
    kept: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LIMIT", 10)
    monkeypatch.setattr(recording, "NEWEST", 4)
    writer = RecordingWriter(kept)
    writer.add(b"01234567")
    writer.add(b"89abcdef")
    writer.keep()
    assert (kept.read(0, 99), kept.newest()) == (b"0123456789", b"cdef")
    del writer
    again = RecordingWriter(kept)  # after a restart
    again.add(b"gh")
    again.keep()
    assert (kept.size(), kept.newest()) == (10, b"efgh")
    assert [(mark.mark, mark.offset) for mark in kept.marks()] == [("full", 10)]


def test_half_a_line_in_the_journal_is_no_fault(kept: Recording) -> None:
    kept.mark("began")
    with kept.journal.open("ab") as journal:
        journal.write(b'{"time": 1')
    assert [mark.mark for mark in kept.marks()] == ["began"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pv.mac=52:54:00:00:00:01 pv.nonce=AbC-_9 quiet", "pv.mac=52:54:00:00:00:01 pv.nonce=… quiet"),
        ("ds=nocloud-net;s=http://10.0.0.1/autoinstall/52:54:00:00:00:01/NoNcE/ x", None),
        ("root password: hunter2", "root password: …"),
        ("the known one: s3cret-s3cret-s3cret", "the known one: …"),
        ("nobody knows s3cret-s3cret-s3creT", "nobody knows s3cret-s3cret-s3creT"),
        ("token bucket filter loaded", "token bucket filter loaded"),
    ],
)
def test_a_line_is_shown_without_its_secrets(line: str, shown: str | None) -> None:
    wanted = shown or "ds=nocloud-net;s=http://10.0.0.1/autoinstall/52:54:00:00:00:01/…/ x"
    assert redact_text(line, sha256_text("s3cret-s3cret-s3cret"), "") == wanted
