"""Manifests of packs: what is written can be read, and whatever is wrong is refused by a PackError."""

import copy
import dataclasses
import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import PackError
from provisioner.imaging import manifest as manifests
from provisioner.imaging.manifest import Chunk, Manifest, Partition

MIB = 1 << 20
GUID = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ZEROS = hashlib.sha256(bytes(MIB)).hexdigest()
FORMER = Manifest(
    name="small-os",
    version="1.0",
    created="2026-01-01T00:00:00Z",
    raw_size=3 * MIB + 512,
    raw_sha256="a" * 64,
    logical_sector_size=512,
    chunk_size=MIB,
    chunks=(
        Chunk(0, MIB, "data", 0, 1000, "1" * 64),
        Chunk(MIB, MIB, "zero", 1000, 50, ZEROS),
        Chunk(2 * MIB, MIB, "free", 1050, MIB + 20, ZEROS),
        Chunk(3 * MIB, 512, "data", 1050 + MIB + 20, 60, "3" * 64),
    ),
    partitions=(
        Partition("esp", GUID, "VAULTESP", MIB, MIB),
        Partition("root", GUID, "", 2 * MIB, MIB),
    ),
    format="pack/1",
)
SOUND = dataclasses.replace(
    FORMER,
    raw_sha256="",
    chunks=tuple(
        chunk._replace(checksum="5" * 32 if chunk.kind == "data" else "") for chunk in FORMER.chunks
    ),
    format="pack/2",
)
TOLD = dataclasses.replace(SOUND, raw_sha256="b" * 64)
FORMS = pytest.mark.parametrize("sound", [FORMER, SOUND, TOLD], ids=["pack/1", "pack/2", "its raw hash told"])
BODY: dict[str, Any] = json.loads(SOUND.dump())
FORMER_BODY: dict[str, Any] = json.loads(FORMER.dump())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def assert_consistent(found: Manifest) -> None:
    """What everybody else relies on, computed in another way than the code does."""
    raw = [place for chunk in found.chunks for place in (chunk.offset, chunk.offset + chunk.length)]
    pack = [
        place
        for chunk in found.chunks
        for place in (chunk.pack_offset, chunk.pack_offset + chunk.pack_length)
    ]
    for places, end in ((raw, found.raw_size), (pack, found.pack_size)):
        assert places[0] == 0 and places[-1] == end and places[1:-1:2] == places[2::2]
    assert all(0 < chunk.length <= found.chunk_size <= 8 * MIB for chunk in found.chunks)
    assert all(chunk.pack_length < 2 * chunk.length + 2048 for chunk in found.chunks)
    assert all(0 <= part.offset < part.offset + part.length <= found.raw_size for part in found.partitions)
    assert manifests.parse(json.loads(found.dump())) == found


@FORMS
def test_a_manifest_that_was_written_is_read_back_the_same(tmp_path: Path, sound: Manifest) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(sound.dump())
    assert manifests.load(path) == sound
    assert_consistent(sound)
    assert sound.pack_size == 1050 + MIB + 20 + 60
    assert sound.partition("root").offset == 2 * MIB


def test_a_manifest_of_an_older_release_is_read_as_it_was_written() -> None:
    """What release 0.1.0 wrote, by hand."""
    rows = [[0, MIB, "data", 0, 1000, "1" * 64], [MIB, MIB, "zero", 1000, 50, ZEROS]]
    text = {
        **{"format": "pack/1", "name": "os", "version": "1", "created": "", "raw_size": 2 * MIB},
        **{"raw_sha256": "a" * 64, "logical_sector_size": 512, "chunk_size": MIB, "chunks": rows},
        "partitions": [],
    }
    found = manifests.parse(text)
    assert found.chunks == (
        Chunk(0, MIB, "data", 0, 1000, "1" * 64),
        Chunk(MIB, MIB, "zero", 1000, 50, ZEROS),
    )
    assert (found.raw_sha256, found.format) == ("a" * 64, "pack/1")
    assert json.loads(found.dump()) == text


def test_the_root_hash_can_be_computed_by_anybody() -> None:
    """As docs/pack-format.md says it, and the same whichever format the chunks are listed in."""
    whole = hashlib.sha256(b"pack/2 root\0" + struct.pack(">QQ", 3 * MIB + 512, MIB))
    for digest in ("1" * 64, ZEROS, ZEROS, "3" * 64):
        whole.update(bytes.fromhex(digest))
    assert BODY["root_hash"] == SOUND.root_hash == FORMER.root_hash == TOLD.root_hash == whole.hexdigest()


def test_a_role_that_the_image_lacks_is_named() -> None:
    with pytest.raises(PackError, match="no partition 'cidata'") as caught:
        SOUND.partition("cidata")
    assert caught.value.code == 322


@FORMS
def test_any_flipped_byte_gives_a_consistent_manifest_or_a_pack_error(
    tmp_path: Path, sound: Manifest
) -> None:
    path, written = tmp_path / "m.json", sound.dump()
    path.write_bytes(written)
    refused = tries = 0
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(written):
            for mask in (0x01, 0x10, 0x80, 0xFF):
                os.pwrite(file.fileno(), bytes([byte ^ mask]), place)
                tries += 1
                try:
                    assert_consistent(manifests.load(path))
                except PackError:
                    refused += 1
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert tries * 0.5 < refused < tries  # a wrong digit in a time stamp is for the signature to see


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_value_in_any_place_gives_a_consistent_manifest_or_a_pack_error(data: st.DataObject) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from([BODY, FORMER_BODY])))
    place: Any = body
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        assert_consistent(manifests.parse(body))
    except PackError as fault:
        assert fault.code == 323 and len(str(fault)) < 400


@given(JSON)
def test_any_other_json_is_refused(body: Any) -> None:
    with pytest.raises(PackError):
        manifests.parse(body)


def changed(body: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    body = copy.deepcopy(body)
    change(body)
    return body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b["chunks"].pop(1), "chunk 1 does not follow"),
        (lambda b: b["chunks"].pop(), "of 3146240 bytes are covered"),
        (lambda b: b["chunks"].insert(1, b["chunks"][1]), "chunk 2 does not follow"),
        (lambda b: b["chunks"][1].__setitem__(0, MIB - 512), "chunk 1 does not follow"),
        (lambda b: b["chunks"][1].__setitem__(0, -1), "damaged: chunk"),
        (lambda b: b["chunks"][1].__setitem__(1, MIB // 2), "chunk 1 does not follow"),
        (lambda b: b["chunks"][1].__setitem__(1, 2 * MIB), "chunk 1 does not follow"),
        (lambda b: b["chunks"][1].__setitem__(3, 999), "chunk 1 does not follow"),
        (lambda b: b["chunks"][3].__setitem__(4, 1 << 59), "chunk 3 takes"),
        (lambda b: b["chunks"][3].__setitem__(4, 0), "chunk 3 takes 0 bytes"),
        (lambda b: b["chunks"][3].__setitem__(1, 0), "chunk 3 does not follow"),
        (lambda b: b["chunks"][1].__setitem__(5, "4" * 64), "chunk 1 is not zeros"),
        (lambda b: b["chunks"][1].__setitem__(5, "4" * 63), "damaged: chunk"),
        (lambda b: b["chunks"][1].__setitem__(2, "hole"), "damaged: chunk"),
        (lambda b: b["chunks"][1].append(1), "damaged"),
        (lambda b: b.update(chunks=[]), "0 of 3146240 bytes"),
        (lambda b: b.update(chunks=[], raw_size=0), "0 of 0 bytes"),
        (lambda b: b.update(raw_size=1 << 70), "raw_size"),
        (lambda b: b.update(raw_size=True), "raw_size"),
        (lambda b: b.update(chunk_size=1 << 40), "sector or chunk size"),
        (lambda b: b.update(chunk_size=0), "sector or chunk size"),
        (lambda b: b.update(logical_sector_size=0), "sector or chunk size"),
        (lambda b: b.update(name="../etc"), "name"),
        (lambda b: b.update(version="1/2"), "version"),
        (lambda b: b.update(created="\x1b[2J"), "created"),
        (lambda b: b.update(raw_sha256="A" * 64), "raw_sha256"),
        (lambda b: b.update(format="pack/2"), "damaged: chunk"),
        (lambda b: b.update(format="pack/3"), "'pack/3', this release reads pack/1 and pack/2"),
        (lambda b: b.pop("raw_sha256"), "raw_sha256"),
        (lambda b: b.pop("partitions"), "partitions"),
        (lambda b: b["partitions"][0].update(role="swap"), "role"),
        (lambda b: b["partitions"][0].update(role="root"), "the same role"),
        (lambda b: b["partitions"][0].update(label="\x1b[2J"), "label"),
        (lambda b: b["partitions"][0].update(guid="1"), "guid"),
        (lambda b: b["partitions"][0].update(offset=3 * MIB), "partition esp lies outside"),
        (lambda b: b["partitions"][0].update(length=0), "partition esp lies outside"),
    ],
)
def test_gaps_overlaps_and_unbounded_sizes_are_refused_in_words(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(PackError, match=words) as caught:
        manifests.parse(changed(FORMER_BODY, change))
    assert caught.value.code == 323


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b["chunks"].pop(1), "3145728 of 3146240 bytes are covered"),
        (lambda b: b["chunks"].pop(), "3145728 of 3146240 bytes are covered"),
        (lambda b: b["chunks"].append(["data", 60, "3" * 64, "5" * 32]), "chunk 3 does not follow"),
        (lambda b: b["chunks"].append(["zero", 60]), "chunk 3 does not follow"),
        (lambda b: b["chunks"][3].__setitem__(1, 1 << 59), "chunk 3 takes"),
        (lambda b: b["chunks"][3].__setitem__(1, 0), "damaged: chunk"),
        (lambda b: b["chunks"][3].__setitem__(1, True), "damaged: chunk"),
        (lambda b: b["chunks"][3].__setitem__(2, "4" * 63), "damaged: chunk"),
        (lambda b: b["chunks"][3].__setitem__(2, 4), "damaged: chunk"),
        (lambda b: b["chunks"][3].__setitem__(3, "5" * 31), "damaged: chunk"),
        (lambda b: b["chunks"][3].__setitem__(3, None), "damaged: chunk"),
        (lambda b: b["chunks"][3].pop(), "damaged: not enough values"),
        (lambda b: b["chunks"][3].append("5"), "damaged: too many values"),
        (lambda b: b["chunks"][1].append(ZEROS), "damaged: chunk"),
        (lambda b: b["chunks"][1].__setitem__(0, "hole"), "damaged: chunk"),
        (lambda b: b["chunks"][1].__setitem__(0, ["zero"]), "damaged: chunk"),
        (lambda b: b.update(chunks={"0": ["zero", 50]}), "damaged: chunks"),
        (lambda b: b.update(chunk_size=1 << 40), "chunk size"),
        (lambda b: b.update(chunk_size=0), "chunk size"),
        (lambda b: b["chunks"][0].__setitem__(2, "4" * 64), "its root hash is not that of its chunks"),
        (lambda b: b["chunks"].__setitem__(1, b["chunks"][0]), "its root hash is not that of its chunks"),
        (lambda b: b.update(root_hash="A" * 64), "its root hash is not"),
        (lambda b: b.pop("root_hash"), "its root hash is not"),
        (lambda b: b.update(raw_sha256=""), "raw_sha256"),
        (lambda b: b.update(format="pack/1"), "damaged"),
    ],
)
def test_rows_that_are_not_those_of_the_format_are_refused_in_words(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(PackError, match=words) as caught:
        manifests.parse(changed(BODY, change))
    assert caught.value.code == 323


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b"null"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(text)
    with pytest.raises(PackError):
        manifests.load(path)


def test_a_missing_or_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        manifests.load(tmp_path / "none.json")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(manifests.LARGEST + 1)
    with pytest.raises(PackError, match="larger than any manifest"):
        manifests.load(huge)
