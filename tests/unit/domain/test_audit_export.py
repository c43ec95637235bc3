"""Any edit of an exported audit is found: 10,000 of 10,000."""

import random
from collections.abc import Callable

import pytest

from provisioner.domain import audit_export
from provisioner.domain.audit import NOTHING, Entry, Forgotten, Kind, Line, hash_of
from provisioner.domain.audit_chain import Chain
from provisioner.domain.audit_export import Head, SignedHead
from provisioner.errors import AuditError
from provisioner.system import canonical_json, ed25519

SEED = 20261129
EDITS = 10_000


def make(count: int, first: int = 1, previous: str = NOTHING) -> list[bytes]:
    """Lines as a site writes them."""
    raw: list[bytes] = []
    for number in range(first, first + count):
        entry = Entry(kind=Kind.POWER, time=1.8e9 + number, by="ann", host=f"vc-{number}", sentence="on")
        line = Line(**entry.model_dump(), number=number, previous=previous)
        raw.append(line.to_bytes())
        previous = hash_of(raw[-1])
    return raw


def signed(lines: list[bytes], private: str, public: str) -> SignedHead:
    chain = Chain()
    for line in lines:
        chain.add(line)
    head = Head.of(chain, key=public, now=1.9e9)
    return SignedHead(head=head, signature=ed25519.sign(private, head.to_bytes()))


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return ed25519.make()


@pytest.fixture(scope="module")
def exported(keys: tuple[str, str]) -> list[bytes]:
    lines = make(40)
    return list(audit_export.write(lines, signed(lines, *keys)))


def split(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def verify(data: bytes, **more: object) -> Head:
    return audit_export.verify([part + b"\n" for part in data.split(b"\n")[:-1]], **more)  # type: ignore[arg-type]


def flip(random: random.Random, lines: list[bytes]) -> bytes:
    data = bytearray(b"".join(lines))
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def insert(random: random.Random, lines: list[bytes]) -> bytes:
    data = b"".join(lines)
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at:]


def delete(random: random.Random, lines: list[bytes]) -> bytes:
    data = b"".join(lines)
    at = random.randrange(len(data))
    return data[:at] + data[at + random.randint(1, 40) :]


def drop_line(random: random.Random, lines: list[bytes]) -> bytes:
    at = random.randrange(len(lines))
    return b"".join(lines[:at] + lines[at + 1 :])


def repeat_line(random: random.Random, lines: list[bytes]) -> bytes:
    at, to = random.randrange(len(lines)), random.randrange(len(lines) + 1)
    return b"".join([*lines[:to], lines[at], *lines[to:]])


def swap_lines(random: random.Random, lines: list[bytes]) -> bytes:
    one, other = random.sample(range(len(lines)), 2)
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return b"".join(swapped)


def cut(random: random.Random, lines: list[bytes]) -> bytes:
    data = b"".join(lines)
    return data[: random.randrange(len(data))]


def cut_lines(random: random.Random, lines: list[bytes]) -> bytes:
    """Whole lines before the head are gone."""
    last = random.randrange(1, len(lines) - 1)
    return b"".join([*lines[:last], lines[-1]])


def rewrite(random: random.Random, lines: list[bytes]) -> bytes:
    """One line says something else, and is written as a line is."""
    at = random.randrange(1, len(lines) - 1)
    line = Line.model_validate_json(lines[at])
    field, value = random.choice([("by", "eve"), ("host", "vc-x"), ("time", 1.0), ("result", "failed")])
    return b"".join([*lines[:at], line.model_copy(update={field: value}).to_bytes(), *lines[at + 1 :]])


def space(random: random.Random, lines: list[bytes]) -> bytes:
    """The same JSON in other bytes."""
    at = random.randrange(len(lines))
    return b"".join([*lines[:at], lines[at].replace(b",", b", ", 1), *lines[at + 1 :]])


Edit = Callable[[random.Random, list[bytes]], bytes]
KINDS: tuple[Edit, ...] = (
    flip,
    insert,
    delete,
    drop_line,
    repeat_line,
    swap_lines,
    cut,
    cut_lines,
    rewrite,
    space,
)


def test_ten_thousand_of_ten_thousand_edits_are_found(exported: list[bytes]) -> None:
    draw = random.Random(SEED)
    whole, found, missed = b"".join(exported), 0, []
    while found + len(missed) < EDITS:
        edit = KINDS[(found + len(missed)) % len(KINDS)]
        edited = edit(draw, exported)
        if edited == whole:  # a byte that was inserted beside its like, or nothing was deleted
            continue
        try:
            verify(edited)
        except AuditError as fault:
            assert fault.code in {690, 692, 693, 694}
            found += 1
        else:
            missed.append((edit.__name__, edited))
    assert (found, missed) == (EDITS, [])


def test_an_audit_as_it_was_exported_is_whole(exported: list[bytes], keys: tuple[str, str]) -> None:
    head = verify(b"".join(exported), keys=[keys[1]])
    assert (head.first, head.number, head.count) == (1, 40, 40)


def test_a_whole_audit_by_another_key_is_refused_where_the_sites_is_known(keys: tuple[str, str]) -> None:
    lines = make(5)
    forged = b"".join(audit_export.write(lines, signed(lines, *ed25519.make())))
    verify(forged)
    with pytest.raises(AuditError, match="not the one that was given") as refused:
        verify(forged, keys=[keys[1]])
    assert refused.value.code == 691


def test_who_has_the_key_cannot_cut_what_somebody_has_a_head_of(keys: tuple[str, str]) -> None:
    lines = make(20)
    kept = signed(lines, *keys).head
    shorter = b"".join(audit_export.write(lines[:10], signed(lines[:10], *keys)))
    verify(shorter)
    with pytest.raises(AuditError, match="its end is missing") as cut:
        verify(shorter, earlier=[kept])
    assert cut.value.code == 692


def test_who_has_the_key_cannot_rewrite_what_somebody_has_a_head_of(keys: tuple[str, str]) -> None:
    kept = signed(make(10), *keys).head
    others = make(4)
    changed = Line.model_validate_json(others[-1]).model_copy(update={"by": "eve"}).to_bytes()
    others = [*others[:-1], changed, *make(16, 5, hash_of(changed))]
    forged = b"".join(audit_export.write(others, signed(others, *keys)))
    verify(forged)
    with pytest.raises(AuditError, match="line 10 of the audit is not the one that was there"):
        verify(forged, earlier=[kept])


def test_a_chain_that_begins_later_says_what_was_before(keys: tuple[str, str]) -> None:
    before = make(10)
    lines = make(5, 11, hash_of(before[-1]))
    told = Line(
        kind=Kind.CHECKPOINT,
        time=2e9,
        number=16,
        previous=hash_of(lines[-1]),
        forgotten=Forgotten(number=10, hash=hash_of(before[-1])),
    )
    chain = Chain()
    for line in [*lines, told.to_bytes()]:
        chain.add(line)
    chain.end()
    unsaid = Chain()
    for line in lines:
        unsaid.add(line)
    with pytest.raises(AuditError, match="before number 11"):
        unsaid.end()


def test_what_goes_on_from_an_earlier_export_is_joined_to_it(keys: tuple[str, str]) -> None:
    """All of the earlier one was forgotten since; what comes first says what was before it."""
    before = make(10)
    kept = signed(before, *keys).head
    gone = Forgotten(number=10, hash=hash_of(before[-1]))

    def after(previous: str, forgotten: Forgotten) -> bytes:
        first = Line(kind=Kind.CHECKPOINT, time=2e9, number=11, previous=previous, forgotten=forgotten)
        lines = [first.to_bytes(), *make(3, 12, hash_of(first.to_bytes()))]
        return b"".join(audit_export.write(lines, signed(lines, *keys)))

    assert verify(after(gone.hash, gone), earlier=[kept]).first == 11
    other = gone.model_copy(update={"hash": "ab" * 32})
    with pytest.raises(AuditError, match="line 10 of the audit is not the one that was there"):
        verify(after(other.hash, other), earlier=[kept])


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", canonical_json.dump({"format": "other"})],
    ids=["nothing", "a line feed", "an object", "no text", "too deep", "another format"],
)
def test_what_is_no_audit_is_refused(data: bytes) -> None:
    with pytest.raises(AuditError):
        verify(data)
