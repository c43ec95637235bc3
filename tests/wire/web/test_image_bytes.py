"""The bytes of images over HTTP: whole, by Range, and to the ordered machine only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World

PACK = "/images/vault-os@1/pack"


@pytest.fixture(scope="module")
def writer(world: World) -> Iterator[Puppet]:
    """A machine that may fetch its image; its deployment stays at `writing`."""
    with world.machine() as puppet:
        puppet.arm()
        assert puppet.hello().status == 200
        yield puppet


def test_the_ordered_image_comes_whole_and_byte_for_byte(world: World, writer: Puppet) -> None:
    for part, name in (
        ("pack", "pack"),
        ("manifest", "pack.json"),
        ("manifest.minisig", "pack.json.minisig"),
    ):
        kept = (world.state / "images" / "vault-os-1" / name).read_bytes()
        reply = writer.http(f"/images/vault-os@1/{part}")
        assert (reply.status, reply.headers["content-length"]) == (200, str(len(kept)))
        assert reply.body == kept
    assert writer.http(PACK, method="HEAD").headers["accept-ranges"] == "bytes"


def test_nobody_else_gets_it_and_nothing_else_is_given(world: World, writer: Puppet) -> None:
    nowhere = world.lan.http("/no/such/path")
    for token in ("", "wrong"):
        assert world.lan.http(PACK, "-H", f"Authorization: Bearer {token}") == nowhere
    for path in (
        "vault-os@2/pack",
        "vault-os/pack",
        "vault-os@1/seed",
        "vault-os@1/..%2f..%2fprovisioner.db",
    ):
        assert writer.http(f"/images/{path}") == nowhere, path
    stranger = replace(writer, token=world.token())
    assert stranger.http(PACK) == nowhere, "not even with an admin's token"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("100-299", 100, 299),
        ("1048570-", 1048570, -1),
        ("-7", -7, -1),
        ("5-99999999999", 5, -1),
    ],
)
def test_a_range_is_answered_with_those_bytes(
    world: World, writer: Puppet, asked: str, first: int, last: int
) -> None:
    kept = (world.state / "images" / "vault-os-1" / "pack").read_bytes()
    first, last = first % len(kept), last % len(kept)
    reply = writer.http(PACK, "-H", f"Range: bytes={asked}")
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(kept)}"
    assert reply.body == kept[first : last + 1]


def test_a_range_outside_is_416_with_the_size(world: World, writer: Puppet) -> None:
    size = (world.state / "images" / "vault-os-1" / "pack").stat().st_size
    for asked in (f"{size}-", "99999999999-"):
        reply = writer.http(PACK, "-H", f"Range: bytes={asked}")
        assert (reply.status, reply.body) == (416, b""), asked
        assert reply.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked", ["bytes=9-3", "bytes=x", "chunks=0-1", "bytes=0-1,5-6", "bytes", "bytes=--1"]
)
def test_a_range_that_means_nothing_to_us_is_answered_with_the_whole(
    world: World, writer: Puppet, asked: str
) -> None:
    size = (world.state / "images" / "vault-os-1" / "pack").stat().st_size
    reply = writer.http(PACK, "-H", f"Range: {asked}")
    assert (reply.status, len(reply.body)) == (200, size)


def test_a_head_request_has_no_ranges(world: World, writer: Puppet) -> None:
    size = (world.state / "images" / "vault-os-1" / "pack").stat().st_size
    reply = writer.http(PACK, "-H", "Range: bytes=0-9", method="HEAD")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, str(size), b"")
