"""Any image, any chunk size, any disk; flipped bits, cuts, kills: the disk is right, or it is said why."""

import dataclasses
import hashlib
import os
import random
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner import run
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.link import Link
from provisioner.agent.packfile import PackFile
from provisioner.agent.possession import GAP
from provisioner.agent.stream import CONNECTIONS, Stream
from provisioner.agent.writer import ImageWriter
from provisioner.errors import PackError, UnreachableError
from provisioner.imaging import gpt, pack, unpack
from provisioner.imaging.digests import digest_of_zeros
from provisioner.imaging.manifest import Chunk, Manifest
from tests.wire.agentlab import (
    AGENT,
    MIB,
    ORDER,
    TOKEN,
    Service,
    Supply,
    assert_dead,
    assert_whole,
    disk,
    make_image,
    put,
    service,
    supply,
)
from tests.wire.imaging.disk_image import fat_head

PROGRAMS = Path(__file__).with_name("programs")
ROOT = Path(__file__).parents[3]

KIB = 1 << 10
EDGE = 34 * 512
NAMES = {"name": "any-os", "version": "1", "created": "2026-01-01T00:00:00Z"}
ESP_TYPE, LINUX = uuid.UUID(gpt.ESP_TYPE), uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def table(parts: list[tuple[str, int, int]], size: int) -> tuple[bytes, bytes]:
    """A partition table by the program's own writer; sgdisk judges that in another test."""
    rows = b""
    for name, offset, length in parts:
        kind = (ESP_TYPE if name == "esp" else LINUX).bytes_le
        row = kind + uuid.uuid5(LINUX, name).bytes_le
        places = (offset // 512).to_bytes(8, "little") + ((offset + length) // 512 - 1).to_bytes(8, "little")
        rows += row + places + bytes(8) + name.encode("utf-16-le").ljust(72, b"\0")
    entries = rows.ljust(128 * 128, b"\0")
    last = size // 512
    made = gpt.PartitionTable(512, bytes(range(16)), 1, last - 1, 34, last - 34, entries, 128, ())
    return gpt.build(made)


@st.composite
def images(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int, str]]]:
    """Chunk size, image size, and what lies where: offset, length and kind."""
    odd = st.integers(64 * KIB, 8 * MIB)  # nobody chooses such, but the format allows it
    chunk = draw(st.sampled_from([64 * KIB, 128 * KIB, 1 * MIB, 2 * MIB, 8 * MIB]) | odd)
    size = (3 * max(chunk, MIB) + MIB) // 512 * 512 + draw(st.integers(0, 4 * MIB // 512)) * 512
    piece = st.tuples(
        st.integers(0, size), st.integers(1, 2 * MIB), st.sampled_from(["random", "text", "zeros"])
    )
    return chunk, size, draw(st.lists(piece, max_size=8))


def draw_image(path: Path, chunk: int, size: int, pieces: list[tuple[int, int, str]], sparse: bool) -> None:
    step = -(-max(chunk, MIB) // 512) * 512
    path.write_bytes(b"" if sparse else bytes(size))
    os.truncate(path, size)
    for number, (offset, length, kind) in enumerate(pieces):
        made = {"random": random.Random(number).randbytes, "zeros": bytes}
        data = made[kind](length) if kind in made else b"some words, " * (length // 12 + 1)
        put(path, offset, data[: max(0, min(length, size - offset))])
    root = ("root", 2 * step, size - 2 * step - MIB // 2)
    parts = [("esp", 64 * KIB, 128 * KIB), ("cidata", step, 128 * KIB), root]
    primary, backup = table(parts, size)
    put(path, 512, primary)
    put(path, size - len(backup), backup)
    for (_, offset, _), label in zip(parts, ("VAULTESP", "CIDATA"), strict=False):
        put(path, offset, fat_head(label))


OLD = ("dirt", "zeros", "the same", "another", "half")


def old_disk(path: Path, kind: str, size: int, image: bytes) -> None:
    body = bytearray(random.Random(size).randbytes(size) if kind == "another" else b"\xa5" * size)
    if kind == "zeros":
        body = bytearray(size)
    if kind in ("the same", "half"):
        share = len(image) if kind == "the same" else len(image) // 2
        body[:share] = image[:share]
        body[512 : 512 + EDGE] = image[512 : 512 + EDGE]
        body[share // 3] ^= 1
    path.write_bytes(body)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(images(), st.booleans(), st.sampled_from(OLD), st.integers(0, 2000), st.randoms(use_true_random=False))
def test_any_image_on_any_disk_is_right_and_zstd_agrees(
    image: tuple[int, int, list[tuple[int, int, str]]],
    sparse: bool,
    old: str,
    more: int,
    chance: random.Random,
) -> None:
    chunk, size, pieces = image
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw, out, disk = folder / "raw", folder / "pack", folder / "disk"
        draw_image(raw, chunk, size, pieces, sparse)
        manifest = pack.build(raw, out, **NAMES, chunk_size=chunk, raw_sha256=chance.random() < 0.5)
        wanted = raw.read_bytes()
        assert run.run(["zstd", "-qdc", out]).stdout == wanted
        assert manifest.raw_sha256 in ("", hashlib.sha256(wanted).hexdigest())
        free = {n for n, c in enumerate(manifest.chunks) if c.kind == "zero" and chance.random() < 0.3}
        manifest = with_free(manifest, free)
        old_disk(disk, old, size + more * 512, wanted)
        write(disk, out, manifest)
        found, end = disk.read_bytes(), min(size, size + more * 512 - EDGE)
        for number, one in enumerate(manifest.chunks):
            begin, behind = max(EDGE, one.offset), min(end, one.offset + one.length)
            if number not in free and begin < behind:
                assert found[begin:behind] == wanted[begin:behind], (number, one)
        assert found[:440] == wanted[:440]
        assert "No problems found" in run.text(["sgdisk", "--verify", disk])


def with_free(manifest: Manifest, free: set[int]) -> Manifest:
    chunks = tuple(c._replace(kind="free") if n in free else c for n, c in enumerate(manifest.chunks))
    return dataclasses.replace(manifest, chunks=chunks)


def write(disk: Path, out: Path, manifest: Manifest) -> PackFile:
    with BlockDevice(disk) as device, PackFile(out, manifest) as source:
        ImageWriter(device, manifest, lambda *at: None, lambda said: None).write(source, {})
    return source


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A pack of a small image in small chunks: random bytes, words, zeros."""
    folder = tmp_path_factory.mktemp("small")
    raw, out = folder / "raw", folder / "pack"
    pieces = [(MIB, 700 * KIB, "random"), (2 * MIB, MIB, "text"), (3 * MIB + 7, 300 * KIB, "random")]
    draw_image(raw, 64 * KIB, 5 * MIB, pieces, sparse=True)
    return out, pack.build(raw, out, **NAMES, chunk_size=64 * KIB)


def flips(manifest: Manifest, body: bytes, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """`(chunk, the pack with one bit of it flipped)`; bits that zstd itself ignores are left out.

    Some bits of a frame mean nothing, whatever they are: that they change nothing is shown here too.
    """
    chance, silent = random.Random(seed), 0
    for _ in range(count):
        place, bit = chance.randrange(len(body)), 1 << chance.randrange(8)
        number = next(n for n, c in enumerate(manifest.chunks) if place < c.pack_offset + c.pack_length)
        chunk = manifest.chunks[number]
        damaged = bytearray(body)
        damaged[place] ^= bit
        frame = slice(chunk.pack_offset, chunk.pack_offset + chunk.pack_length)
        done = run_zstd(bytes(damaged[frame]))
        if done is not None and done == run_zstd(body[frame]):
            silent += 1
            continue
        yield number, bytes(damaged)
    assert silent <= max(2, count // 50)


def run_zstd(frame: bytes) -> bytes | None:
    done = run.run(["zstd", "-qdc"], stdin=frame, check=False)
    return None if done.returncode else done.stdout


def found_at_rest(small: tuple[Path, Manifest], folder: Path, count: int, seed: int) -> None:
    out, manifest = small
    damaged = folder / "damaged.pack"
    for number, body in flips(manifest, out.read_bytes(), count, seed):
        damaged.write_bytes(body)
        with pytest.raises(
            PackError, match=rf"chunk {number} of {len(manifest.chunks)} is damaged"
        ) as caught:
            unpack.verify(damaged, manifest)
        assert caught.value.code == 321


def test_flipped_bits_at_rest_are_found_and_located(small: tuple[Path, Manifest], tmp_path: Path) -> None:
    found_at_rest(small, tmp_path, 40, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_thousand_flipped_bits_at_rest_are_found_and_located(
    small: tuple[Path, Manifest], tmp_path: Path
) -> None:
    found_at_rest(small, tmp_path, 1000, seed=2)


def found_in_transit(small: tuple[Path, Manifest], count: int, seed: int) -> None:
    out, manifest = small
    sound = out.read_bytes()
    wanted = {n: c for n, c in enumerate(manifest.chunks) if c.kind == "data"}
    with Service({ORDER.pack_url: sound}) as service:
        for number, body in flips(manifest, sound, count, seed):
            if number not in wanted:
                continue  # zeros are made, not fetched
            service.files[ORDER.pack_url] = body
            chunk = manifest.chunks[number]
            damaged: list[bool] = []

            def once(place: int, chunk: Any = chunk, damaged: list[bool] = damaged) -> bool:
                if chunk.pack_offset < place + (64 << 10) and place < chunk.pack_offset + chunk.pack_length:
                    damaged.append(True)
                    service.files[ORDER.pack_url] = sound
                return True

            service.on_pack = once
            said: list[str] = []
            link = Link(f"http://127.0.0.1:{service.port}", log=said.append, back_off=(0.001,))
            link.token = TOKEN
            got: dict[int, str] = {}
            Stream(link, ORDER.pack_url, manifest).run(
                list(wanted), lambda n, c, data, got=got: got.update({n: hashlib.sha256(data).hexdigest()})
            )
            assert got == {n: c.digest for n, c in wanted.items()}
            words = f"chunk {number} came damaged, it is fetched again"
            assert damaged and any(line.startswith(words) for line in said), (number, said)


def test_flipped_bits_in_transit_are_found_located_and_fetched_again(small: tuple[Path, Manifest]) -> None:
    found_in_transit(small, 25, seed=3)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_flipped_bits_in_transit_are_found_located_and_fetched_again(
    small: tuple[Path, Manifest],
) -> None:
    found_in_transit(small, 1000, seed=4)


def test_a_pack_cut_anywhere_is_an_error(small: tuple[Path, Manifest], tmp_path: Path) -> None:
    out, manifest = small
    body, cut = out.read_bytes(), tmp_path / "cut.pack"
    chance = random.Random(5)
    edges = [c.pack_offset for c in manifest.chunks[:20]]
    for length in {0, 1, len(body) - 1, *edges, *(chance.randrange(len(body)) for _ in range(60))}:
        cut.write_bytes(body[:length])
        with pytest.raises(PackError):
            unpack.verify(cut, manifest)
        with PackFile(cut, manifest) as source, pytest.raises(PackError):
            source.run([n for n, c in enumerate(manifest.chunks) if c.kind == "data"], lambda *at: None)


def test_a_stream_that_always_ends_early_is_an_error(small: tuple[Path, Manifest]) -> None:
    out, manifest = small
    body, numbers = out.read_bytes(), [n for n, c in enumerate(manifest.chunks) if c.kind == "data"]
    last = manifest.chunks[numbers[-1]]
    chance = random.Random(6)
    for length in sorted(chance.randrange(last.pack_offset + last.pack_length) for _ in range(12)):
        with Service({ORDER.pack_url: body}) as service:
            service.on_pack = lambda place, length=length: place + (64 << 10) < length
            link = Link(
                f"http://127.0.0.1:{service.port}", patience=0.05, back_off=(0.01,), log=lambda said: None
            )
            link.token = TOKEN
            with pytest.raises(UnreachableError) as caught:
                Stream(link, ORDER.pack_url, manifest).run(numbers, lambda *at: None)
            assert caught.value.code == 331


def right_on(disk: Path, supply: Supply) -> set[int]:
    found, raw = disk.read_bytes(), supply.raw.read_bytes()
    places = {n: slice(c.offset, c.offset + c.length) for n, c in enumerate(supply.manifest.chunks)}
    return {n for n, place in places.items() if found[place] == raw[place]}


def start(service: Service, supply: Supply, disk: Path) -> run.Process:
    argv = [sys.executable, AGENT, f"http://127.0.0.1:{service.port}", disk, supply.keys]
    return run.start(argv, stdout=run.PIPE)


def killed_again_and_again(service: Service, supply: Supply, disk: Path, kills: int) -> None:
    """Each attempt must ask for nothing that was right when it began."""
    chunks, chance, before = supply.manifest.chunks, random.Random(7), set[int]()
    cut_at = threading.Event()
    for number in range(kills + 1):
        right = right_on(disk, supply) if number else set()
        assert before - right <= {n for n in before if chunks[n].offset < 9 * MIB}, "only boot sectors go"
        service.ranges.clear()
        cut_at.clear()
        goal = None if number == kills else service.sent + chance.randrange(2 * MIB)

        def watch(place: int, goal: int | None = goal) -> bool:
            if goal is not None and service.sent >= goal:
                cut_at.set()
            return True

        service.on_pack = watch
        agent = start(service, supply, disk)
        if goal is None:
            assert agent.wait(60) == 0
        else:
            cut_at.wait(8)  # or it was done before: then it is killed as it stands
            agent.kill()
            agent.wait()
        if agent.stdout:
            agent.stdout.close()
        for first, end in service.ranges:
            inside = {n for n, c in enumerate(chunks) if first <= c.pack_offset < end}
            wrongly = {n for n in right & inside if chunks[n].pack_length > GAP}
            assert wrongly == set(), (number, wrongly)
        before = right
    assert_whole(disk, supply)


def test_an_agent_that_is_killed_and_killed_again_fetches_nothing_twice(
    service: Service, supply: Supply, disk: Path
) -> None:
    killed_again_and_again(service, supply, disk, 4)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_an_agent_that_is_killed_fifty_times_fetches_nothing_twice(
    service: Service, tmp_path: Path, disk: Path, supply: Supply
) -> None:
    killed_again_and_again(service, supply, disk, 50)


class Killed:
    """A server as a process of its own; the same port each time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "tests.wire.agent.programs.pack_server", self.folder, str(self.port)]
        self.process = run.start(argv, stdin=run.PIPE, stdout=run.PIPE, cwd=ROOT)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def server_killed(supply: Supply, disk: Path, kills: int, pause: float) -> None:
    server = Killed(supply.pack.parent)
    chunks = supply.manifest.chunks
    numbers = [n for n, c in enumerate(chunks) if c.kind == "data"]
    link = Link(f"http://127.0.0.1:{server.port}", back_off=(0.05,), log=lambda said: None)
    link.token = TOKEN
    stream = Stream(link, ORDER.pack_url, supply.manifest)
    came, taken = threading.Semaphore(0), list[int]()

    def slowly(number: int, chunk: Any, data: bytes) -> None:
        taken.append(number)
        came.release()
        threading.Event().wait(pause)

    with BlockDevice(disk) as device:
        writer = ImageWriter(device, supply.manifest, lambda *at: None, lambda said: None)

        class Slow:
            fetched = 0

            def run(self, wanted: Any, take: Any) -> None:
                stream.run(wanted, lambda n, c, data: (slowly(n, c, data), take(n, c, data)))

        thread = threading.Thread(target=writer.write, args=(Slow(), {}))
        thread.start()
        for _ in range(kills):
            came.acquire(timeout=20)
            server.kill()
            server.start()
        thread.join(60)
        assert not thread.is_alive() and writer.state == "is whole"
    server.kill()
    assert sorted(taken) == numbers, "every chunk was given once"
    most = max(c.pack_length for c in chunks)
    needed = sum(chunks[n].pack_length for n in numbers)
    assert stream.fetched <= needed + kills * CONNECTIONS * most + len(chunks) * 100


def test_a_server_that_is_killed_costs_only_what_was_on_its_way(supply: Supply, disk: Path) -> None:
    server_killed(supply, disk, 3, 0.02)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_server_that_is_killed_twenty_times_costs_only_what_was_on_its_way(
    tmp_path: Path, disk: Path
) -> None:
    large = make_image(tmp_path, 24 * MIB)
    server_killed(large, disk, 12, 0.2)
    put(disk, 0, b"\xa5" * 32 * MIB)
    server_killed(large, disk, 8, 0.2)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_tebibyte_takes_no_more_memory_than_a_small_image(supply: Supply, tmp_path: Path) -> None:
    """The manifest of an image of 1 TiB, nearly all of it zeros, onto a sparse file."""
    size, chunk = 1 << 40, 8 * MIB
    assert pack.fitting_chunk_size(size) == chunk
    raw = tmp_path / "head.raw"
    draw_image(raw, chunk, 64 * MIB, [(30 * MIB, 9 * MIB, "random")], sparse=True)
    out = tmp_path / "t.pack"
    head = pack.build(raw, out, **NAMES, chunk_size=chunk)
    frame = pack.frame_of_zeros(chunk)  # as the builder would go on
    chunks, place = list(head.chunks), head.pack_size
    with out.open("ab") as file:
        for offset in range(64 * MIB, size, chunk):
            chunks.append(Chunk(offset, chunk, "zero", place, len(frame), digest_of_zeros(chunk)))
            place += len(frame)
            file.write(frame)
    manifest = dataclasses.replace(head, raw_size=size, chunks=tuple(chunks))
    (tmp_path / "t.pack.json").write_bytes(manifest.dump())
    disk = tmp_path / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, size + MIB)
    said = run.run([sys.executable, PROGRAMS / "huge_write.py", out, disk], timeout=500).stdout.decode()
    peak = int(said.split("VmHWM:")[1].split()[0]) << 10
    assert len(manifest.chunks) == 131072 and peak < 256 * MIB, peak >> 20
