"""A BMC that talks nonsense, or falls silent, at each point of an exchange: one sentence, soon."""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from provisioner.errors import PowerError
from provisioner.power import registry
from provisioner.power.protocol import BmcAddress, StatusReader
from tests.unit.conftest import Clock, clock, site
from tests.wire.power.forkslab import Forks, acts, forks
from tests.wire.power.test_ipmi_dialects import LOGIN, serving
from tests.wire.power.test_redfish import make_certificate

__all__ = ["Clock", "acts", "clock", "forks", "site"]
HERE = "127.0.0.1"
STEPS = 9  # answers of an IPMI BMC to a status that is read: the login has five
Spoil = Callable[[bytes], bytes]  # of one answer; nothing is silence
RNG = random.Random(623)
NOISE = RNG.randbytes(60)
SPOILS: dict[str, Spoil] = {
    "silence": lambda answer: b"",
    "one byte": lambda answer: answer[:1],
    "header alone": lambda answer: answer[:5],
    "cut short": lambda answer: answer[: len(answer) // 2],
    "one byte less": lambda answer: answer[:-1],
    "zeroes behind the header": lambda answer: answer[:5] + b"\0" * 8,
    "zeroes": lambda answer: answer[:16] + b"\0" * (len(answer) - 16),
    "noise": lambda answer: answer[:4] + NOISE,
    "noise behind RMCP+": lambda answer: answer[:12] + NOISE,
    "ones": lambda answer: answer[:12] + b"\xff" * 60,
    "text": lambda answer: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@contextmanager
def relayed(port: int, step: int, spoil: Spoil) -> Iterator[int]:
    """Before the BMC at that port: its answers from the `step`-th on are spoiled."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as behind,
    ):
        front.bind((HERE, 0))
        behind.connect((HERE, port))
        behind.settimeout(1)
        thread = Thread(target=_relay, args=(front, behind, step, spoil))
        thread.start()
        try:
            yield front.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"end", front.getsockname())
            thread.join()


def _relay(front: socket.socket, behind: socket.socket, step: int, spoil: Spoil) -> None:
    number = 0
    while True:
        asked, client = front.recvfrom(4096)
        if asked == b"end":
            return
        behind.send(asked)
        try:
            answer = behind.recv(4096)
        except TimeoutError:
            continue
        number += 1
        if said := spoil(answer) if number >= step else answer:
            front.sendto(said, client)


def fault_of(driver: str, port: int, done_within: float = 1.5) -> PowerError | None:
    """What reading its status ends with; None where it was read."""
    bmc = BmcAddress(
        driver,
        HERE,
        port,
        *LOGIN,
        "vc-1",
        verify=False,
        patience=0,
        answer_within=1.0,
        done_within=done_within,
    )
    reader = registry.connect(bmc)
    assert isinstance(reader, StatusReader)
    try:
        reader.status()
    except PowerError as fault:
        return fault
    return None


def judged(fault: PowerError | None, seconds: float) -> None:
    """It names the BMC and the host, says what to do, and came soon."""
    assert fault is not None
    assert f"BMC {HERE}" in str(fault) and "vc-1" in fault.hint, (str(fault), fault.hint)
    assert "Traceback" not in str(fault) and "process" not in str(fault)
    assert seconds < 10, (str(fault), seconds)  # a process begins on a busy machine


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
def test_ipmi_that_is_spoiled_at_any_step_is_said(spoil: Spoil, acts: Forks, tmp_path: Path) -> None:
    with serving(acts, "OnlyFlags", tmp_path) as (port, _):
        read = 0
        for step in range(1, STEPS + 1):
            began = time.monotonic()
            with relayed(port, step, spoil) as front:
                fault = fault_of("ipmi", front)
            if fault is None:  # the spoiled answer is one that nobody needs
                read += 1
                continue
            judged(fault, time.monotonic() - began)
        assert read < STEPS - 4


HTTP = b"HTTP/1.1 200 OK\r\n"
REDFISH: dict[str, bytes] = {
    "nothing": b"",
    "noise": RNG.randbytes(400),
    "zeroes": b"\0" * 400,
    "another protocol": b"SSH-2.0-dropbear\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a long line": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": HTTP + b"A: b\r\n" * 200 + b"\r\n",
    "a bad length": HTTP + b"Content-Length: minus\r\n\r\n{}",
    "too short": HTTP + b"Content-Length: 900\r\n\r\n{",
    "bad chunks": HTTP + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "no JSON": HTTP + b'\r\n{"Systems": {"@odata',
    "a list": HTTP + b"\r\n[1, 2, 3]",
    "other types": HTTP + b"\r\n" + b'{"Systems": [7], "Links": "x", "SessionService": {"a": 1}}',
    "deep": HTTP + b"\r\n" + b'{"Systems":' * 20_000,
    "bad gzip": HTTP + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08garbage",
    "no such place": HTTP.replace(b"200", b"302") + b"Location: http://[::1\r\n\r\n",
    "a bad token": HTTP + b"X-Auth-Token: a\x0bb\xff\r\nLocation: \x01\r\n\r\n"
    b'{"SessionService": {"a": 1}, "Systems": {"@odata.id": "/\\u0000\\ud800"}}',
}


@contextmanager
def speaking(answer: bytes, folder: Path) -> Iterator[int]:
    """A TLS server that says this to whatever it is asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make_certificate(folder)
    context.load_cert_chain(folder / "cert", folder / "key")
    with socket.create_server((HERE, 0)) as server:
        thread = Thread(target=_speak, args=(server, context, answer))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            socket.create_connection(server.getsockname()).close()
            thread.join()


def _speak(server: socket.socket, context: ssl.SSLContext, answer: bytes) -> None:
    while True:
        plain, _ = server.accept()
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as line:
                    line.settimeout(0.2)
                    with suppress(TimeoutError):
                        while line.recv(65536):
                            pass
                    line.sendall(answer)
            except ssl.SSLEOFError:
                return  # the test's own end
            except OSError:
                continue


@pytest.mark.parametrize("answer", REDFISH.values(), ids=REDFISH.keys())
def test_redfish_that_talks_nonsense_is_said(answer: bytes, tmp_path: Path) -> None:
    began = time.monotonic()
    with speaking(answer, tmp_path) as port:
        fault = fault_of("redfish", port)
    judged(fault, time.monotonic() - began)
