"""What a disk holds already is neither fetched nor written again; halves, and other ways to write."""

import dataclasses
import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import comparison, facts, protocol, read_back, write_marker
from provisioner.agent.block_device import BlockDevice, is_zero
from provisioner.agent.comparison import Comparison
from provisioner.agent.packfile import PackFile
from provisioner.agent.writer import ImageWriter
from provisioner.errors import DiskError
from provisioner.imaging import pack, signature
from provisioner.imaging.manifest import Chunk, Manifest
from tests.wire.agentlab import (
    AGENT,
    CIDATA,
    DISK,
    ESP,
    MIB,
    ORDER,
    RAW,
    ROOT,
    SEED,
    Service,
    Supply,
    assert_dead,
    assert_whole,
    deploy,
    disk,
    half,
    make_image,
    once_at,
    put,
    service,
    supply,
    written_so_far,
)


def serve(service: Service, supply: Supply) -> None:
    listed = supply.pack.with_name(supply.pack.name + ".json")
    service.files[ORDER.manifest_url] = listed.read_bytes()
    service.files[ORDER.manifest_url + ".minisig"] = listed.with_name(listed.name + ".minisig").read_bytes()
    service.files[ORDER.pack_url] = supply.pack.read_bytes()
    service.sent = 0
    service.ranges.clear()
    service.messages.clear()


def changed(supply: Supply, folder: Path, *numbers: int) -> Supply:
    """The next version of the image: some chunks are other ones. Signed by the same key."""
    raw, out = folder / "next.raw", folder / "next.pack"
    raw.write_bytes(supply.raw.read_bytes())
    for number in numbers:
        put(raw, number * MIB, random.Random(number).randbytes(MIB))
    manifest = pack.build(raw, out, name="small-os", version="1.0", created="2026-01-02T00:00:00Z")
    signature.sign(out.with_name(out.name + ".json"), supply.keys / "release.key")
    return dataclasses.replace(supply, raw=raw, pack=out, manifest=manifest)


def wire(manifest: Manifest, *numbers: int) -> int:
    return sum(manifest.chunks[number].pack_length for number in numbers)


def held(manifest: Manifest) -> list[int]:
    return [
        n for n, c in enumerate(manifest.chunks) if c.offset == 0 or c.offset <= ESP < c.offset + c.length
    ]


def test_a_deployment_again_fetches_only_what_differs(
    deploy: Any, service: Service, supply: Supply, disk: Path, tmp_path: Path
) -> None:
    assert deploy()[0]
    newer = changed(supply, tmp_path, 10, 17, 22)  # two of data, and one that was zeros
    serve(service, newer)
    rebooted, said = deploy()
    assert rebooted
    assert_whole(disk, newer)
    written = service.last("written")
    fewest = wire(newer.manifest, 10, 17, 22, *held(newer.manifest))
    most = fewest + wire(newer.manifest, *range(CIDATA // MIB, ROOT // MIB)) + 4096  # small gaps
    assert fewest <= written.bytes_fetched == service.sent <= most
    data = sum(c.length for c in newer.manifest.chunks if c.kind == "data")
    assert written.bytes_saved + written.bytes_written == data
    assert written.bytes_saved >= 9 * MIB and "were right already" in said
    phases = [message.phase for path, message in service.messages if path == "progress"]
    assert list(dict.fromkeys(phases)) == sorted(
        set(phases), key=["preparing", "comparing", "writing", "reading back", "finishing"].index
    )


def test_the_same_image_again_costs_next_to_nothing(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    assert deploy()[0]
    serve(service, supply)
    assert deploy()[0]
    assert_whole(disk, supply)
    assert service.last("written").bytes_fetched < 0.05 * supply.pack.stat().st_size


def test_a_disk_that_was_damaged_meanwhile_is_mended(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    assert deploy()[0]
    serve(service, supply)
    put(disk, ROOT + 3 * MIB + 77, b"?")
    put(disk, RAW - 2 * MIB + 5, b"!")  # in the zeros behind the data
    assert deploy()[0]
    assert_whole(disk, supply)
    assert service.last("written").bytes_fetched < 0.2 * supply.pack.stat().st_size


def test_full_fetches_all_of_it_whatever_the_disk_holds(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    assert deploy()[0]
    serve(service, supply)
    assert deploy(method="full")[0]
    assert_whole(disk, supply)
    written = service.last("written")
    assert written.bytes_saved == 0 and written.bytes_fetched > 0.95 * supply.pack.stat().st_size
    assert "comparing" not in {message.phase for path, message in service.messages if path == "progress"}


def test_wipe_leaves_no_byte_of_what_was_there(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    rebooted, said = deploy(method="wipe")
    assert rebooted and "the whole disk was made zeros" in said
    assert_whole(disk, supply)
    assert not any(disk.read_bytes()[RAW : DISK - 33 * 512])


def test_without_wipe_what_lies_behind_the_image_stays(deploy: Any, supply: Supply, disk: Path) -> None:
    assert deploy(method="full")[0]
    assert not disk.read_bytes()[RAW : DISK - MIB].strip(b"\xa5")


def start_agent(service: Service, supply: Supply, disk: Path) -> run.Process:
    return run.start([sys.executable, AGENT, f"http://127.0.0.1:{service.port}", disk, supply.keys])


def test_after_a_power_cut_only_what_is_missing_is_fetched(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    released = threading.Event()
    once_at(service, half(service), lambda: released.wait(30))
    agent = start_agent(service, supply, disk)
    with service.changed:
        assert service.changed.wait_for(lambda: written_so_far(service) >= ROOT + 3 * MIB, 20)
    agent.kill()
    agent.wait()
    released.set()
    service.on_pack = lambda place: True
    assert_dead(disk)
    right = right_on(disk, supply)
    assert len(right) >= 3
    serve(service, supply)
    rebooted, said = deploy()
    assert rebooted and "the disk holds half of small-os@1.0" in said
    assert_whole(disk, supply)
    missing = [n for n, c in enumerate(supply.manifest.chunks) if c.kind == "data" and n not in right]
    assert service.last("written").bytes_fetched <= wire(supply.manifest, *missing) + 4096


def right_on(disk: Path, supply: Supply) -> set[int]:
    """The numbers of the chunks that the disk holds, in the simplest way."""
    found, raw = disk.read_bytes(), supply.raw.read_bytes()
    places = {n: slice(c.offset, c.offset + c.length) for n, c in enumerate(supply.manifest.chunks)}
    return {n for n, place in places.items() if found[place] == raw[place]}


def test_a_half_written_disk_is_named_and_needs_no_consent(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    once_at(service, half(service), lambda: bool(service.go()))
    assert not deploy(patience=0.2)[0]
    assert facts.content(disk, 512) == "half of small-os 1.0"
    service.come()
    seen = protocol.Disk("vda", DISK, 512, content=facts.content(disk, 512))
    assert deploy([seen], erase=False)[0]
    assert_whole(disk, supply)


def test_a_re_image_that_is_cut_does_not_boot_though_most_of_it_was_right(
    deploy: Any, service: Service, supply: Supply, disk: Path, tmp_path: Path
) -> None:
    assert deploy()[0]
    newer = changed(supply, tmp_path, 10)
    serve(service, newer)
    place = newer.manifest.chunks[10].pack_offset
    once_at(service, place, lambda: bool(service.go()))
    assert not deploy(patience=0.2)[0]
    assert_dead(disk)


def test_a_disk_is_left_alone_where_not_even_the_image_s_first_part_comes(
    deploy: Any, service: Service, supply: Supply, disk: Path, tmp_path: Path
) -> None:
    assert deploy()[0]
    serve(service, changed(supply, tmp_path, 10))
    before = disk.read_bytes()
    service.on_pack = lambda place: bool(service.go())
    rebooted, said = deploy(patience=0.2)
    assert not rebooted and "The disk was not touched" in said
    assert disk.read_bytes() == before
    assert_whole(disk, supply)


def test_it_waits_for_its_turn_and_says_so(deploy: Any, service: Service, supply: Supply, disk: Path) -> None:
    left = [0.3, 0.3, 0.3, 0.3]

    def later() -> float:
        with service.changed:
            seen = len(service.messages)
            service.changed.wait_for(lambda: len(service.messages) > seen, 5)
        return left.pop() if left else 0

    service.retry_after = later
    rebooted, said = deploy(patience=0.1)  # waiting for a turn is no silence
    assert rebooted and "the service serves others first" in said and "it is our turn" in said
    notes = {message.note for path, message in service.messages if path == "progress"}
    assert "the service serves others first" in notes
    assert_whole(disk, supply)


def test_the_pack_may_lie_on_another_server(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    elsewhere = {ORDER.pack_url: service.files.pop(ORDER.pack_url)}
    with Service(elsewhere) as other:
        assert deploy(pack_url=f"http://127.0.0.1:{other.port}{ORDER.pack_url}")[0]
        assert other.sent > 12 * MIB and service.sent == 0
    assert_whole(disk, supply)


def test_nothing_is_written_once_writing_has_failed(supply: Supply, disk: Path) -> None:
    """A thread that still wrote would write into whatever has the descriptor then."""

    def stop(phase: protocol.Phase, done: int, total: int) -> None:
        if phase == "writing" and done > ROOT:
            raise DiskError("enough", code=316)

    before = threading.active_count()
    with BlockDevice(disk) as device, PackFile(supply.pack, supply.manifest) as source:
        with pytest.raises(DiskError, match="enough"):
            ImageWriter(device, supply.manifest, stop).write(source, SEED)
        assert threading.active_count() == before
    assert_dead(disk)


def with_free(supply: Supply, *numbers: int) -> Manifest:
    chunks = list(supply.manifest.chunks)
    for number in numbers:
        assert chunks[number].kind == "zero"
        chunks[number] = chunks[number]._replace(kind="free")
    return dataclasses.replace(supply.manifest, chunks=tuple(chunks))


@pytest.mark.parametrize("may_discard", [True, False])
def test_what_the_image_leaves_free_is_discarded_with_consent_and_never_fetched(
    supply: Supply, disk: Path, may_discard: bool
) -> None:
    manifest = with_free(supply, 21, 22)
    told: list[int] = []
    with BlockDevice(disk) as device, PackFile(supply.pack, manifest) as source:
        ImageWriter(
            device, manifest, lambda phase, done, total: told.append(done), may_discard=may_discard
        ).write(source, SEED)
    left = disk.read_bytes()[21 * MIB : 23 * MIB]
    assert left == (bytes(2 * MIB) if may_discard else b"\xa5" * 2 * MIB)
    assert RAW in told


def test_a_medium_reads_as_zeros_where_it_was_made_zeros(disk: Path) -> None:
    for offset, length in ((0, DISK), (5 * MIB, MIB), (512, 512), (MIB + 7, 1001), (DISK - 512, 512)):
        disk.write_bytes(b"\xa5" * DISK)
        with BlockDevice(disk) as device:
            device.zero(offset, length)
            device.drop_caches()
            assert is_zero(device.read_direct(offset, length))
        found = disk.read_bytes()
        assert len(found) == DISK and not any(found[offset : offset + length])
        assert not found[:offset].strip(b"\xa5") and not found[offset + length :].strip(b"\xa5")


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, MIB - 2, MIB - 1])
def test_one_bit_makes_it_no_zeros(place: int) -> None:
    data = bytearray(MIB)
    assert is_zero(memoryview(data)) and is_zero(memoryview(data)[7:4711])
    data[place] = 1
    assert not is_zero(memoryview(data))
    assert is_zero(memoryview(bytearray()))


def test_every_chunk_is_compared_just_once(supply: Supply, disk: Path) -> None:
    put(disk, 0, supply.raw.read_bytes())
    put(disk, 11 * MIB + 3, b"??")
    numbers = list(range(len(supply.manifest.chunks)))
    seen: list[tuple[int, int]] = []
    with (
        BlockDevice(disk) as device,
        Comparison(device, supply.manifest, numbers, lambda *at: seen.append(at)) as found,
    ):
        assert [*found.batches(MIB)] == [[11]] and found.wrong == {11}
    assert seen[-1] == (RAW, RAW) and len(seen) == len(numbers) and seen == sorted(seen)


@pytest.mark.parametrize("act", ["the caller's", "the comparison's"])
def test_a_fault_ends_the_comparison_and_leaves_no_thread(supply: Supply, disk: Path, act: str) -> None:
    put(disk, 0, supply.raw.read_bytes())
    put(disk, 5 * MIB + 3, b"??")
    numbers = list(range(len(supply.manifest.chunks)))

    def tell(seen: int, total: int) -> None:
        if act == "the comparison's" and seen > RAW // 2:
            raise OSError(act)

    with (
        BlockDevice(disk) as device,
        pytest.raises(OSError, match=act),
        Comparison(device, supply.manifest, numbers, tell) as found,
    ):
        for _ in found.batches(1):
            if act == "the caller's":
                raise OSError(act)
    assert "compare" not in {thread.name for thread in threading.enumerate()}


def test_what_is_wrong_is_fetched_while_the_rest_is_compared(
    deploy: Any,
    service: Service,
    supply: Supply,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison waits for the first wrong chunk to be on the disk."""
    assert deploy()[0]
    newer = changed(supply, tmp_path, 10, 17)
    serve(service, newer)
    monkeypatch.setattr(read_back, "BATCH", 1)
    is_right, was_fetched = comparison.is_right, threading.Event()
    first, late = newer.manifest.chunks[10], newer.manifest.chunks[20]

    def looked(device: BlockDevice, chunk: Chunk) -> bool:
        assert chunk != late or was_fetched.wait(30)
        return is_right(device, chunk)

    def pass_by(place: int) -> bool:
        if place >= first.pack_offset and place < first.pack_offset + first.pack_length:
            was_fetched.set()
        return True

    monkeypatch.setattr(comparison, "is_right", looked)
    service.on_pack = pass_by
    assert deploy()[0] and was_fetched.is_set()
    assert_whole(disk, newer)


def test_what_is_no_marker_is_none() -> None:
    whole = write_marker.WriteMarker("a", "1", "0").dump()
    assert (
        write_marker.find(whole) == write_marker.WriteMarker("a", "1", "0")
        and len(whole) == write_marker.LENGTH
    )
    bad = (b"", bytes(4096), write_marker.MAGIC, write_marker.MAGIC + b"[]\n", write_marker.MAGIC + b"\xff\n")
    for body in (*bad, write_marker.MAGIC + b'{"name": 1}\n'):
        assert write_marker.find(body) is None


def test_a_marker_of_an_older_release_is_one() -> None:
    body = write_marker.MAGIC + b'{"name": "a", "version": "1", "raw_sha256": "0"}\n'
    found = write_marker.find(body.ljust(write_marker.LENGTH, b"\0"))
    assert found == write_marker.WriteMarker("a", "1", "")


@pytest.fixture
def loop(tmp_path: Path) -> Any:
    """A loop device, with its file, for whoever may make one."""
    if os.geteuid():
        pytest.skip("needs root")
    path = tmp_path / "backing"
    path.write_bytes(b"\xa5" * DISK)
    device = Path(run.text(["losetup", "--show", "--find", path]))
    yield device, path
    run.run(["losetup", "--detach", device])


def test_a_block_device_becomes_the_image(supply: Supply, loop: tuple[Path, Path]) -> None:
    loop_device, path = loop
    manifest = with_free(supply, 21)
    with BlockDevice(loop_device) as device, PackFile(supply.pack, manifest) as source:
        ImageWriter(device, manifest, lambda *at: None, may_discard=True).write(source, SEED)
    run.run(["blockdev", "--flushbufs", loop_device])
    assert_whole(path, dataclasses.replace(supply, manifest=manifest))
    with BlockDevice(loop_device) as device:
        assert device.size == DISK
        with pytest.raises(DiskError, match="cannot be opened for writing: Device or resource busy"):
            BlockDevice(loop_device)


def test_damage_below_the_page_cache_is_seen(supply: Supply, loop: tuple[Path, Path]) -> None:
    loop_device, path = loop
    with BlockDevice(loop_device) as device, loop_device.open("rb") as other:
        device.write(ROOT, supply.raw.read_bytes()[ROOT : ROOT + MIB])
        chunk = supply.manifest.chunks[ROOT // MIB]
        other.seek(ROOT)
        cached = other.read(MIB)
        assert read_back.is_right(device, chunk)
        put(path, ROOT + 4096, b"?")  # the device itself
        other.seek(ROOT)
        assert other.read(MIB) == cached, "the page cache knows nothing of it"
        assert not read_back.is_right(device, chunk)
