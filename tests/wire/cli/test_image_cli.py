"""`provision image …` as people type it: formats are said, garbage is shown, packs are read."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, World


def pack(world: World, source: Path, out: Path, *more: str) -> CommandResult:
    sign = ("--name", "x-os", "--version", "1", "--created", "2026-01-01T00:00:00Z")
    return world.provision(
        "image", "pack", source, "-o", out, *sign, "--sign", world.folder / "release.key", *more
    )


def qcow2(world: World, folder: Path, *options: str) -> Path:
    path = folder / "disk.qcow2"
    run.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, world.folder / "raw.img", path])
    return path


def test_a_qcow2_gives_the_same_pack_as_its_raw_image(world: World, tmp_path: Path) -> None:
    packs = [tmp_path / "a.pack", tmp_path / "b.pack"]
    for source, out in zip((world.folder / "raw.img", qcow2(world, tmp_path)), packs, strict=True):
        said = pack(world, source, out)
        assert said.code == 0 and "MB data" in said.err, said.err
    assert packs[0].read_bytes() == packs[1].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_the_format_is_said_or_in_the_name_and_never_guessed(world: World, tmp_path: Path) -> None:
    nameless = tmp_path / "disk"
    nameless.write_bytes(qcow2(world, tmp_path).read_bytes())
    said = pack(world, nameless, tmp_path / "o.pack")
    assert said.code == 2 and "PV-327" in said.err and "--format raw|qcow2" in said.err
    said = pack(world, nameless, tmp_path / "o.pack", "--format", "raw")
    assert said.code == 2 and "a virtual machine's disk, not a raw one" in said.err
    assert pack(world, nameless, tmp_path / "o.pack", "--format", "qcow2").code == 0
    said = pack(world, world.folder / "raw.img", tmp_path / "p.pack", "--format", "qcow2")
    assert said.code == 2 and "is no qcow2" in said.err


@pytest.mark.parametrize("way", ["backing file", "data file"])
def test_a_qcow2_that_reads_another_file_is_refused(world: World, tmp_path: Path, way: str) -> None:
    secret, path = tmp_path / "secret", tmp_path / "disk.qcow2"
    secret.write_bytes(b"s" * (1 << 20))
    argv = ["qemu-img", "create", "-q", "-f", "qcow2"]
    if way == "backing file":
        argv += ["-b", str(secret), "-F", "raw", str(path)]
    else:
        argv += ["-o", f"data_file={secret},data_file_raw=on", str(path), "1M"]
    run.run(argv)
    said = pack(world, path, tmp_path / "o.pack")
    assert said.code == 2 and "does not stand alone" in said.err and "PV-327" in said.err
    assert not (tmp_path / "o.pack").exists()


def test_a_raw_image_can_be_added_in_one_step(world: World, tmp_path: Path) -> None:
    source = tmp_path / "one.raw"
    source.write_bytes((world.folder / "raw.img").read_bytes())
    said = world.provision("image", "add", source)
    assert said.code == 2 and "--name, --version and --sign are missing" in said.err
    words = ("--name", "work-os", "--version", "1", "--sign", world.folder / "release.key")
    said = world.provision("image", "add", source, *words)
    assert said.code == 0 and "work-os@1 signed by release" in said.err, said.err
    assert list(tmp_path.iterdir()) == [source]
    assert world.provision("image", "verify", "work-os").code == 0


def test_a_pack_is_verified_without_any_service(world: World, tmp_path: Path) -> None:
    out, key = tmp_path / "x.pack", world.folder / "release.pub"
    assert pack(world, world.folder / "raw.img", out).code == 0
    nowhere = {"PROVISION_STATE": str(tmp_path / "none")}
    said = world.provision("image", "verify", out, "--pubkey", key, env=nowhere)
    assert said.code == 0 and "signed by release, and every one of 24 chunks is right" in said.err
    body = bytearray(out.read_bytes())
    body[len(body) // 2] ^= 4
    out.write_bytes(body)
    said = world.provision("image", "verify", out, "--pubkey", key, env=nowhere)
    assert said.code == 6 and "is damaged" in said.err and "PV-321" in said.err


@pytest.fixture
def tidy(world: World) -> None:
    """Other tests take images out of the catalogue without their files."""
    assert world.provision("image", "gc", "--yes").code == 0


def test_gc_shows_and_removes_what_belongs_to_no_image(world: World, tidy: None) -> None:
    images = world.state / "images"
    said = world.provision("image", "gc")
    assert said.code == 0 and "nothing to remove" in said.err
    (images / "tmpabc").mkdir()
    (images / "tmpabc" / "pack").write_bytes(os.urandom(1 << 20))
    (images / "vault-os-1" / "pack.partial").write_bytes(b"x" * 5000)
    kept = {path.name for path in (images / "vault-os-1").iterdir()} - {"pack.partial"}
    said = world.provision("image", "gc")
    assert said.code == 6 and "PV-133" in said.err and "tmpabc  1.0 MB  half of a broken copy" in said.err
    assert (images / "tmpabc").exists()
    said = world.provision("image", "gc", "--yes")
    assert said.code == 0 and "2 removed" in said.err and "vault-os-1/pack.partial" in said.err
    assert not (images / "tmpabc").exists()
    assert {path.name for path in (images / "vault-os-1").iterdir()} == kept
    assert world.provision("image", "verify", "vault-os").code == 0


def test_gc_asks_on_a_terminal(world: World, tidy: None) -> None:
    (world.state / "images" / "tmpdef").mkdir()
    with world.terminal("image", "gc") as terminal:
        terminal.await_text("Type 1 to remove them")
        terminal.type("no\n")
        assert terminal.end() == 6
    assert (world.state / "images" / "tmpdef").exists()
    with world.terminal("image", "gc") as terminal:
        terminal.await_text("Type 1 to remove them")
        terminal.type("1\n")
        assert terminal.end() == 0
    assert not (world.state / "images" / "tmpdef").exists()


def test_nothing_is_removed_while_an_image_is_being_added(world: World) -> None:
    import fcntl

    (world.state / "images" / "tmpghi").mkdir()
    folder = os.open(world.state / "images", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_SH)
    try:
        said = world.provision("image", "gc", "--yes")
        assert said.code == 6 and "are being added or removed" in said.err
        assert (world.state / "images" / "tmpghi").exists()
    finally:
        os.close(folder)
    assert world.provision("image", "gc", "--yes").code == 0


def former(world: World, folder: Path) -> Path:
    """A pack of the format before, as a release of then left it."""
    out, listed, _ = manifests.pack_files(folder / "old.pack")
    assert pack(world, world.folder / "raw.img", out, "--raw-sha256").code == 0
    made = manifests.load(listed)
    chunks = tuple(chunk._replace(checksum="") for chunk in made.chunks)
    listed.write_bytes(dataclasses.replace(made, format="pack/1", chunks=chunks).dump())
    signature.sign(listed, world.folder / "release.key")
    return out


def convert(world: World, source: Path, out: Path, *more: str) -> CommandResult:
    keys = ("--pubkey", world.folder / "release.pub", "--sign", world.folder / "release.key")
    return world.provision("image", "convert", source, "-o", out, *keys, *more)


def test_a_pack_of_the_format_before_is_written_added_and_converted(world: World, tmp_path: Path) -> None:
    old, new, disk = former(world, tmp_path), tmp_path / "new.pack", tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(32 << 20)
    key = ("--pubkey", world.folder / "release.pub")
    said = world.provision("image", "write", old, disk, *key, "--yes")
    assert said.code == 0 and "written and read back" in said.err, said.err
    again = world.provision("image", "write", old, disk, *key, "--yes")
    assert again.code == 0 and "0 B were right" not in again.err, again.err
    said = convert(world, old, new)
    assert said.code == 0 and "is pack/2; it was pack/1" in said.err, said.err
    before, after = (manifests.load(manifests.pack_files(path)[1]) for path in (old, new))
    assert (after.format, after.root_hash, after.raw_sha256) == (
        "pack/2",
        before.root_hash,
        before.raw_sha256,
    )
    assert before.root_hash in said.out and old.read_bytes() == new.read_bytes()
    fresh = tmp_path / "fresh.pack"
    assert pack(world, world.folder / "raw.img", fresh, "--raw-sha256").code == 0
    assert manifests.load(manifests.pack_files(fresh)[1]) == after, "as if it were packed today"
    assert world.provision("image", "verify", new, *key).code == 0
    said = world.provision("image", "add", old)
    assert said.code == 0 and world.provision("image", "verify", "x-os").code == 0, said.err


def test_the_hash_of_the_raw_image_can_be_told_later(world: World, tmp_path: Path) -> None:
    bare, told = tmp_path / "bare.pack", tmp_path / "told.pack"
    assert pack(world, world.folder / "raw.img", bare).code == 0
    said = convert(world, bare, told, "--raw-sha256")
    wanted = run.text(["sh", "-c", f"zstd -dcq {bare} | sha256sum"]).split()[0]
    assert said.code == 0 and wanted in said.out
    assert manifests.load(manifests.pack_files(told)[1]).raw_sha256 == wanted


@pytest.mark.parametrize("fault", ["damaged", "another key", "itself", "no signature"])
def test_what_cannot_be_converted_leaves_nothing(world: World, tmp_path: Path, fault: str) -> None:
    old, out = former(world, tmp_path), tmp_path / "new.pack"
    wanted = {"damaged": (6, "PV-321"), "another key": (6, "PV-32"), "itself": (2, "take its place")}
    code, words = wanted.get(fault, (2, "no such file"))
    if fault == "damaged":
        body = bytearray(old.read_bytes())
        body[len(body) // 2] ^= 1
        old.write_bytes(body)
    elif fault == "another key":
        secret, _ = signature.keygen(tmp_path, "other")
        signature.sign(manifests.pack_files(old)[1], secret)
    elif fault == "itself":
        out = old
    else:
        manifests.pack_files(old)[2].unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    said = convert(world, old, out)
    assert said.code == code and words in said.err, said.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
