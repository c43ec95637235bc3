"""The agent on loopback against a small HTTP server and a file that stands for the disk, with every fault."""

import dataclasses
import functools
import json
import os
import random
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import facts, protocol
from provisioner.agent.job import Job
from provisioner.agent.link import Link, Stopped
from provisioner.agent.medium import Medium
from provisioner.agent.stream import AHEAD, Stream
from provisioner.agent.writer import Writer
from provisioner.errors import DiskError, PackError
from provisioner.imaging import pack, signature
from provisioner.imaging.manifest import Manifest

MIB = 1 << 20
MAC, NONCE, TOKEN = "52:54:00:00:00:01", "n0nce", "t0ken"
RAW, DISK = 24 * MIB, 32 * MIB
BIOS, ESP_TYPE = "21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
DATA, LINUX = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
ESP, CIDATA, ROOT = 2 * MIB, 6 * MIB, 8 * MIB
BOOT_CODE = b"\xeb\x63" + b"\x90" * 438
SEED = {
    "meta-data": "instance-id: d1\n",
    "user-data": "#cloud-config\n" + "x" * 5000,
    "network-config": "ü: 2\n",
}
ORDER = protocol.Order(
    *("d1", 1, "small-os", "1.0", "/images/small-os@1.0/manifest", "/images/small-os@1.0/pack"),
    *(protocol.DiskHints(), True, SEED),
)
KINDS = {
    "progress": protocol.Progress,
    "log": protocol.Log,
    "written": protocol.Written,
    "failed": protocol.Failed,
}
AGENT = """
import sys
import tempfile
from pathlib import Path
from functools import partial
from provisioner.agent import job, link, medium, protocol
server, disk, keys = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
job.Job(
    protocol.KernelArguments(server, "52:54:00:00:00:01", "n0nce"), keys=keys, interval=0.05,
    reboot=lambda: print("rebooted"), set_clock=lambda now: None, open_disk=lambda name: medium.Medium(disk),
    find_disks=lambda: [protocol.Disk("vda", disk.stat().st_size, 512)],
).run()
print(Path("/proc/self/status").read_text())
"""


def table(path: Path, *rows: tuple[str, int, int, str]) -> None:
    """Partition a file; rows are name, offset and length in bytes, type."""
    lines = [
        f"start={at // 512}, size={size // 512}, name={name}, type={kind}" for name, at, size, kind in rows
    ]
    run.run(["sfdisk", "-q", path], stdin="\n".join(["label: gpt", "first-lba: 34", *lines, ""]).encode())


def put_fat(path: Path, offset: int, size: int, label: str) -> None:
    fat = path.with_name(f"{label}.fat")
    fat.write_bytes(bytes(size))
    run.run(["mkfs.vfat", "-n", label, fat])
    put(path, offset, fat.read_bytes())


def put(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@dataclass(frozen=True)
class Supply:
    """A signed pack, its raw image, and the folder with the key that the agent trusts."""

    raw: Path
    pack: Path
    manifest: Manifest
    keys: Path


def make_image(folder: Path, size: int) -> Supply:
    raw, out, keys = folder / "small.raw", folder / "small.pack", folder / "keys"
    raw.write_bytes(b"")
    os.truncate(raw, size)
    root = size - MIB - ROOT
    table(
        raw,
        *(("bios", MIB, MIB, BIOS), ("esp", ESP, CIDATA - ESP, ESP_TYPE)),
        *(("cidata", CIDATA, ROOT - CIDATA, DATA), ("root", ROOT, root, LINUX)),
    )
    put_fat(raw, ESP, CIDATA - ESP, "VAULTESP")
    put_fat(raw, CIDATA, ROOT - CIDATA, "CIDATA")
    put(raw, 0, BOOT_CODE)
    put(raw, MIB, b"core.img")
    put(raw, ROOT, random.Random(1).randbytes(12 * MIB + 777))
    manifest = pack.build(raw, out, name="small-os", version="1.0", created="2026-01-01T00:00:00Z")
    keys.mkdir()
    secret, _ = signature.keygen(keys, "release")
    signature.sign(out.with_name(out.name + ".json"), secret)
    return Supply(raw, out, manifest, keys)


@pytest.fixture(scope="module")
def supply(tmp_path_factory: pytest.TempPathFactory) -> Supply:
    return make_image(tmp_path_factory.mktemp("image"), RAW)


@dataclass
class Service:
    """The service as the agent sees it. Tests change its answers, its files, and what a stream meets."""

    files: dict[str, bytes]
    order: protocol.Order = ORDER
    answers: dict[str, list[Any]] = field(default_factory=dict)  # by message, in order; the last one stays
    on_pack: Callable[[int], bool] = lambda place: True  # False cuts the connection at this byte of the pack
    told: list[tuple[str, Any]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    ranges: list[str] = field(default_factory=list)
    sent: int = 0
    port: int = 0
    server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "Service":
        self.come()
        return self

    def __exit__(self, *_: object) -> None:
        self.go()

    def come(self) -> None:
        handler = type("Bound", (Handler,), {"service": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def go(self) -> None:
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()

    def paths(self) -> list[str]:
        return [path for path, _ in self.told]

    def last(self, path: str) -> Any:
        return [message for said, message in self.told if said == path][-1]

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        message = protocol.load(protocol.Hello if path == "hello" else KINDS[path], body)
        with self.news:
            self.told.append((path, message))
            self.news.notify_all()
        known = self.answers.get(path)
        if known:
            return known.pop(0) if len(known) > 1 else known[0]
        if path == "hello":
            assert (message.nonce, message.mac) == (NONCE, MAC)
            return 200, protocol.dump(protocol.HelloAnswer("continue", TOKEN, 1.8e9, self.order))
        assert (message.deployment, message.attempt) == ("d1", 1)
        if path == "written":
            return 200, {"do": "reboot" if self.paths().count("written") > 1 else "continue"}
        return 200, {"do": "stop" if path == "failed" else "continue"}


class Handler(BaseHTTPRequestHandler):
    """HTTP with bearer tokens and ranges, as provisioner/web/machines.py answers."""

    service: Service

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def refuse(self, path: str) -> bool:
        return path != "hello" and self.headers["Authorization"] != f"Bearer {TOKEN}"

    def do_POST(self) -> None:
        path = self.path.removeprefix(f"{protocol.PREFIX}/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = (404, {}) if self.refuse(path) else self.service.answer(path, body)
        text = json.dumps(answer).encode()
        self.start(status, len(text))
        self.wfile.write(text)

    def start(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(length)} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self) -> None:
        data = self.service.files.get(self.path)
        if data is None or self.refuse(self.path):
            return self.start(404, 0)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not wanted:
            self.start(200, len(data))
            self.wfile.write(data)
            return None
        first = int(wanted[1])
        self.service.ranges.append(self.headers["Range"])
        self.start(206, len(data) - first, Content_Range=f"bytes {first}-{len(data) - 1}/{len(data)}")
        return self.stream(data, first)

    def stream(self, data: bytes, place: int) -> None:
        while place < len(data) and self.service.on_pack(place):
            piece = data[place : place + (64 << 10)]
            try:
                self.wfile.write(piece)
            except OSError:  # the agent has gone
                return
            place += len(piece)
            self.service.sent += len(piece)


@pytest.fixture
def service(supply: Supply) -> Iterator[Service]:
    listed = supply.pack.with_name("small.pack.json")
    files = {
        ORDER.manifest_url: listed.read_bytes(),
        ORDER.manifest_url + ".minisig": listed.with_name("small.pack.json.minisig").read_bytes(),
        ORDER.pack_url: supply.pack.read_bytes(),
    }
    with Service(files) as running:
        yield running


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * DISK)
    return path


@pytest.fixture
def deploy(
    service: Service, supply: Supply, disk: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[bool, str]]:
    """Runs the agent to its end: whether it rebooted, and what it said on the console."""

    def act(found: list[protocol.Disk] | None = None, patience: float = 10, **order: Any) -> tuple[bool, str]:
        service.order = dataclasses.replace(service.order, **order)
        rebooted: list[bool] = []
        seen = protocol.Disk(
            "vda", disk.stat().st_size, 512, "Disk", "S1", content="GPT with 1 partitions: old"
        )
        Job(
            protocol.KernelArguments(f"http://127.0.0.1:{service.port}", MAC, NONCE),
            connect=functools.partial(Link, patience=patience, silence=1.0, back_off=(0.05, 0.1)),
            keys=supply.keys,
            reboot=lambda: rebooted.append(True),
            find_disks=lambda: [seen] if found is None else found,
            open_disk=lambda name: Medium(disk),
            set_clock=lambda now: None,  # the machine that tests has its own clock
            interval=0.05,
        ).run()
        return bool(rebooted), capsys.readouterr().out

    return act


def half(service: Service) -> int:
    return len(service.files[ORDER.pack_url]) // 2


def once_at(service: Service, place: int, act: Callable[[], bool]) -> None:
    """Let something happen to the stream the first time that it passes a byte of the pack."""
    pending = [act]

    def pass_by(now: int) -> bool:
        return pending.pop()() if now >= place and pending else True

    service.on_pack = pass_by


def written_so_far(service: Service) -> int:
    return max((message.done for path, message in service.told if path == "progress"), default=0)


def assert_whole(disk: Path, supply: Supply, size: int = DISK) -> None:
    """The disk is the image but for its tables and seed, and the programs that boot it agree."""
    found, raw = disk.read_bytes(), supply.raw.read_bytes()
    backup = size - 33 * 512
    end = min(len(raw), backup)
    assert found[34 * 512 : CIDATA] == raw[34 * 512 : CIDATA]
    assert found[ROOT:end] == raw[ROOT:end]
    assert found[:440] == raw[:440] and BOOT_CODE in found[:512]
    for name, text in SEED.items():
        assert run.run(["mtype", "-i", f"{disk}@@{CIDATA}", f"::{name}"]).stdout == text.encode()
    said = run.text(["sgdisk", "--verify", disk])
    assert "No problems found" in said and "Caution" not in said and "Warning" not in said, said
    listed = [
        json.loads(run.text(["sfdisk", "--json", path]))["partitiontable"] for path in (disk, supply.raw)
    ]
    assert listed[0]["lastlba"] == size // 512 - 34
    rows = [[row | {"node": ""} for row in one["partitions"]] for one in listed]
    assert rows[0] == rows[1] and listed[0]["id"] == listed[1]["id"]


def assert_dead(disk: Path, *esps: int) -> None:
    """Nothing on it can boot: no boot sector, no table at either end, no ESP."""
    found = disk.read_bytes()
    assert not any(found[: 34 * 512]) and not any(found[-33 * 512 :])
    for place in (ESP, *esps):
        assert not any(found[place : place + MIB])


def assert_untouched(disk: Path) -> None:
    assert disk.read_bytes() == b"\xa5" * DISK


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
    assert written.bytes_fetched == supply.pack.stat().st_size == service.sent
    assert 12 * MIB < written.bytes_written < 20 * MIB  # zeros are not counted
    assert "manifest signed by release" in said and "written, verified and read back" in said


def test_progress_moves_while_the_disk_is_written(deploy: Any, service: Service) -> None:
    def wait_for_a_report() -> bool:
        with service.news:
            seen = len(service.told)
            return service.news.wait_for(lambda: len(service.told) > seen + 2, 5)

    once_at(service, half(service), wait_for_a_report)
    deploy()
    reports = [message for path, message in service.told if path == "progress"]
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
    frames = {f"bytes={chunk.pack_offset}-" for chunk in supply.manifest.chunks}
    assert len(service.ranges) == 4 and set(service.ranges) <= frames
    assert len(supply.pack.read_bytes()) < service.sent < 2 * len(supply.pack.read_bytes())
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
    assert disk.read_bytes()[RAW - 2 * MIB : RAW - MIB] == b"\xa5" * MIB  # it was in the middle of it


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
    assert service.ranges[1:] == [f"bytes={chunk.pack_offset}-"] * 2  # three tries
    assert not disk.read_bytes()[chunk.offset : chunk.offset + chunk.length].strip(b"\xa5")
    assert_dead(disk)


def test_a_chunk_that_was_damaged_on_its_way_is_fetched_again(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    sound = service.files[ORDER.pack_url]
    damaged = bytearray(sound)
    damaged[half(service)] ^= 1
    service.files[ORDER.pack_url] = bytes(damaged)

    def serve_the_sound_one() -> bool:
        service.files[ORDER.pack_url] = sound
        return True

    once_at(service, 0, serve_the_sound_one)
    assert deploy()[0] and len(service.ranges) == 2
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
        with service.news:
            seen = len(service.told)
            assert service.news.wait_for(lambda: len(service.told) > seen, 5)
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
    agent = run.start([sys.executable, "-c", AGENT, f"http://127.0.0.1:{service.port}", disk, supply.keys])
    with service.news:
        assert service.news.wait_for(lambda: written_so_far(service) >= ROOT + MIB, 20)
    agent.kill()
    agent.wait()
    released.set()
    assert_dead(disk, old_esp)
    assert facts.content(disk, 512) == facts.EMPTY
    assert disk.read_bytes()[ROOT : ROOT + MIB] == supply.raw.read_bytes()[ROOT : ROOT + MIB]  # it was at it


def test_the_next_attempt_makes_a_half_written_disk_whole(
    deploy: Any, service: Service, supply: Supply, disk: Path
) -> None:
    once_at(service, half(service), lambda: bool(service.go()))
    assert not deploy(patience=0.2)[0]
    service.come()
    assert deploy()[0]
    assert_whole(disk, supply)


def pieces(supply: Supply) -> list[tuple[int, Any, bytes]]:
    raw = supply.raw.read_bytes()
    return [(n, c, raw[c.offset : c.offset + c.length]) for n, c in enumerate(supply.manifest.chunks)]


@pytest.mark.parametrize(("number", "kind"), [(10, "data"), (22, "zero")])
def test_a_disk_that_does_not_keep_what_was_written_is_seen(
    supply: Supply, disk: Path, number: int, kind: str
) -> None:
    chunk = supply.manifest.chunks[number]
    assert chunk.kind == kind

    def meddle(phase: protocol.Phase, done: int, total: int) -> None:
        if phase == "reading back" and done == supply.manifest.chunks[0].length:
            put(disk, chunk.offset + 4711, b"?")

    with Medium(disk) as medium, pytest.raises(DiskError, match=rf"chunk {number} .*differently") as caught:
        Writer(medium, supply.manifest, meddle).write(pieces(supply), SEED)
    assert caught.value.code == 318
    assert_dead(disk)


def test_a_disk_just_as_large_as_the_image_gets_its_backup_table_last(supply: Supply, disk: Path) -> None:
    os.truncate(disk, RAW)

    def stop_when_read_back(phase: protocol.Phase, done: int, total: int) -> None:
        if phase == "finishing":
            raise Stopped

    with Medium(disk) as medium, pytest.raises(Stopped):
        Writer(medium, supply.manifest, stop_when_read_back).write(pieces(supply), SEED)
    assert_dead(disk)


def test_what_is_read_back_comes_from_the_medium_and_not_from_the_page_cache(tmp_path: Path) -> None:
    on_tmpfs = run.text(["stat", "-f", "-c", "%T", tmp_path]) == "tmpfs"  # which has nothing but cache
    with tempfile.TemporaryDirectory(dir="/var/tmp" if on_tmpfs else tmp_path) as folder:
        path = Path(folder) / "disk"
        path.write_bytes(bytes(8 * MIB))
        with Medium(path) as medium, path.open("rb") as other:
            medium.write(MIB, b"\x5a" * 4 * MIB)
            assert os.preadv(other.fileno(), [bytearray(MIB)], 2 * MIB, os.RWF_NOWAIT) == MIB  # it is cached
            medium.forget()
            with pytest.raises(BlockingIOError):  # whoever reads now has to wait for the disk
                os.preadv(other.fileno(), [bytearray(MIB)], 2 * MIB, os.RWF_NOWAIT)
            assert medium.read(2 * MIB, MIB) == b"\x5a" * MIB


def test_a_medium_says_in_words_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be opened for writing: No such file") as caught:
        Medium(tmp_path / "none")
    assert caught.value.code == 315
    path = tmp_path / "small"
    path.write_bytes(bytes(1000))
    with Medium(path) as medium, pytest.raises(DiskError, match="ends at byte 1000"):
        medium.read(900, 200)


def test_an_image_whose_seed_lies_among_boot_sectors_is_refused_at_once(supply: Supply, disk: Path) -> None:
    moved = [
        dataclasses.replace(part, offset=ESP + 4096) if part.role == "cidata" else part
        for part in supply.manifest.partitions
    ]
    manifest = dataclasses.replace(supply.manifest, partitions=tuple(moved))
    with Medium(disk) as medium, pytest.raises(PackError, match="shares a chunk with boot sectors"):
        Writer(medium, manifest, lambda *at: None).write(pieces(supply), SEED)
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
        argv = [sys.executable, "-c", AGENT, f"http://127.0.0.1:{service.port}", disk, large.keys]
        said = run.text(argv)
        link = Link(f"http://127.0.0.1:{service.port}")
        link.token = TOKEN
        stream = Stream(link, ORDER.pack_url, large.manifest)
        taken = iter(stream)
        next(taken)
        threading.Event().wait(1)  # the disk is busy: a second is enough for all 200 chunks
        taken.close()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", said)[1]) << 10
    assert "rebooted" in said and 10 * MIB < peak < 110 * MIB
    ahead = [chunk.pack_length for chunk in large.manifest.chunks[: AHEAD + 2]]
    assert sum(ahead[:3]) < stream.fetched <= sum(ahead)
