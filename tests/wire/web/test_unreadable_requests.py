"""What the parser refuses is answered as all that is not there, and says nothing of who answers."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import World

PROGRAM = Path(__file__).with_name("programs") / "raw_requests.py"
END = "Host: a\r\nConnection: close\r\n\r\n"
UNREADABLE = {
    "a long URL": f"GET /{'a' * 5000} HTTP/1.1\r\n{END}",
    "a URL as long as it may be, and a byte": f"GET /{'a' * 4079} HTTP/1.1\r\n{END}",
    "no request line": f"GET\r\n{END}",
    "nothing of HTTP": f"\x16\x03\x01\x02\r\n\r\n{END}",
    "another protocol": f"GET / SIP/2.0\r\n{END}",
    "a version of the future": f"GET / HTTP/9.9\r\n{END}",
    "a method of odd letters": f"G\x7fT / HTTP/1.1\r\n{END}",
    "a method in small letters": f"<b>get</b> / HTTP/1.1\r\n{END}",
    "a header without a name": f"GET / HTTP/1.1\r\n: x\r\n{END}",
    "a header of odd letters": f"GET / HTTP/1.1\r\nX\x01Y: x\r\n{END}",
    "a header without a colon": f"GET / HTTP/1.1\r\nsomething\r\n{END}",
    "a folded header": f"GET / HTTP/1.1\r\nX: a\r\n b\r\n{END}",
    "a value with a zero": f"GET / HTTP/1.1\r\nX: a\x00b\r\n{END}",
    "many headers": f"GET / HTTP/1.1\r\n{''.join(f'X-{n}: 1' + chr(13) + chr(10) for n in range(150))}{END}",
    "a long header": f"GET / HTTP/1.1\r\nX: {'a' * 9000}\r\n{END}",
    "headers without end": f"GET / HTTP/1.1\r\nX: {'a' * 20000}",
    "two lengths": f"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n{END}x",
    "a length that is none": f"POST / HTTP/1.1\r\nContent-Length: -1\r\n{END}",
    "an odd expectation": f"GET / HTTP/1.1\r\nExpect: miracles\r\n{END}",
}


def answers(world: "World", requests: list[str]) -> list[str]:
    done = world.lan.run(sys.executable, PROGRAM, "10.77.0.1", "80", stdin=json.dumps(requests).encode())
    assert done.code == 0, done.err
    found: list[str] = json.loads(done.out)
    return found


def test_who_asks_for_nothing_readable_gets_the_answer_of_all_that_is_not_there(world: "World") -> None:
    usual, *odd = answers(world, [f"GET /nothing/here HTTP/1.1\r\n{END}", *UNREADABLE.values()])
    head, _, body = usual.partition("\r\n\r\n")
    line = head.splitlines()[0]
    assert (line, body) == ("HTTP/1.1 404 NOT FOUND", "not found\n")
    assert "server" not in usual.lower() and "gunicorn" not in usual
    names = {one.partition(":")[0] for one in head.splitlines()[1:]}
    for what, answer in zip(UNREADABLE, odd, strict=True):
        head, _, text = answer.partition("\r\n\r\n")
        assert (head.splitlines()[0], text) == (line, body), what
        assert {one.partition(":")[0] for one in head.splitlines()[1:]} <= names, what
        assert "Content-Type: text/plain; charset=utf-8" in head, what
        assert "gunicorn" not in answer and "html" not in answer, what


def test_nobody_who_writes_a_line_in_our_log_writes_more_than_that(world: "World") -> None:
    words = "GET /\x1b[31mred\u0085 HTTP/1.1 extra"
    answers(world, [f"{words}\r\n{END}"])
    assert "\x1b" not in world.service.log.read_text(errors="replace")


@pytest.mark.parametrize("length", [4000, 5000])
def test_a_connection_ends_with_what_nobody_can_read(world: "World", length: int) -> None:
    """What is behind it could be another's request, smuggled."""
    first = f"GET /{'a' * length} HTTP/1.1\r\nHost: a\r\n\r\n"
    [answer] = answers(world, [first + f"GET /nothing HTTP/1.1\r\n{END}"])
    assert answer.count("HTTP/1.1 404") == (2 if length == 4000 else 1)


SCRIPT = "/boot/52-54-00-99-99-99/boot.ipxe"
ODD = {
    "the version of old ROMs, which names no host": f"GET {SCRIPT} HTTP/1.0\r\n\r\n",
    "no port": f"GET {SCRIPT} HTTP/1.1\r\nHost: 10.77.0.1\r\nConnection: close\r\n\r\n",
    "the usual port": f"GET {SCRIPT} HTTP/1.1\r\nHost: 10.77.0.1:80\r\nConnection: close\r\n\r\n",
    "small letters, no blanks": f"GET {SCRIPT} HTTP/1.1\r\nhost:10.77.0.1\r\nconnection:close\r\n\r\n",
    "an empty host": f"GET {SCRIPT} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
    "a host that is none": f"GET {SCRIPT} HTTP/1.1\r\nHost: a_b:0x50\r\nConnection: close\r\n\r\n",
    "the whole URL": f"GET http://10.77.0.1{SCRIPT} HTTP/1.1\r\n{END}",
    "a query of iPXE's": f"GET {SCRIPT}?uuid=&serial=To%20be%20filled&arch=i386 HTTP/1.1\r\n{END}",
}


def test_what_firmware_writes_in_ways_of_its_own_is_read(world: "World") -> None:
    for what, answer in zip(ODD, answers(world, list(ODD.values())), strict=True):
        head, _, body = answer.partition("\r\n\r\n")
        assert " 200 " in head.splitlines()[0] and body.startswith("#!ipxe"), what
        assert f"content-length: {len(body)}" in head.lower() and "chunked" not in head.lower(), what
