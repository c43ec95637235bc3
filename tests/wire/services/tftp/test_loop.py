"""The TFTP loop against clients that we did not write, hostile datagrams and a lossy line."""

import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
import tftpy

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.services.tftp.error_limit import MOST
from provisioner.services.tftp.loop import TftpLoop
from provisioner.services.tftp.metrics import TftpMetrics
from provisioner.services.tftp.packet import TransferRequest, build_request
from provisioner.services.tftp.policy import FileOrBytes

LOSSY_LINE = Path(__file__).with_name("programs") / "lossy_line.py"

HERE = "127.0.0.1"
ROOT = str(Path(__file__).parents[4])
BIG = 32 << 20
SIZES = (0, 511, 512, 513, 1468 * 3)
ACK0, ACK1 = b"\0\4\0\0", b"\0\4\0\1"


@dataclass
class Served:
    """A running loop, the events that it told, and a condition that each notifies."""

    loop: TftpLoop
    folder: Path
    metrics: TftpMetrics = field(default_factory=TftpMetrics)
    events: list[tuple[str, str, str, float, int]] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, *event: object) -> None:
        with self.told:
            self.events.append(event)  # type: ignore[arg-type]
            self.told.notify_all()

    def wait(self, test: Callable[[], bool], seconds: float = 20) -> None:
        with self.told:
            assert self.told.wait_for(test, seconds), self.events

    def wait_for_bad(self, count: int) -> None:
        """Until so many datagrams could not be read; what came before them has been read then."""
        until = time.monotonic() + 30
        while self.metrics.bad_packets.value < count:
            assert time.monotonic() < until
            time.sleep(0.01)

    def results(self, name: str) -> list[str]:
        return [event[2] for event in self.events if event[0] == name]


def payload(size: int) -> bytes:
    block = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(32))
    return (block * (size // len(block) + 1))[:size]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tftp")
    for size in (*SIZES, 600_000, BIG):
        (place / str(size)).write_bytes(payload(size))
    (place / "directory").mkdir()
    return place


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    def lookup(name: str) -> FileOrBytes | None:
        if name == "explode":
            raise RuntimeError("the policy is broken")
        return folder / name if name in {entry.name for entry in folder.iterdir()} else None

    def tell(*event: object) -> None:
        here.tell(*event)

    metrics = TftpMetrics()
    loop = TftpLoop([IPv4Address(HERE)], lookup, tell, port=0, per_address=200, metrics=metrics)
    here = Served(loop, folder, metrics)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield here
    assert thread.is_alive(), "the loop has ended"
    loop.stop()
    thread.join(5)
    loop.close()
    assert loop.transfers == 0


def fetch(program: str, port: int, name: str, target: Path) -> None:
    url = f"tftp://{HERE}:{port}/{name}"
    get = ["--get", "-r", name, "-l", str(target), HERE, str(port)]
    argv = {
        "tftp-hpa": ["tftp", "-m", "binary", HERE, str(port), "-c", "get", name, str(target)],
        "atftp": ["atftp", *get],
        "atftp-1428": ["atftp", "--option", "blksize 1428", "--option", "windowsize 8", *get],
        "busybox": ["busybox", "tftp", "-g", "-r", name, "-l", str(target), HERE, str(port)],
        "busybox-1432": [
            "busybox",
            "tftp",
            "-b",
            "1432",
            "-g",
            "-r",
            name,
            "-l",
            str(target),
            HERE,
            str(port),
        ],
        "curl": ["curl", "-sS", "--tftp-blksize", "1468", "-o", str(target), url],
        "curl-plain": ["curl", "-sS", "--tftp-no-options", "-o", str(target), url],
    }[program]
    run.run(argv, timeout=60)


PROGRAMS = ("tftp-hpa", "atftp", "atftp-1428", "busybox", "busybox-1432", "curl", "curl-plain")


@pytest.mark.parametrize(
    ("program", "size"),
    # curl with options fails on any empty file: it asks for the peer of a socket that it never connected
    [(program, size) for program in PROGRAMS for size in SIZES if (program, size) != ("curl", 0)],
)
def test_a_foreign_client_gets_every_size(served: Served, tmp_path: Path, program: str, size: int) -> None:
    target = tmp_path / "got"
    fetch(program, served.loop.port, str(size), target)
    assert (target.read_bytes() if target.exists() else b"") == payload(size)  # curl makes no empty file
    served.wait(lambda: served.results(str(size)) == ["done"])


@pytest.mark.parametrize("program", ["tftp-hpa", "busybox", "curl", "curl-plain", "atftp-1428"])
def test_a_foreign_client_gets_a_large_file(served: Served, tmp_path: Path, program: str) -> None:
    """tftp-hpa, busybox and plain curl take 65,537 blocks of 512 bytes: the number rolls over."""
    fetch(program, served.loop.port, str(BIG), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == payload(BIG)
    served.wait(lambda: served.results(str(BIG)) == ["done"])


def test_small_blocks_roll_over(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "got"
    argv = ["atftp", "--option", "blksize 8", "--option", "windowsize 16", "--get", "-r", "600000"]
    run.run([*argv, "-l", str(target), HERE, str(served.loop.port)], timeout=60)
    assert target.read_bytes() == payload(600_000)


@pytest.mark.parametrize("options", [{}, {"blksize": 1468, "tsize": 0}, {"blksize": 65464}])
def test_tftpys_client_gets_a_file(served: Served, tmp_path: Path, options: dict[str, int]) -> None:
    tftpy.TftpClient(HERE, served.loop.port, options).download("600000", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == payload(600_000)


def test_a_hundred_clients_at_once(served: Served, tmp_path: Path) -> None:
    processes = [
        run.start(["curl", "-sS", "-o", tmp_path / str(n), f"tftp://{HERE}:{served.loop.port}/600000"])
        for n in range(100)
    ]
    assert [process.wait(60) for process in processes] == [0] * 100
    assert {(tmp_path / str(n)).read_bytes() for n in range(100)} == {payload(600_000)}
    served.wait(lambda: served.results("600000") == ["done"] * 100)


def test_uploads_are_refused_in_words(served: Served, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    done = run.run(
        ["tftp", "-m", "binary", HERE, str(served.loop.port), "-c", "put", tmp_path / "mine", "512"],
        check=False,
    )
    assert b"takes none" in done.stdout + done.stderr
    assert (served.folder / "512").read_bytes() == payload(512)


@pytest.mark.parametrize(
    ("name", "words"), [("nothing", "not found"), ("../../etc/passwd", "not found"), ("directory", "regular")]
)
def test_what_is_not_served_is_said(served: Served, tmp_path: Path, name: str, words: str) -> None:
    done = run.run(
        ["tftp", "-m", "binary", HERE, str(served.loop.port), "-c", "get", name, tmp_path / "got"],
        check=False,
    )
    assert words.encode() in done.stdout + done.stderr
    served.wait(lambda: any(words in result for result in served.results(name)))


HOSTILE = [
    *(b"", b"\0", b"\0\0", b"\0\1", b"\0\2", b"\0\3", b"\0\4", b"\0\5", b"\0\6", b"\0\7", b"\xff\xff"),
    *(b"\0\4\0", b"\0\4\0\1", b"\0\4\0\1\1\1\1", b"\0\3\0\1", b"\0\3\0\1data", b"\0\5\0", b"\0\5\0\0"),
    *(b"\0\5\0\0no end", b"\0\5\xff\xff\xff\0", b"\0\6blksize\0", b"\0\6blksize\x00512\0"),
    *(b"\0\1\0", b"\0\1\0\0", b"\0\1\0octet\0", b"\0\1a", b"\0\1a\0", b"\0\1a\0octet", b"\0\x01512\0\0"),
    *(b"\0\x01512\0binary\0", b"\0\x01512\0mail\0", b"\0\x01512\0netascii\0", b"\0\x01512\0OcTeT\0"),
    *(b"\0\1directory\0octet\0", b"\0\1.\0octet\0", b"\0\1/\0octet\0", b"\0\1..\0octet\0"),
    *(b"\0\1../../etc/passwd\0octet\0", b"\0\1/etc/passwd\0octet\0", b"\0\1\\..\\..\\x\0octet\0"),
    *(b"\0\1\xff\xfe\x80\0octet\0", b"\0\x01512\0\xff\xff\0", "\0\1ü\0octet\0".encode()),
    *(b"\0\1explode\0octet\0", b"\0\1" + b"a" * 60000 + b"\0octet\0", b"\0\1" + b"%s%n" * 50 + b"\0octet\0"),
    *(
        b"\0\x01512\0octet\0blksize\0abc\0",
        b"\0\x01512\0octet\0blksize\0-1\0",
        b"\0\x01512\0octet\0blksize\x000\0",
    ),
    *(b"\0\x01512\0octet\0blksize\x0099999999999999999999\0", b"\0\x01512\0octet\0blksize\0"),
    *(b"\0\x01512\0octet\0blksize\0\xb2\0", b"\0\x01512\0octet\0\0\0", b"\0\x01512\0octet\0\0\0\0\0"),
    *(
        b"\0\x01512\0octet\0tsize\0abc\0",
        b"\0\x01512\0octet\0timeout\x000\0",
        b"\0\x01512\0octet\0timeout\x00256\0",
    ),
    *(b"\0\x01512\0octet\0windowsize\x0065535\0", b"\0\x01512\0octet\0" + b"o\0v\0" * 200),
    *(b"\0\x02512\0octet\0", b"\0\2new\0octet\0", b"\0\2../x\0octet\0tsize\x0099\0", bytes(1400)),
]


def test_hostile_datagrams_do_not_end_the_loop(served: Served, tmp_path: Path) -> None:
    assert len(set(HOSTILE)) >= 60
    for data in HOSTILE:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(data, (HERE, served.loop.port))
    assert payload(512) == (served.folder / "512").read_bytes()
    assert not (served.folder / "new").exists()
    fetch("curl", served.loop.port, "4404", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == payload(4404)


class Client:
    """A client by hand: says what it likes, and shows what comes."""

    def __init__(self, served: Served, address: str = HERE) -> None:
        self.server = (HERE, served.loop.port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(30)
        self.peer = self.server

    def ask(self, name: str, **options: str) -> bytes:
        self.socket.sendto(build_request(TransferRequest(name, "octet", options=options)), self.server)
        return self.hear()

    def hear(self) -> bytes:
        data, self.peer = self.socket.recvfrom(70000)
        return data

    def say(self, data: bytes) -> None:
        self.socket.sendto(data, self.peer)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    hand = Client(served)
    yield hand
    hand.socket.close()


def test_hostile_datagrams_inside_a_transfer_do_not_end_it(served: Served, client: Client) -> None:
    first = client.ask("513")
    for data in HOSTILE:
        if data[:2] != b"\0\5" and data != ACK1 and data[:4] != ACK1:
            client.say(data)
    client.say(ACK1)
    while (data := client.hear())[:4] != b"\0\3\0\2":
        assert data[:2] == b"\0\5" or data == first
    client.say(b"\0\4\0\2")
    served.wait(lambda: served.results("513") == ["done"])


@pytest.mark.alone
def test_an_unanswered_packet_is_repeated_soon(client: Client) -> None:
    began = time.monotonic()
    assert client.ask("512") == client.hear() == client.hear()
    assert time.monotonic() - began < 1


def test_a_repeated_request_opens_no_second_transfer(served: Served, client: Client) -> None:
    client.ask("512")
    peer = client.peer
    client.ask("512")
    assert client.peer == peer
    assert served.loop.transfers == 1


def test_a_request_that_comes_late_a_second_time_ends_nothing(served: Served, client: Client) -> None:
    """On a busy machine the client's repetition is read after its first acknowledgement."""
    client.ask("513")
    client.say(ACK1)
    assert client.hear()[:4] == b"\0\3\0\2"
    client.socket.sendto(build_request(TransferRequest("513", "octet")), client.server)
    client.socket.sendto(b"\0\1\0", client.server)  # is read after it, and complained of
    served.wait_for_bad(1)
    client.say(b"\0\4\0\2")
    served.wait(lambda: served.results("513") == ["done"])


def test_a_new_request_from_the_same_port_replaces_the_transfer(served: Served, client: Client) -> None:
    client.ask("512")
    assert client.ask("513", tsize="0") == b"\0\6tsize\x00513\0"
    served.wait(lambda: served.results("512") == ["aborted: the client asked anew"])
    assert served.loop.transfers == 1


def test_firmware_that_only_asks_for_the_size_is_an_aborted_transfer(served: Served, client: Client) -> None:
    """As OVMF does before it downloads."""
    assert client.ask("600000", tsize="0", blksize="1468") == b"\0\6blksize\x001468\0tsize\x00600000\0"
    client.say(b"\0\5\0\x08User aborted the transfer\0")
    served.wait(lambda: served.results("600000") == ["aborted: error 8 User aborted the transfer"])


def test_a_client_that_leaves_without_the_last_ack_has_its_file(served: Served, client: Client) -> None:
    client.ask("511")
    client.socket.close()  # the repetition meets a closed port
    served.wait(lambda: served.results("511") == ["done"])


def test_a_client_that_vanishes_halfway_is_lost(served: Served, client: Client) -> None:
    client.ask("600000")
    client.say(ACK1)
    client.hear()
    client.socket.close()
    served.wait(lambda: [result[:5] for result in served.results("600000")] == ["lost:"])


ERROR2, ERROR4, ERROR5, ERROR8 = b"\0\5\0\2", b"\0\5\0\4", b"\0\5\0\5", b"\0\5\0\x08"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\0\1\0octet\0", ERROR4),
        (b"\0\1a\0", ERROR4),
        (b"\0\x01512\0octet", ERROR4),
        (b"\0\1" + b"a" * 2000 + b"\0octet\0", ERROR4),
        (b"\0\x01512\0netascii\0", ERROR4),
        (b"\0\x01512\0mail\0", ERROR4),
        (b"\0\x01512\0\0", ERROR4),
        (b"\0\x02512\0octet\0", ERROR2),
        (b"\0\x01512\0octet\0blksize\0", ERROR8),
        (b"\0\x09\0\0", ERROR4),
        (ACK1, ERROR5),
        (b"\0\3\0\1data", ERROR5),
        (b"\0\x01512\0octet\0multicast\0\0", b"\0\3\0\1"),  # no option that we know: plain data
        (b"\0\x01512\0octet\0blksize\0\0", b"\0\3\0\1"),
        (b"\0\x01512\0octet\0blksize\x007\0windowsize\x000\0timeout\x00256\0", b"\0\3\0\1"),
        (b"\0\x01512\0octet\0blksize\x0099999\0", b"\0\6blksize\x0065464\0"),
        (b"\0\x01512\0octet\0tsize\x000\0TSIZE\x009\0", b"\0\6tsize\x00512\0"),
    ],
)
def test_each_request_has_the_answer_of_the_standards(client: Client, data: bytes, answer: bytes) -> None:
    client.socket.sendto(data, client.server)
    heard = client.hear()
    assert heard[:4] == answer[:4] and (answer[1] != 6 or heard == answer)
    assert len(heard) <= 516


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\5", b"\0\5\0\0who\0", b"\0\5\0\1"])
def test_what_must_not_be_answered_is_not(served: Served, client: Client, data: bytes) -> None:
    client.socket.sendto(data, client.server)
    client.socket.sendto(b"\0\1\0octet\0", client.server)  # read after it
    assert client.hear()[:4] == ERROR4
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.hear()


def test_an_address_gets_few_errors_however_many_it_provokes(served: Served, client: Client) -> None:
    for _ in range(200):
        client.socket.sendto(b"\0\x09\0\0", client.server)
    served.wait_for_bad(200)
    client.socket.settimeout(0.2)
    heard = 0
    with pytest.raises(TimeoutError):
        while client.hear():
            heard += 1
    assert heard == MOST
    with closing(Client(served, "127.0.0.9")) as other:
        other.socket.sendto(b"\0\x09\0\0", other.server)
        assert other.hear()[:4] == ERROR4, "another address has its own"


def test_a_stranger_on_the_port_of_a_transfer_is_told_so_and_the_transfer_goes_on(
    served: Served, client: Client
) -> None:
    first = client.ask("513")
    with closing(Client(served)) as same_address, closing(Client(served, "127.0.0.7")) as other_address:
        for stranger in (same_address, other_address):
            for data in (ACK1, b"\0\3\0\1data", b"\0\x01512\0octet\0"):
                stranger.socket.sendto(data, client.peer)
                assert stranger.hear()[:4] == ERROR5
                assert stranger.peer == client.peer
            stranger.socket.sendto(b"\0\5\0\0go away\0", client.peer)
            stranger.socket.sendto(ACK0, client.peer)  # read after it
            assert stranger.hear()[:4] == ERROR5
    client.say(ACK1)
    while (data := client.hear())[:4] != b"\0\3\0\2":
        assert data == first
    client.say(b"\0\4\0\2")
    served.wait(lambda: served.results("513") == ["done"])


def test_many_transfers_have_each_a_port_of_its_own(served: Served) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(served))) for _ in range(60)]
        for client in clients:
            client.ask("600000")
        assert len({client.peer for client in clients}) == len(clients)


def test_strangers_cannot_disturb_a_transfer(served: Served, client: Client) -> None:
    client.ask("513")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\0\5\0\0go away\0", client.peer)
    client.say(ACK1)
    while client.hear()[:4] != b"\0\3\0\2":
        pass


@contextmanager
def limited(folder: Path, **limits: int) -> Iterator[Served]:
    """A loop with little room, that serves five blocks under any name."""

    def tell(*event: object) -> None:
        here.tell(*event)

    loop = TftpLoop([IPv4Address(HERE)], lambda name: b"x" * 2500, tell, port=0, **limits)
    here = Served(loop, folder)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield here
    finally:
        loop.stop()
        thread.join(5)
        loop.close()


def test_one_address_cannot_take_all_places(folder: Path) -> None:
    with limited(folder, per_address=2) as here, ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(here))) for _ in range(3)]
        for client in clients[:2]:
            assert client.ask("a")
            client.say(ACK1)
            assert client.hear()
        clients[2].socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            clients[2].ask("a")
        here.wait(lambda: here.results("a") == ["refused: too many of one address"])
        clients[0].say(b"\0\5\0\0enough\0")
        clients[2].socket.settimeout(30)
        assert clients[2].ask("a")


def test_requests_in_others_names_do_not_keep_a_client_out(folder: Path) -> None:
    """They have no client that answers; so they lose their places, and whoever answers keeps his."""
    with limited(folder, in_all=50) as here, ExitStack() as stack:
        first = stack.enter_context(closing(Client(here)))
        assert first.ask("mine")
        first.say(ACK1)
        first.hear()
        for number in range(200):
            forger = stack.enter_context(closing(Client(here, f"127.1.2.{number + 1}")))
            forger.socket.sendto(build_request(TransferRequest("a", "octet")), forger.server)
        here.wait(lambda: len(here.results("a")) >= 150)
        assert here.loop.transfers <= 50
        late = stack.enter_context(closing(Client(here, "127.9.9.9")))
        assert late.ask("late")
        for block in range(2, 6):
            first.say(b"\0\4\0" + bytes([block]))
        here.wait(lambda: here.results("mine") == ["done"])


def test_other_limits_hold_at_once_and_end_no_transfer(folder: Path) -> None:
    with limited(folder, per_address=1) as here, ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(here))) for _ in range(2)]
        assert clients[0].ask("a")
        clients[0].say(ACK1)
        clients[0].hear()
        here.loop.set_limits(2, 10)
        assert clients[1].ask("a")
        assert here.loop.transfers == 2


def test_what_happens_is_counted(served: Served, client: Client, tmp_path: Path) -> None:
    fetch("curl", served.loop.port, "600000", tmp_path / "got")
    for data in (b"\0\1x", b"\0\1nothing\0octet\0", b"\0\x02512\0octet\0"):
        client.socket.sendto(data, client.server)
    client.ask("513")
    client.socket.close()
    served.wait(lambda: served.results("513") != [])
    text = served.metrics.registry.exposition()
    for line in (
        'provision_requests_total{service="tftp",kind="read"} 3',
        'provision_requests_total{service="tftp",kind="write"} 1',
        'provision_refusals_total{service="tftp",reason="name"} 1',
        'provision_refusals_total{service="tftp",reason="write"} 1',
        'provision_bad_packets_total{service="tftp"} 1',
        'provision_transfers_total{service="tftp",result="done"} 1',
        'provision_transfers_total{service="tftp",result="lost"} 1',
        'provision_sent_bytes_total{service="tftp"} 600000',
        'provision_latency_seconds_count{service="tftp"} 2',
    ):
        assert line in text.splitlines(), text


def test_it_speaks_ipv6_as_well(folder: Path, tmp_path: Path) -> None:
    loop = TftpLoop([IPv6Address("::1")], lambda name: folder / name, port=0)
    thread = threading.Thread(target=loop.run)
    thread.start()
    run.run(["curl", "-sS", "-g", "-o", tmp_path / "got", f"tftp://[::1]:{loop.port}/4404"], timeout=20)
    loop.stop()
    thread.join(5)
    loop.close()
    assert (tmp_path / "got").read_bytes() == payload(4404)


def test_a_reply_leaves_from_the_address_that_was_asked(folder: Path) -> None:
    loop = TftpLoop([IPv4Address(HERE), IPv4Address("127.0.0.2")], lambda name: folder / name, port=0)
    port = {one.getsockname()[0]: one.getsockname()[1] for one in loop._listeners}
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        for address, number in port.items():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.sendto(build_request(TransferRequest("512", "octet")), (address, number))
                assert client.recvfrom(2000)[1][0] == address
    finally:
        loop.stop()
        thread.join(5)
        loop.close()


def test_a_taken_port_and_a_foreign_address_are_said_in_words(served: Served) -> None:
    with pytest.raises(ServiceError, match="in use") as taken:
        TftpLoop([IPv4Address(HERE)], lambda name: None, port=served.loop.port)
    assert "ss -lunp" in taken.value.hint
    with pytest.raises(ServiceError, match=r"no interface has the address 192\.0\.2\.1"):
        TftpLoop([IPv4Address("192.0.2.1")], lambda name: None, port=0)


def test_a_broken_callback_does_not_end_the_loop(folder: Path, tmp_path: Path) -> None:
    def tell(*event: object) -> None:
        raise RuntimeError("the store is gone")

    loop = TftpLoop([IPv4Address(HERE)], lambda name: folder / name, tell, port=0)
    thread = threading.Thread(target=loop.run)
    thread.start()
    for number in range(2):
        fetch("curl", loop.port, "4404", tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == payload(4404)
    loop.stop()
    thread.join(5)
    loop.close()


def test_a_mebibyte_over_a_line_that_loses_five_percent_takes_seconds(tmp_path: Path) -> None:
    """nftables drops one datagram in twenty, in a network namespace of our own."""
    (tmp_path / "file").write_bytes(payload(1 << 20))
    argv: list[str | Path] = ["unshare", "--user", "--map-root-user", "--net", sys.executable, LOSSY_LINE]
    spent = run.run(
        [*argv, tmp_path / "file", tmp_path / "got"], timeout=100, env={"PYTHONPATH": ROOT}
    ).stdout
    assert (tmp_path / "got").read_bytes() == payload(1 << 20)
    assert float(spent) < 30
