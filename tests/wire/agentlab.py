"""A small HTTP server that plays the service, a file that plays the disk, and the agent between them."""

import dataclasses
import functools
import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import run
from provisioner.agent import protocol
from provisioner.agent.arguments import KernelArguments
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.job import Job
from provisioner.agent.kexec import Kexec
from provisioner.agent.link import Link
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
AGENT = Path(__file__).parent / "agent" / "programs" / "agent.py"
KINDS = {
    "progress": protocol.Progress,
    "log": protocol.Log,
    "written": protocol.Written,
    "restarting": protocol.Restarting,
    "failed": protocol.Failed,
}


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


def make_image(folder: Path, size: int, data: int = 12 * MIB + 777) -> Supply:
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
    put(raw, ROOT, random.Random(1).randbytes(data))
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
    messages: list[tuple[str, Any]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    retry_after: Callable[[], float] = lambda: 0  # seconds to wait for its turn
    ranges: list[tuple[int, int]] = field(default_factory=list)
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
        return [path for path, _ in self.messages]

    def last(self, path: str) -> Any:
        return [message for name, message in self.messages if name == path][-1]

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        message: Any = protocol.load(protocol.Hello if path == "hello" else KINDS[path], body)
        with self.changed:
            self.messages.append((path, message))
            self.changed.notify_all()
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
    """HTTP with bearer tokens and ranges, as provisioner/web/machines/machines.py answers."""

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
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            self.start(200, len(data))
            self.wfile.write(data)
            return None
        first, last = int(wanted[1]), int(wanted[2])
        if seconds := self.service.retry_after():
            return self.start(503, 0, Retry_After=str(seconds))
        self.service.ranges.append((first, last + 1))
        self.start(206, last + 1 - first, Content_Range=f"bytes {first}-{last}/{len(data)}")
        return self.stream(data[: last + 1], first)

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
    """Runs the agent to its end: whether it rebooted, and what it printed on the console."""

    def act(
        found: list[protocol.Disk] | None = None,
        patience: float = 10,
        kexec: Kexec | None = None,
        **order: Any,
    ) -> tuple[bool, str]:
        service.order = dataclasses.replace(service.order, **order)
        rebooted: list[bool] = []
        seen = protocol.Disk(
            "vda", disk.stat().st_size, 512, "Disk", "S1", content="GPT with 1 partitions: old"
        )
        Job(
            KernelArguments(f"http://127.0.0.1:{service.port}", MAC, NONCE),
            connect=functools.partial(Link, patience=patience, silence=1.0, back_off=(0.05, 0.1)),
            keys=supply.keys,
            reboot=lambda: rebooted.append(True),
            find_disks=lambda: [seen] if found is None else found,
            open_disk=lambda name: BlockDevice(disk),
            set_clock=lambda now: None,  # the machine that tests has its own clock
            interval=0.05,
            kexec=kexec,
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
    return max((message.done for path, message in service.messages if path == "progress"), default=0)


def assert_whole(disk: Path, supply: Supply, size: int = DISK) -> None:
    """The disk is the image but for its tables and seed, and the programs that boot it agree."""
    content, raw = disk.read_bytes(), supply.raw.read_bytes()
    backup = size - 33 * 512
    end = min(len(raw), backup)
    assert content[34 * 512 : CIDATA] == raw[34 * 512 : CIDATA]
    assert content[ROOT:end] == raw[ROOT:end]
    assert content[:440] == raw[:440] and BOOT_CODE in content[:512]
    for name, text in SEED.items():
        assert run.run(["mtype", "-i", f"{disk}@@{CIDATA}", f"::{name}"]).stdout == text.encode()
    output = run.text(["sgdisk", "--verify", disk])
    assert "No problems found" in output and "Caution" not in output and "Warning" not in output, output
    listed = [
        json.loads(run.text(["sfdisk", "--json", path]))["partitiontable"] for path in (disk, supply.raw)
    ]
    assert listed[0]["lastlba"] == size // 512 - 34
    rows = [[row | {"node": ""} for row in table["partitions"]] for table in listed]
    assert rows[0] == rows[1] and listed[0]["id"] == listed[1]["id"]


def assert_dead(disk: Path, *esps: int) -> None:
    """Nothing on it can boot: no boot sector, no table at either end, no ESP."""
    content = disk.read_bytes()
    assert not any(content[: 34 * 512]) and not any(content[-33 * 512 :])
    for place in (ESP, *esps):
        assert not any(content[place : place + MIB])


def assert_untouched(disk: Path) -> None:
    assert disk.read_bytes() == b"\xa5" * DISK
