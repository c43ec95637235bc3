"""Boot files fetched as firmware does: from our service, others' servers, and some that misbehave."""

import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner import run
from provisioner.domain.bootfiles import TftpFile
from provisioner.services.tftp import probe as probe_module
from provisioner.services.tftp.loop import TftpLoop
from provisioner.services.tftp.probe import TftpProbe, probe
from provisioner.system import namespaces

ROOT = str(Path(__file__).parents[4])
PROGRAMS = Path(__file__).with_name("programs")
HERE = "127.0.0.1"
CONTENT = bytes(range(256)) * 1200
Answer = Callable[[bytes, int], bytes | None]  # the datagram and its number → what is sent back


def described(content: bytes, name: str = "snponly.efi") -> TftpFile:
    return TftpFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def port() -> Iterator[int]:
    """Our own loop; it serves one file."""
    loop = TftpLoop([IPv4Address(HERE)], {"snponly.efi": CONTENT}.get, port=0)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield loop.port
    loop.stop()
    thread.join(5)
    loop.close()


def test_our_service_gives_the_file_that_it_says(port: int) -> None:
    result = probe(HERE, described(CONTENT), port=port)
    assert (result.file, result.size, result.fault, result.hint) == ("snponly.efi", len(CONTENT), "", "")
    assert 0 < result.seconds < 10


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT + bytes(5000), b"x"])
def test_a_file_of_another_size_is_another_file(port: int, content: bytes) -> None:
    result = probe(HERE, described(content), port=port)
    assert result.fault.startswith("another file: ") and "another TFTP server" in result.hint


def test_a_file_with_another_content_is_another_file(port: int) -> None:
    result = probe(HERE, described(CONTENT[::-1]), port=port)
    assert result.fault == "another file, or a damaged one: its SHA-256 is wrong" and result.size == 0


def test_a_missing_file_is_said_with_how_it_is_made(port: int) -> None:
    result = probe(HERE, described(CONTENT, "undionly.kpxe"), port=port)
    assert result.fault == "the server has no such file (error 1 file not found)"
    assert "provision ramdisk build" in result.hint
    assert "provision ramdisk build" in probe(HERE, TftpFile("undionly.kpxe"), port=port).hint, (
        "nothing asked"
    )


@contextmanager
def scripted(answer: Answer) -> Iterator[int]:
    """A server on loopback that says what it is told to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 0))
        server.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            number = 0
            while not ended.is_set():
                try:
                    data, peer = server.recvfrom(2048)
                except TimeoutError:
                    continue
                if reply := answer(data, number):
                    server.sendto(reply, peer)
                number += 1

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join(5)


def data_block(number: int, size: int = 512) -> bytes:
    return b"\0\3" + (number + 1).to_bytes(2, "big") + bytes(size)


@pytest.mark.parametrize(
    ("reply", "fault", "hint"),
    [
        (b"\0\5\0\2go\x1b[2J away\0", "refused (error 2 go\\x1b[2J away)", "the log of"),
        (b"\0\5\0\0", "refused (error 0)", "the log of"),
        (b"\0\5\0\1\0", "the server has no such file (error 1)", "ramdisk build"),
        (b"\0\3", "what answers there does not speak TFTP", "another TFTP server"),
        (b"\0\x6b\xff", "what answers there does not speak TFTP", "another TFTP server"),
        (b"\0\6blksize\0x\0", "what answers there does not speak TFTP", "another TFTP server"),
        (b"HTTP/1.0 400", "what answers there does not speak TFTP", "another TFTP server"),
    ],
)
def test_what_a_server_refuses_and_what_is_no_tftp(reply: bytes, fault: str, hint: str) -> None:
    with scripted(lambda data, number: reply) as port:
        result = probe(HERE, described(CONTENT), port=port)
    assert result.fault.startswith(fault) and hint in result.hint and result.fault.isprintable()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "PACKET_TIMEOUT", 0.3)


def test_silence_a_closed_port_and_a_transfer_that_breaks_are_told_apart(hasty: None) -> None:
    with scripted(lambda data, number: None) as port:
        silent = probe(HERE, described(CONTENT), port=port)
    closed = probe(HERE, described(CONTENT), port=port)
    with scripted(lambda data, number: data_block(number) if number < 3 else None) as port:
        broken = probe(HERE, described(CONTENT), port=port)
    assert silent.fault.startswith("no answer from 127.0.0.1") and "firewall" in silent.hint
    assert closed.fault.startswith("nothing listens on 127.0.0.1") and "tftp service" in closed.hint
    assert (
        broken.fault == f"the transfer broke after 1536 of {len(CONTENT)} bytes" and "firewall" in broken.hint
    )


def test_a_server_that_trickles_or_never_ends_is_given_up() -> None:
    def trickle(data: bytes, number: int) -> bytes:
        time.sleep(0.3)
        return data_block(number)

    began = time.monotonic()
    with scripted(trickle) as port:
        slow = probe(HERE, described(CONTENT), port=port, time_limit=1)
    assert slow.fault.startswith("too slow: ") and time.monotonic() - began < 4
    with scripted(lambda data, number: data_block(number)) as port:
        endless = probe(HERE, described(bytes(5000)), port=port)
    assert endless.fault == "another file: more than the 5000 bytes of the service's"


def test_it_says_nothing_of_its_own(port: int, caplog: pytest.LogCaptureFixture) -> None:
    probe(HERE, described(CONTENT, "other"), port=port)
    assert caplog.text.count("tftpy") == 0


def test_from_where_there_is_no_way_nothing_is_judged(tmp_path: Path) -> None:
    """In a network of its own, which has no interface that is up."""
    argv = [*namespaces.with_network(), sys.executable, PROGRAMS / "probe_without_way.py"]
    said = run.run(argv, env={"PYTHONPATH": ROOT})
    assert said.stdout == b"Network is unreachable\n"


SERVERS = {
    "dnsmasq": ["--no-daemon", "--port=0", "--user=root", "--conf-file=/dev/null", "--enable-tftp"],
    "in.tftpd": ["--foreground", "--address", "10.77.0.1:69", "--user", "root", "--secure"],
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("served", "fault"),
    [
        (CONTENT, ""),
        (CONTENT[:-7], f"another file: {len(CONTENT) - 7} bytes, the service's has {len(CONTENT)}"),
        (CONTENT[::-1], "another file, or a damaged one: its SHA-256 is wrong"),
        (None, "the server has no such file (error 1"),
    ],
)
def test_another_server_on_the_services_address(
    tmp_path: Path, server: str, served: bytes | None, fault: str
) -> None:
    root = tmp_path / "served"
    root.mkdir()
    if served is not None:
        (root / "snponly.efi").write_bytes(served)
    for place in (root, *root.parents[:2], *root.iterdir()):
        place.chmod(place.stat().st_mode | 0o555)
    options = [*SERVERS[server], *([f"--tftp-root={root}"] if server == "dnsmasq" else [str(root)])]
    within = [*namespaces.with_network(), sys.executable, PROGRAMS / "probe_of_server.py"]
    asked = json.dumps(asdict(described(CONTENT)))
    said = run.run([*within, asked, server, *options], cwd=tmp_path, env={"PYTHONPATH": ROOT})
    result = TftpProbe(**json.loads(said.stdout))
    assert result.fault.startswith(fault) and bool(result.fault) == bool(fault), result
