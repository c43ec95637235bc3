"""Whether what has come is a whole request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.web.arrival import LARGEST_BODY, LONGEST_HEAD, NOT_FOUND, Arrival, Part, look

GET = b"GET /boot/x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /agent/v1/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    "request_", [GET, POST, POST.replace(b"Content-Length", b"content-LENGTH"), GET + GET]
)
def test_a_whole_request_is_whole(request_: bytes) -> None:
    assert look(request_) == Arrival(Part.WHOLE)


@given(st.sampled_from([GET, POST]), st.data())
def test_a_part_of_one_never_is(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(whole) - 1))
    end = whole.index(b"\r\n\r\n") + 4
    assert look(whole[:cut]) == Arrival(Part.HEAD if cut < end else Part.BODY)


def test_a_head_without_end_is_answered() -> None:
    assert look(b"GET / HTTP/1.1\r\nX: " + b"a" * LONGEST_HEAD).answer == NOT_FOUND
    assert look(b"\0" * (LONGEST_HEAD - 1)) == Arrival(Part.HEAD)
    late = b"GET / HTTP/1.1\r\nX: " + b"a" * LONGEST_HEAD + b"\r\n\r\n"
    assert look(late).answer, "its end is looked for no further"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: %d" % (LARGEST_BODY + 1),
        b"Content-Length: 999999999999999999",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding : chunked\r\nContent-Length: 3",
    ],
)
def test_what_is_too_large_or_says_no_length_is_worked_on_without_its_body(framing: bytes) -> None:
    found = look(b"POST /a HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\nExpect: 100-continue\r\n\r\n5\r\nhel")
    assert found == Arrival(Part.WHOLE, request=b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n")


def test_who_waits_for_leave_to_send_is_told() -> None:
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-Continue\r\n\r\n"
    assert look(head) == Arrival(Part.BODY, expects=True)
    assert look(head + b"123456789") == Arrival(Part.WHOLE)


@pytest.mark.parametrize("lengths", [b"Content-Length: 3\r\nContent-Length: 30", b"Content-Length: -1"])
def test_a_length_that_is_none_is_for_the_parser_to_refuse(lengths: bytes) -> None:
    assert look(b"POST /a HTTP/1.1\r\nHost: a\r\n" + lengths + b"\r\n\r\n").part is Part.WHOLE


@given(st.binary(max_size=400))
def test_no_bytes_end_in_an_error(received: bytes) -> None:
    assert isinstance(look(received), Arrival)
