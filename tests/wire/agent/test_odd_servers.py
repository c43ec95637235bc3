"""What answers may be anything: whatever it does, the client ends in time and says what it does."""

import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import zstandard

from provisioner.agent import link as links
from provisioner.agent.link import Link
from provisioner.agent.stream import Stream
from provisioner.errors import UnreachableError
from provisioner.imaging.manifest import Chunk, Manifest

PATIENCE = 0.5  # seconds
LONGEST = 10.0  # seconds for what ends by a patience of 0.5, however busy the machine is
RAW = random.Random(5).randbytes(256 << 10)
DIGEST = hashlib.sha256(RAW).hexdigest()
FRAME: bytes = zstandard.ZstdCompressor().compress(RAW)
CHUNK = Chunk(0, len(RAW), "data", 0, len(FRAME), DIGEST)
MANIFEST = Manifest(
    *("odd-os", "1", "2026-01-01T00:00:00Z", len(RAW), 512, len(RAW)), chunks=(CHUNK,), partitions=()
)
RANGE = f"bytes 0-{len(FRAME) - 1}/{len(FRAME)}"
Act = Callable[[socket.socket], None]


@contextmanager
def server(act: Act) -> Iterator[int]:
    """Reads each request's head and lets `act` answer on the connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has gone, as it should
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            act(connection)

    def serve() -> None:
        with suppress(OSError):  # shut down below
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def head(status: str, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def plain(status: str, body: bytes = b"", **headers: str) -> Act:
    """One answer and the end of the connection."""
    given = {"Content_Length": str(len(body)), **headers}
    return lambda connection: connection.sendall(head(status, **given) + body)


def drip(first: bytes, more: bytes, pause: float = 0.05) -> Act:
    """`first`, and then `more` byte by byte for as long as somebody reads."""

    def act(connection: socket.socket) -> None:
        connection.sendall(first)
        stop = threading.Event()
        while not stop.wait(pause):
            for byte in more:
                connection.sendall(bytes([byte]))
                stop.wait(pause)

    return act


def flood(first: bytes, more: bytes) -> Act:
    """`first`, and then `more` again and again as fast as somebody reads."""

    def act(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(more)

    return act


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the client has gone


PART = {"Content_Range": RANGE}
# what the server does, the code, words of the sentence
CASES: dict[str, tuple[Act, int, str]] = {
    "busy for ever": (plain("503 Busy", Retry_After="0.05"), 331, "has put us off for 0.5 s (Retry-After)"),
    "too many for ever": (plain("429 Slow down", Retry_After="0.05"), 331, "has put us off for 0.5 s"),
    "busy until a date": (
        plain("503 Busy", Retry_After="Fri, 31 Dec 2099 23:59:59 GMT"), 331, "has put us off for 0.5 s",
    ),
    "busy without end": (plain("503 Busy", Retry_After="\xb2\xb3"), 331, "has put us off for 0.5 s"),
    "down": (plain("500 Oops"), 331, "no usable answer to the image for 0.5 s: "),
    "moved": (plain("301 Moved", Location="http://192.0.2.1/x"), 332, "(301, to http://192.0.2.1/x)"),
    "loop": (plain("302 Found", Location="/x.pack"), 332, "it sends us elsewhere (302, to /x.pack)"),
    "nowhere": (plain("307 Away"), 332, "elsewhere (307, to nowhere)"),
    "refused": (plain("403 No"), 330, "does not give the image (403)"),
    "no such range": (plain("416 No"), 332, "the server has no bytes 0 to"),
    "ranges unknown": (plain("200 OK", FRAME), 332, "gives the whole image where a part was asked for (200)"),
    "another range": (plain("206 OK", FRAME, Content_Range="bytes 1-9/10"), 332, "gives bytes 1-9/10"),
    "no range": (plain("206 OK", FRAME), 332, "the server gives a part that it does not name"),
    "longer": (plain("206 OK", FRAME + b"more", **PART), 332, "the server says"),
    "compressed": (plain("206 OK", FRAME, Content_Encoding="gzip", **PART), 332, "the image (gzip)"),
    "shorter": (
        plain("206 OK", FRAME[:-9], Content_Length=str(len(FRAME)), **PART), 331, "ended 9 bytes too early",
    ),
    "no HTTP": (plain("nonsense"), 331, "no usable answer to the image"),
    "silent": (silent, 331, "no answer to the image for 0.5 s: "),
    "a byte now and then": (
        drip(head("206 OK", Content_Length=str(len(FRAME)), **PART), FRAME), 331, "it comes too slowly",
    ),
    "a letter now and then": (drip(b"HTTP/1.1 2", b"06 Partial" * 100), 331, "it comes too slowly"),
    "headers now and then": (drip(b"HTTP/1.1 206 OK\r\n", b"X: y\r\n" * 100), 331, "it comes too slowly"),
    "headers without end": (flood(b"HTTP/1.1 206 OK\r\n", b"X: y\r\n"), 331, "headers"),
    "a header without end": (flood(b"HTTP/1.1 206 OK\r\nX: ", b"y" * 1000), 331, "header line"),
    "continue without end": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 331, "it comes too slowly"),
}  # fmt: skip


def fast(port: int, said: list[str], **other: float) -> Link:
    limits = {"patience": PATIENCE, "queue_patience": PATIENCE, "silence": PATIENCE, **other}
    return Link(f"http://127.0.0.1:{port}", log=said.append, back_off=(0.05,), **limits)


@pytest.mark.parametrize("name", CASES)
def test_an_image_from_an_odd_server_ends_in_time_and_in_words(name: str) -> None:
    act, code, words = CASES[name]
    said: list[str] = []
    taken: list[bytes] = []
    began = time.monotonic()
    with server(act) as port, pytest.raises(UnreachableError) as caught:
        Stream(fast(port, said), "/x.pack", MANIFEST).run(
            [0], lambda number, chunk, data: taken.append(bytes(data))
        )
    assert time.monotonic() - began < LONGEST
    assert (caught.value.code, taken) == (code, [])
    assert words in str(caught.value), str(caught.value)
    assert str(caught.value).isprintable() and (caught.value.hint or code == 330)
    if code == 331:
        assert said, "it says what it waits for while it waits"


def test_the_same_client_takes_the_image_from_a_server_as_it_should_be() -> None:
    """Else the cases above would prove nothing."""
    taken: list[bytes] = []
    with server(plain("206 OK", FRAME, **PART)) as port:
        link = fast(port, [])
        Stream(link, "/x.pack", MANIFEST).run([0], lambda number, chunk, data: taken.append(bytes(data)))
    assert taken == [RAW]


def test_a_server_that_is_slow_but_not_too_slow_is_waited_for() -> None:
    """The patience is for each chunk: what comes in time begins it anew."""
    chunks, pause = 3, 0.5
    frames = FRAME * chunks
    many = Manifest(
        *("odd-os", "1", "2026-01-01T00:00:00Z", chunks * len(RAW), 512, len(RAW)),
        chunks=tuple(
            Chunk(n * len(RAW), len(RAW), "data", n * len(FRAME), len(FRAME), DIGEST) for n in range(chunks)
        ),
        partitions=(),
    )

    def act(connection: socket.socket) -> None:
        size = len(frames)
        given = {"Content_Length": str(size), "Content_Range": f"bytes 0-{size - 1}/{size}"}
        connection.sendall(head("206 OK", **given))
        stop = threading.Event()
        for _ in range(chunks):
            stop.wait(pause)
            connection.sendall(FRAME)

    taken: list[int] = []
    with server(act) as port:
        link = fast(port, [], patience=1.0, silence=1.0)
        stream = Stream(link, "/x.pack", many, connections=1)
        stream.run(list(range(chunks)), lambda number, chunk, data: taken.append(number))
    assert taken == list(range(chunks)) and chunks * pause > 1.0


FILES: dict[str, tuple[Act, int, str]] = {
    "moved": (plain("302 Found", Location="http://192.0.2.1/"), 332, "elsewhere (302, to http://192.0.2.1/)"),
    "refused": (plain("404 No"), 330, "does not give /x.json (404)"),
    "compressed": (plain("200 OK", b"{}", Content_Encoding="br"), 332, "compresses /x.json (br)"),
    "shorter": (plain("200 OK", b"{}", Content_Length="9"), 331, "/x.json came incomplete"),
    "a part": (plain("206 OK", b"{}"), 331, "the service answers 206"),
    "busy for ever": (plain("503 Busy", Retry_After="1"), 331, "the service answers 503"),
    "a byte now and then": (drip(head("200 OK", Content_Length="99999"), b"{" * 99), 331, "too slowly"),
    "without end": (flood(head("200 OK"), b"x" * 9999), 332, "gives more than"),
    "headers without end": (flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), 331, "headers"),
    "silent": (silent, 331, "no answer to /x.json for 0.5 s"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_from_an_odd_server_ends_in_time_and_in_words(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, code, words = FILES[name]
    monkeypatch.setattr(links, "LARGEST", 4 << 20)
    began = time.monotonic()
    with server(act) as port, pytest.raises(UnreachableError) as caught:
        fast(port, []).fetch("/x.json")
    assert time.monotonic() - began < LONGEST
    assert caught.value.code == code and words in str(caught.value), str(caught.value)


def test_a_small_file_comes_whole_with_and_without_its_length() -> None:
    with server(plain("200 OK", b"{}")) as port:
        assert fast(port, []).fetch("/x.json") == b"{}"
    with server(lambda connection: connection.sendall(head("200 OK") + b"{}")) as port:
        assert fast(port, []).fetch("/x.json") == b"{}"
