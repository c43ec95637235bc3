"""The agent on loopback against a small HTTP server and a file that stands for the disk, with every fault."""

import dataclasses
import json
import os
import random
import re
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import disks, facts, protocol
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.link import Link, Stopped
from provisioner.agent.packfile import PackFile
from provisioner.agent.possession import GAP
from provisioner.agent.stream import CONNECTIONS, Stream
from provisioner.agent.writer import ImageWriter
from provisioner.errors import DiskError, PackError
from provisioner.imaging import signature
from tests.wire.agentlab import (
    AGENT,
    BOOT_CODE,
    DISK,
    ESP,
    ESP_TYPE,
    LINUX,
    MIB,
    ORDER,
    RAW,
    ROOT,
    SEED,
    TOKEN,
    Service,
    Supply,
    assert_dead,
    assert_untouched,
    assert_whole,
    deploy,
    disk,
    half,
    make_image,
    once_at,
    put,
    put_fat,
    service,
    supply,
    table,
    written_so_far,
)


def test_a_disk_becomes_the_image_and_the_machine_reboots(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    rebooted, said = deploy()
    assert rebooted
    assert_whole(disk, supply)
    assert not disk.read_bytes()[RAW : DISK - MIB].strip(b"\xa5")  # what is behind the image is left alone
    paths = service.paths()
    assert paths[0] == "hello" and paths[-2:] == ["written", "written"] and "failed" not in paths
    written = service.last("written")
    assert (written.disk.serial, written.disk.content) == ("S1", "holds small-os 1.0")
    data = [chunk for chunk in supply.manifest.chunks if chunk.kind == "data"]
    assert sum(chunk.pack_length for chunk in data) <= written.bytes_fetched == service.sent
    again = 4096  # bytes of small gaps among the chunks that come first
    assert service.sent <= supply.pack.stat().st_size + again and written.bytes_saved == 0
    assert written.bytes_written == sum(chunk.length for chunk in data)  # zeros are not counted
    assert "manifest signed by release" in said and "written, verified and read back" in said


def test_progress_moves_while_the_disk_is_written(deploy: Any, service: Service) -> None:
    def wait_for_a_report() -> bool:
        with service.changed:
            seen = len(service.messages)
            return service.changed.wait_for(lambda: len(service.messages) > seen + 2, 5)

    once_at(service, half(service), wait_for_a_report)
    deploy()
    reports = [message for path, message in service.messages if path == "progress"]
    assert [report.seq for report in reports] == sorted({report.seq for report in reports})
    writing = [report for report in reports if report.phase == "writing"]
    assert writing and writing[-1].total == RAW and 0 < writing[-1].done <= RAW
    assert any(report.rate > 0 for report in reports) and writing[-1].disk == "vda"
    places = [("preparing", "writing", "reading back", "finishing").index(report.phase) for report in reports]
    assert places == sorted(places)


@pytest.mark.parametrize("size", [RAW, RAW + 512, DISK - 512])
def test_any_disk_that_is_large_enough_becomes_whole(
    deploy: Any, supply: Supply, disk: Path, size: int
) -> None:
    os.truncate(disk, size)
    assert deploy()[0]
    assert_whole(disk, supply, size)


def test_a_cut_connection_goes_on_where_it_broke(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    cuts = [half(service), half(service) + 3 * MIB, half(service) + 3 * MIB]
    service.on_pack = lambda place: not (cuts and place >= cuts[0] and cuts.pop(0))
    assert deploy()[0]
    assert_whole(disk, supply)
    frames = {chunk.pack_offset for chunk in supply.manifest.chunks}
    assert len(service.ranges) >= 4 and {first for first, _ in service.ranges} <= frames
    assert service.sent < len(supply.pack.read_bytes()) + 4 * CONNECTIONS * MIB
    assert service.last("written").bytes_fetched <= service.sent


def test_a_line_that_breaks_all_the_time_but_moves_never_wears_the_patience_out(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    cuts = [number * MIB for number in range(1, 12)]
    service.on_pack = lambda place: not (cuts and place >= cuts[0] and cuts.pop(0))
    assert deploy(patience=0.3)[0] and not cuts
    assert_whole(disk, supply)


def test_a_connection_that_falls_silent_is_given_up_and_made_anew(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    silence = threading.Event()
    once_at(service, half(service), lambda: silence.wait(30) or True)
    rebooted, said = deploy()
    silence.set()
    assert rebooted and "the image stream broke at chunk" in said and "answers again" in said
    assert_whole(disk, supply)


def test_a_service_that_is_away_for_a_while_is_waited_for(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    def go_and_come_back() -> bool:
        service.go()
        threading.Timer(1.5, service.come).start()
        return False

    once_at(service, half(service), go_and_come_back)
    rebooted, said = deploy()
    assert rebooted and "answers again" in said
    assert service.sent < 2 * len(service.files[ORDER.pack_url])
    assert_whole(disk, supply)


def test_a_service_that_is_gone_for_good_leaves_a_disk_that_does_not_boot(
    deploy: Any, service: Service, disk: Path
) -> None:
    def go() -> bool:
        service.go()
        return False

    once_at(service, half(service), go)
    rebooted, said = deploy(patience=0.4)
    assert not rebooted
    assert "failed (PV-331): no answer to the image" in said
    assert "The disk is not whole and does not boot" in said
    assert_dead(disk)
    assert disk.read_bytes()[19 * MIB : 20 * MIB] == b"\xa5" * MIB  # it was in the middle of it


def test_a_failure_is_told_when_the_service_is_back_only_then(deploy: Any, service: Service) -> None:
    def go_for_longer_than_its_patience() -> bool:
        service.go()
        threading.Timer(1.2, service.come).start()
        return False

    once_at(service, half(service), go_for_longer_than_its_patience)
    assert not deploy(patience=0.8)[0]
    assert service.last("failed").code == 331 and service.paths()[-2:] == ["log", "failed"]


def test_a_damaged_pack_is_named_and_nothing_of_the_chunk_is_written(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    number = 14
    chunk = supply.manifest.chunks[number]
    damaged = bytearray(service.files[ORDER.pack_url])
    damaged[chunk.pack_offset + chunk.pack_length // 2] ^= 1
    service.files[ORDER.pack_url] = bytes(damaged)
    rebooted, said = deploy()
    assert not rebooted and f"chunk {number} came damaged, it is fetched again" in said
    failed = service.last("failed")
    assert failed.code == 321 and f"chunk {number} of 24" in failed.sentence
    assert "image verify" in failed.hint
    assert sum(first <= chunk.pack_offset < end for first, end in service.ranges) == 3  # three tries
    assert not disk.read_bytes()[chunk.offset : chunk.offset + chunk.length].strip(b"\xa5")
    assert_dead(disk)


def test_a_chunk_that_was_damaged_on_its_way_is_fetched_again(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    sound = service.files[ORDER.pack_url]
    damaged = bytearray(sound)
    damaged[half(service)] ^= 1
    service.files[ORDER.pack_url] = bytes(damaged)

    place = half(service)
    chunk = next(c for c in supply.manifest.chunks if place < c.pack_offset + c.pack_length)

    def serve_the_sound_one_from_now_on(now: int) -> bool:
        if chunk.pack_offset <= now < chunk.pack_offset + chunk.pack_length:
            service.files[ORDER.pack_url] = sound
        return True

    service.on_pack = serve_the_sound_one_from_now_on
    assert deploy()[0]
    assert sum(first <= chunk.pack_offset < end for first, end in service.ranges) == 2
    assert_whole(disk, supply)


def test_the_log_is_uploaded_before_the_failure(deploy: Any, service: Service) -> None:
    deploy(image_version="2.0")
    assert service.paths()[-2:] == ["log", "failed"] and service.paths().count("failed") == 1
    log, failed = service.last("log"), service.last("failed")
    assert any("order d1, attempt 1: small-os@2.0" in line for line in log.lines)
    assert any(f"failed (PV-328): {failed.sentence}" in line for line in log.lines)
    assert log.seq < failed.seq


NAMED = protocol.Disk("vda", DISK, 512, "Disk", "S1", content="GPT with 1 partitions: old")
OTHER = dataclasses.replace(NAMED, name="vdb", serial="S2")


def test_an_error_of_the_agent_itself_is_reported_in_words(
    deploy: Any, service: Service, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(disks, "choose", broken)
    rebooted, _ = deploy()
    failed = service.last("failed")
    assert not rebooted and failed.code == 399
    assert failed.sentence == "the agent met an error of its own: ZeroDivisionError('a fault of ours')"
    assert_untouched(disk)


@pytest.mark.parametrize(
    ("disks", "order", "code", "words"),
    [
        (None, {"image_version": "2.0"}, 328, "gives small-os@1.0, ordered was small-os@2.0"),
        (None, {"image_name": "other-os"}, 328, "ordered was other-os@1.0"),
        (None, {"expected_serial": "C02XYZ"}, 301, "the order is for C02XYZ"),
        (None, {"disk": protocol.DiskHints(serial="S9")}, 312, "serial is S1, not S9"),
        ([], {}, 312, "no disk at all"),
        ([NAMED, OTHER], {}, 313, "2 disks fit the hints"),
        ([dataclasses.replace(NAMED, size=RAW - 1)], {}, 311, "is too small: the image needs 25.2 MB"),
        ([dataclasses.replace(NAMED, logical_sector=4096)], {}, 314, "made for 512"),
        (None, {"erase": False}, 319, "holds something: GPT with 1 partitions: old"),
        (
            [dataclasses.replace(NAMED, content="no partition table")],
            {"erase": False},
            319,
            "holds something",
        ),
        (None, {"manifest_url": "/images/none/manifest"}, 330, "does not give /images/none/manifest (404)"),
    ],
)
def test_what_can_be_refused_is_refused_before_the_disk_is_touched(
    deploy: Any, service: Service, disk: Path, disks: Any, order: dict[str, Any], code: int, words: str
) -> None:
    rebooted, said = deploy(disks, **order)
    assert not rebooted and "The disk was not touched" in said
    failed = service.last("failed")
    assert failed.code == code and words in failed.sentence
    assert not service.ranges  # not a byte of the image was asked for
    assert_untouched(disk)


def test_a_disk_of_zeros_needs_no_consent(deploy: Any, supply: Supply, disk: Path) -> None:
    assert deploy([dataclasses.replace(NAMED, content=facts.EMPTY)], erase=False)[0]
    assert_whole(disk, supply)


@pytest.mark.parametrize("fault", ["another key", "tampered", "no signature", "no key"])
def test_a_wrong_signature_is_refused_before_the_disk_is_touched(
    deploy: Any, service: Service, supply: Supply, disk: Path, tmp_path: Path, fault: str
) -> None:
    listed, mark = ORDER.manifest_url, ORDER.manifest_url + ".minisig"
    if fault == "another key":
        path = tmp_path / "small.pack.json"
        path.write_bytes(service.files[listed])
        secret, _ = signature.keygen(tmp_path, "stranger")
        service.files[mark] = signature.sign(path, secret).read_bytes()
    elif fault == "tampered":
        service.files[listed] = service.files[listed].replace(b'"data"', b'"free"', 1)
    elif fault == "no signature":
        del service.files[mark]
    else:
        (supply.keys / "release.pub").rename(tmp_path / "release.pub")
    rebooted, _ = deploy()
    if fault == "no key":
        (tmp_path / "release.pub").rename(supply.keys / "release.pub")
    words = {"another key": "not trusted here", "tampered": "changed after it was signed"}
    words |= {"no signature": "does not give", "no key": "no public key is trusted"}
    assert not rebooted and words[fault] in service.last("failed").sentence
    assert service.last("failed").code == (330 if fault == "no signature" else 326)
    assert_untouched(disk)


def test_stop_in_the_middle_leaves_a_disk_that_does_not_boot(
    deploy: Any, service: Service, disk: Path
) -> None:
    def say_stop() -> bool:
        service.answers["progress"] = [(200, {"do": "stop"})]
        with service.changed:
            seen = len(service.messages)
            assert service.changed.wait_for(lambda: len(service.messages) > seen, 5)
        return True

    once_at(service, half(service), say_stop)
    rebooted, said = deploy()
    assert not rebooted and not {"failed", "written"} & set(service.paths())
    assert "the service says: stop. The disk is not whole and does not boot" in said
    assert_dead(disk)


def test_stop_before_the_disk_is_touched_leaves_it_alone(deploy: Any, service: Service, disk: Path) -> None:
    whole = protocol.HelloAnswer("stop", TOKEN, 1.8e9, ORDER)
    service.answers["hello"] = [(200, protocol.dump(whole))]
    rebooted, said = deploy()
    assert not rebooted and "stop. The disk was not touched" in said
    assert_untouched(disk)


def test_stop_instead_of_reboot_is_obeyed(deploy: Any, service: Service, supply: Supply, disk: Path) -> None:
    service.answers["written"] = [(200, {"do": "continue"}), (200, {"do": "stop"})]
    rebooted, said = deploy()
    assert not rebooted and "stop. The disk is whole" in said
    assert_whole(disk, supply)


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}),
        (200, {"do": "continue"}),
        (200, {"do": "continue", "token": 1, "time": 0.0, "order": {}}),
        (200, []),
        (500, {}),
    ],
)
def test_a_machine_without_an_order_boots_its_disk(
    deploy: Any, service: Service, disk: Path, answer: tuple[int, Any]
) -> None:
    service.answers["hello"] = [answer]
    rebooted, said = deploy(patience=0.2)
    assert rebooted and "Nothing was written" in said
    assert set(service.paths()) == {"hello"}
    assert_untouched(disk)


def test_an_answer_that_makes_no_sense_now_and_then_is_no_end(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    service.answers["written"] = [(500, {}), (200, {"do": "continue"}), (200, []), (200, {"do": "reboot"})]
    rebooted, said = deploy()
    assert rebooted and "the service answers 500" in said and "answers again" in said
    assert_whole(disk, supply)


def test_an_agent_that_is_killed_half_way_has_destroyed_the_old_system(
    service: Service, supply: Supply, disk: Path
) -> None:
    old_esp = 25 * MIB  # behind the image, where nothing else is written
    table(disk, ("old", MIB, 23 * MIB, LINUX), ("esp", old_esp, 4 * MIB, ESP_TYPE))
    put_fat(disk, old_esp, 4 * MIB, "OLDESP")
    put(disk, 0, BOOT_CODE)
    assert facts.content(disk, 512) == "GPT with 2 partitions: old, esp"
    released = threading.Event()
    once_at(service, half(service), lambda: released.wait(30))
    agent = run.start([sys.executable, AGENT, f"http://127.0.0.1:{service.port}", disk, supply.keys])
    data = sum(chunk.length for chunk in supply.manifest.chunks if chunk.kind == "data")
    enough = supply.manifest.raw_size - data // 2  # what holds no data is made while the first of it comes
    with service.changed:
        assert service.changed.wait_for(lambda: written_so_far(service) >= enough, 20)
    agent.kill()
    agent.wait()
    released.set()
    assert_dead(disk, old_esp)
    assert facts.content(disk, 512) == "half of small-os 1.0"
    assert disk.read_bytes()[ROOT : ROOT + MIB] == supply.raw.read_bytes()[ROOT : ROOT + MIB]  # it was at it


def test_the_next_attempt_makes_a_half_written_disk_whole(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    once_at(service, half(service), lambda: bool(service.go()))
    assert not deploy(patience=0.2)[0]
    service.come()
    assert deploy()[0]
    assert_whole(disk, supply)


class Forgetful(BlockDevice):
    """A disk that keeps something else than was written to one chunk."""

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(path)
        self.offset = offset

    def write(self, offset: int, data: bytes | memoryview) -> None:
        super().write(offset, data)
        self.lose(offset, len(data))

    def zero(self, offset: int, length: int) -> None:
        super().zero(offset, length)
        self.lose(offset, length)

    def lose(self, offset: int, length: int) -> None:
        if offset <= self.offset < offset + length:
            put(self.path, self.offset + 4711, b"?")


@pytest.mark.parametrize(("number", "kind"), [(10, "data"), (22, "zero")])
def test_a_disk_that_does_not_keep_what_was_written_is_seen(
    supply: Supply, disk: Path, number: int, kind: str
) -> None:
    chunk = supply.manifest.chunks[number]
    assert chunk.kind == kind
    with (
        Forgetful(disk, chunk.offset) as device,
        PackFile(supply.pack, supply.manifest) as source,
        pytest.raises(DiskError, match=rf"chunk {number} .*differently") as caught,
    ):
        ImageWriter(device, supply.manifest, lambda *at: None).write(source, SEED)
    assert caught.value.code == 318
    assert_dead(disk)


def test_a_disk_just_as_large_as_the_image_gets_its_backup_table_last(supply: Supply, disk: Path) -> None:
    os.truncate(disk, RAW)

    def stop_when_read_back(phase: protocol.Phase, done: int, total: int) -> None:
        if phase == "finishing":
            raise Stopped

    with (
        BlockDevice(disk) as device,
        PackFile(supply.pack, supply.manifest) as source,
        pytest.raises(Stopped),
    ):
        ImageWriter(device, supply.manifest, stop_when_read_back).write(source, SEED)
    assert_dead(disk)


def cached(path: Path) -> int:
    """Bytes of this file that the page cache holds, as util-linux counts them (mincore(2))."""
    return int(run.text(["fincore", "--bytes", "--noheadings", "--output", "RES", path]))


def test_what_is_read_back_comes_from_the_medium_and_not_from_the_page_cache(tmp_path: Path) -> None:
    on_tmpfs = run.text(["stat", "-f", "-c", "%T", tmp_path]) == "tmpfs"  # which has nothing but cache
    with tempfile.TemporaryDirectory(dir="/var/tmp" if on_tmpfs else tmp_path) as folder:
        path = Path(folder) / "disk"
        path.write_bytes(bytes(8 * MIB))
        with BlockDevice(path) as device, path.open("r+b") as other:
            other.write(b"\x5a" * 5 * MIB)
            other.flush()
            assert cached(path) >= 5 * MIB
            device.drop_caches()
            left = cached(path)  # the kernel may keep a page that it was just busy with
            assert left < MIB
            for offset, length in ((2 * MIB, MIB), (3 * MIB + 512, 1536), (4 * MIB - 7, 13)):
                assert device.read_direct(offset, length) == b"\x5a" * length
                assert cached(path) <= left  # a read by the cache would have left its pages there


def test_a_medium_says_in_words_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be opened for writing: No such file") as caught:
        BlockDevice(tmp_path / "none")
    assert caught.value.code == 315
    path = tmp_path / "small"
    path.write_bytes(bytes(1000))
    with BlockDevice(path) as device, pytest.raises(DiskError, match="ends at byte 1000"):
        device.read(900, 200)


def test_an_image_whose_seed_lies_among_boot_sectors_is_refused_at_once(supply: Supply, disk: Path) -> None:
    moved = [
        dataclasses.replace(part, offset=ESP + 4096) if part.role == "cidata" else part
        for part in supply.manifest.partitions
    ]
    manifest = dataclasses.replace(supply.manifest, partitions=tuple(moved))
    with BlockDevice(disk) as device, pytest.raises(PackError, match="shares a chunk with boot sectors"):
        ImageWriter(device, manifest, lambda *at: None).write(PackFile(supply.pack, manifest), SEED)
    assert_untouched(disk)


def test_the_agent_does_not_hold_the_image_in_memory(tmp_path: Path) -> None:
    large = make_image(tmp_path, 200 * MIB)
    disk = tmp_path / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, 256 * MIB)
    listed = large.pack.with_name("small.pack.json")
    files = {
        ORDER.manifest_url: listed.read_bytes(),
        ORDER.manifest_url + ".minisig": listed.with_name(listed.name + ".minisig").read_bytes(),
        ORDER.pack_url: large.pack.read_bytes(),
    }
    with Service(files) as service:
        argv = [sys.executable, AGENT, f"http://127.0.0.1:{service.port}", disk, large.keys]
        said = run.text(argv)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", said)[1]) << 10
    assert "rebooted" in said and 10 * MIB < peak < 110 * MIB


def test_a_busy_disk_holds_the_network_up(service: Service, supply: Supply) -> None:
    link = Link(f"http://127.0.0.1:{service.port}")
    link.token = TOKEN
    stream = Stream(link, ORDER.pack_url, supply.manifest)
    numbers = [n for n, chunk in enumerate(supply.manifest.chunks) if chunk.kind == "data"]
    taken: list[int] = []
    waiting, released = threading.Semaphore(0), threading.Event()

    def take(number: int, chunk: Any, data: bytes) -> None:
        waiting.release()
        released.wait(20)
        taken.append(number)

    thread = threading.Thread(target=stream.run, args=(numbers, take))
    thread.start()
    for _ in range(CONNECTIONS):
        assert waiting.acquire(timeout=30)
    longest = max(chunk.pack_length for chunk in supply.manifest.chunks)
    assert stream.fetched <= CONNECTIONS * (longest + GAP)
    released.set()
    thread.join(20)
    assert sorted(taken) == numbers and len(service.ranges) >= 2 * CONNECTIONS
