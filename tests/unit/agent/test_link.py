"""What the agent says of a refusal: the service's words where it has any for this machine."""

from email.message import Message
from types import SimpleNamespace

import pytest

from provisioner.agent import link


@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (403, "text/plain", b"vc-1 was locked after it was ordered", "vc-1 was locked after it was ordered"),
        (400, "text/plain", b"Hello.memory: -1\n is no\x1b[2J size\n", "Hello.memory: -1 is no\\x1b[2J size"),
        (404, "text/plain", b"not found\n", "404"),
        (400, "text/html", b"<h1>Bad Request</h1>", "400"),
        (403, "text/plain", b"", "403"),
        (403, "text/plain", b"\xff" * 1000, "\ufffd" * 399 + "…"),
    ],
)
def test_a_refusal_is_told_in_the_services_words_on_one_line(
    status: int, kind: str, body: bytes, told: str
) -> None:
    headers = Message()
    headers["Content-Type"] = kind
    answer = SimpleNamespace(status=status, headers=headers)
    assert link._reason(answer, body) == told
