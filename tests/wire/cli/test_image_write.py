"""`provision image write`: a pack onto a disk of this machine, with every refusal."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.agent.block_device import BlockDevice
from provisioner.errors import DiskError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature
from tests.wire.imaging.disk_image import partitions, ungated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.conftest import CommandResult, World

MIB = 1 << 20
SIZE = 32 * MIB


@pytest.fixture(scope="module")
def pack(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("write") / "w.pack"
    sign = ("--sign", world.folder / "release.key", "--name", "w-os", "--version", "3")
    assert world.provision("image", "pack", world.folder / "raw.img", "-o", out, *sign).code == 0
    return out


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * SIZE)
    return path


def write(world: World, source: Any, device: Path, *more: str | Path) -> CommandResult:
    nowhere = {"PROVISION_STATE": str(device.parent / "none")}
    words = ("--pubkey", world.folder / "release.pub", *more)
    return world.provision("image", "write", source, device, *words, env=nowhere)


def assert_image(device: Path, world: World) -> None:
    found, raw = device.read_bytes(), (world.folder / "raw.img").read_bytes()
    assert found[34 * 512 : 23 * MIB] == raw[34 * 512 : 23 * MIB] and found[:440] == raw[:440]
    said = run.text(["sgdisk", "--verify", device])
    assert "No problems found" in said, said


def test_a_file_becomes_the_image_and_again_costs_little(world: World, pack: Path, disk: Path) -> None:
    said = write(world, pack, disk, "--yes")
    assert said.code == 0, said.err
    assert "Signed    by release ✓" in said.err and "is w-os 3: " in said.err and "0 B were right" in said.err
    assert_image(disk, world)
    said = write(world, pack, disk, "--yes")
    assert said.code == 0 and "0 B were right" not in said.err, said.err
    assert_image(disk, world)
    said = write(world, pack, disk, "--yes", "--full")
    assert said.code == 0 and "0 B were right" in said.err


class Ranges(SimpleHTTPRequestHandler):
    """The standard library's server, taught ranges."""

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        data = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not last:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        piece = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)


@contextmanager
def serving(handler: type[Ranges], folder: Path) -> Iterator[str]:
    """The files of a folder; where the server is."""
    server = HTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(pack: Path) -> Iterator[str]:
    with serving(Ranges, pack.parent) as place:
        yield f"{place}/{pack.name}"


def test_it_may_come_from_any_web_server_that_knows_ranges(world: World, url: str, disk: Path) -> None:
    said = write(world, url, disk, "--yes")
    assert said.code == 0, said.err
    assert_image(disk, world)


class Odd(Ranges):
    """A server that does something else: the first part of the path says what."""

    def do_GET(self) -> None:
        what, _, rest = self.path.lstrip("/").partition("/")
        is_pack = rest.endswith(".pack")
        if what == "moved" and is_pack:
            self.send_response(302)
            self.send_header("Location", f"/{rest}")
        elif what == "busy" and is_pack:
            self.send_response(503)
            self.send_header("Retry-After", "1")
        elif what == "plain" and is_pack:
            return SimpleHTTPRequestHandler.do_GET(self)
        else:
            self.path = f"/{rest}"
            return super().do_GET()
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def translate_path(self, path: str) -> str:
        return str(Path(self.directory) / Path(path).name)


@pytest.fixture
def odd(pack: Path) -> Iterator[str]:
    with serving(Odd, pack.parent) as place:
        yield place


@pytest.mark.parametrize(
    ("what", "number", "words"),
    [
        ("moved", 332, "it sends us elsewhere (302"),
        ("plain", 332, "the whole image where a part was asked for"),
        ("busy", 331, "has put us off for 1 s"),
    ],
)
def test_a_server_that_gives_no_parts_is_given_up_in_words(
    world: World, pack: Path, odd: str, disk: Path, what: str, number: int, words: str
) -> None:
    said = write(world, f"{odd}/{what}/{pack.name}", disk, "--yes", "--patience", "1")
    assert said.code == 5 and f"PV-{number}" in said.err and words in said.err, said.err
    assert "was not touched" in said.err and "Traceback" not in said.err
    assert disk.read_bytes() == b"\xa5" * SIZE


@pytest.mark.parametrize(
    "url",
    [
        *("https://h/x.pack", "ftp://h/x.pack", "http://", "http://h", "http://h/", "http://h:99999/x.pack"),
        *("http://h:0/x.pack", "http://[::1/x.pack", "http://me:pw@h/x.pack", "http://h/x?f=a.pack"),
        "http://h/x.pack#y",
    ],
)
def test_what_is_no_address_of_a_pack_is_said(world: World, disk: Path, url: str) -> None:
    said = write(world, url, disk, "--yes")
    assert said.code == 2 and "PV-102" in said.err and "Traceback" not in said.err, said.err
    assert "write http://ADDRESS" in said.err and disk.read_bytes() == b"\xa5" * SIZE


@pytest.mark.parametrize(
    "url",
    [
        *("http://me:Sup3rPw@h/x.pack", "http://:Sup3rPw@h/x.pack", "http://me:Sup3r/Pw@h/x.pack"),
        *("https://me:Sup3rPw@h/x.pack", "http://me:Sup3r#Pw@h/x.pack", "http://me:Sup3r[Pw@h/x.pack"),
        *("http://me:1?Sup3r@h/x.pack", "ftp://Sup3rPw@h", "http://me:Sup3rPw@h:99999/x.pack"),
    ],
)
def test_a_login_in_a_url_is_refused_and_not_shown(world: World, disk: Path, url: str) -> None:
    said = write(world, url, disk, "--yes")
    assert said.code == 2 and "(PV-102)" in said.err and "a login" in said.err, said.err
    assert "Sup3r" not in said.err and "me:" not in said.err and "Port" not in said.err, said.err


def test_the_device_is_shown_and_must_be_named(world: World, pack: Path, disk: Path) -> None:
    said = write(world, pack, disk)
    assert said.code == 6 and "PV-133" in said.err and "33.6 MB  (no partition table)" in said.err
    words = ("image", "write", str(pack), str(disk), "--pubkey", str(world.folder / "release.pub"))
    for answer, code in (("nonsense", 6), ("disk", 0)):
        with world.terminal(*words) as terminal:
            terminal.await_text("Type its name to continue")
            assert disk.read_bytes() == b"\xa5" * SIZE
            terminal.type(f"{answer}\n")
            assert terminal.end() == code, terminal.seen
    assert_image(disk, world)


def test_what_is_wrong_is_refused_before_the_disk_is_touched(
    world: World, pack: Path, disk: Path, tmp_path: Path
) -> None:
    run.run(["minisign", "-G", "-W", "-p", tmp_path / "o.pub", "-s", tmp_path / "o.key"])
    said = write(world, pack, disk, "--yes", "--pubkey", tmp_path / "o.pub")
    assert said.code == 6 and "PV-326" in said.err
    nowhere = {"PROVISION_STATE": str(tmp_path / "none")}
    said = world.provision("image", "write", pack, disk, "--yes", env=nowhere)
    assert said.code == 6 and "no public key is trusted" in said.err
    small = tmp_path / "small"
    small.write_bytes(bytes(8 * MIB))
    for device, words, code in (
        (tmp_path / "none", "there is no such file", 2),
        (Path("/dev/null"), "neither a disk nor a regular file", 2),
        (tmp_path, "neither a disk nor a regular file", 2),
        (small, "is too small: the image needs", 3),
    ):
        said = write(world, pack, device, "--yes")
        assert said.code == code and words in said.err and "  → " in said.err, said.err
    with disk.open("r+b") as file:
        file.seek(512)
        file.write(b"LABELONE")
    said = write(world, pack, disk, "--yes")
    assert said.code == 3 and "not ours to erase: LVM on the whole disk" in said.err
    assert disk.read_bytes()[520:] == b"\xa5" * (SIZE - 520)
    assert write(world, pack, disk, "--yes", "--erase-foreign").code == 0


def test_a_pack_that_no_host_can_take_leaves_the_disk_as_it_was(
    world: World, disk: Path, tmp_path: Path
) -> None:
    """Signed, and its manifest is right: only its own first chunk tells."""
    raw, out = tmp_path / "two.raw", tmp_path / "two.pack"
    raw.write_bytes((world.folder / "raw.img").read_bytes())
    parts = partitions(raw.read_bytes())
    run.run(["sgdisk", "--move-main-table=40", raw])
    ungated(raw, out, parts)
    signature.sign(out.with_name("two.pack.json"), world.folder / "release.key")
    said = write(world, out, disk, "--yes")
    assert said.code == 6 and "PV-324" in said.err and "begin at sector 40, not 2" in said.err, said.err
    assert f"{disk} was not touched" in said.err and disk.read_bytes() == b"\xa5" * SIZE
    said = world.provision("image", "add", out)
    assert said.code == 6 and "PV-324" in said.err and "two.pack: the partition entries" in said.err
    said = world.provision("image", "verify", out, "--pubkey", world.folder / "release.pub")
    assert said.code == 6 and "PV-324" in said.err


def test_a_damaged_pack_leaves_a_disk_that_says_so(
    world: World, pack: Path, disk: Path, tmp_path: Path
) -> None:
    for path in pack.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copy = tmp_path / pack.name
    whole, manifest = copy.read_bytes(), manifests.load(copy.with_name(f"{pack.name}.json"))
    places = {
        role: manifest.chunks[manifest.partition(role).offset // manifest.chunk_size].pack_offset
        for role in ("esp", "cidata", "root")
    }
    for role in ("esp", "cidata"):  # what comes first
        damaged(copy, whole, places[role] + 20)
        said = write(world, copy, disk, "--yes")
        assert said.code == 6 and "PV-321" in said.err and "was not touched" in said.err, said.err
        assert disk.read_bytes() == b"\xa5" * SIZE
    body = damaged(copy, whole, places["root"] + 20)
    said = write(world, copy, disk, "--yes")
    assert said.code == 6 and "PV-321" in said.err and "is not whole and does not boot" in said.err
    copy.write_bytes(body[:-1])
    said = write(world, copy, disk, "--yes")
    assert said.code == 6 and "the manifest says" in said.err


def damaged(path: Path, whole: bytes, place: int) -> bytes:
    """Write the pack with one flipped bit; what was written."""
    body = bytearray(whole)
    body[place] ^= 1
    path.write_bytes(body)
    return bytes(body)


@pytest.mark.parametrize("way", ["itself", "a symbolic link", "a hard link"])
def test_a_target_that_is_read_from_is_refused(world: World, pack: Path, tmp_path: Path, way: str) -> None:
    for path in pack.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source, target = tmp_path / pack.name, tmp_path / "target"
    for ending in ("", ".json", ".json.minisig"):
        read = source.with_name(source.name + ending)
        before = read.read_bytes()
        if way == "a symbolic link":
            target.symlink_to(read)
        elif way == "a hard link":
            target.hardlink_to(read)
        said = write(world, source, read if way == "itself" else target, "--yes")
        assert said.code == 2 and "which is read from" in said.err and "PV-310" in said.err, said.err
        assert read.read_bytes() == before
        target.unlink(missing_ok=True)


@pytest.mark.parametrize("way", ["itself", "a symbolic link", "a hard link"])
def test_a_second_writer_of_the_same_file_is_refused(
    world: World, pack: Path, disk: Path, tmp_path: Path, way: str
) -> None:
    target = disk if way == "itself" else tmp_path / "other"
    if way == "a symbolic link":
        target.symlink_to(disk)
    elif way == "a hard link":
        target.hardlink_to(disk)
    with BlockDevice(disk):
        said = write(world, pack, target, "--yes")
        assert said.code == 3 and "is in use: another program writes it" in said.err, said.err
        assert "PV-315" in said.err and disk.read_bytes() == b"\xa5" * SIZE
        with pytest.raises(DiskError, match="is in use"):
            BlockDevice(target)
    assert write(world, pack, target, "--yes").code == 0
    assert_image(disk, world)


def test_a_disk_of_a_running_machine_is_refused(world: World, pack: Path, disk: Path) -> None:
    """QEMU locks its disks in the same way."""
    drive = ("-drive", f"file={disk},format=raw,if=none")
    argv = ["qemu-system-x86_64", "-display", "none", "-machine", "none", *drive]
    machine = run.start([*argv, "-qmp", "stdio", "-S"], stdin=run.PIPE, stdout=run.PIPE)
    try:
        assert machine.stdout and machine.stdout.readline()  # its greeting: the disk is open
        said = write(world, pack, disk, "--yes")
        assert said.code == 3 and "is in use: another program writes it" in said.err, said.err
    finally:
        run.stop(machine)
        for pipe in (machine.stdin, machine.stdout):
            if pipe:
                pipe.close()


def await_release(device: Path) -> None:
    """A mount namespace made meanwhile holds a copy of the mount; there is no event to wait for."""
    until = time.monotonic() + 60
    while True:
        try:
            return os.close(os.open(device, os.O_RDWR | os.O_EXCL))
        except OSError:
            assert time.monotonic() < until, f"{device} is held by another mount namespace"
            time.sleep(0.2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a loop device")
def test_a_disk_in_use_is_refused(world: World, pack: Path, tmp_path: Path) -> None:
    backing, place = tmp_path / "backing", tmp_path / "mnt"
    backing.write_bytes(bytes(SIZE))
    place.mkdir()
    device = Path(run.text(["losetup", "--show", "--find", backing]))
    try:
        run.run(["mkfs.ext4", "-q", "-F", device])
        run.run(["mount", device, place])
        try:
            said = write(world, pack, device, "--yes")
            assert said.code == 3 and f"is in use: mounted on {place}" in said.err, said.err
        finally:
            run.run(["umount", place])
        await_release(device)
        said = write(world, pack, device, "--yes")
        assert said.code == 0, said.err
    finally:
        run.run(["losetup", "--detach", device])
    assert_image(backing, world)
