"""What a client hears where neither the parser nor the application could make an answer."""

import logging
from types import SimpleNamespace

import pytest
from gunicorn import http

from provisioner.web import arrival
from provisioner.web.patient_worker import PatientWorker


class Client:
    """A client that keeps what it hears, or has gone."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.heard = b""
        self._is_gone = is_gone

    def sendall(self, data: bytes) -> None:
        if self._is_gone:
            raise BrokenPipeError
        self.heard += data


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (http.errors.InvalidRequestLine("GET"), arrival.NOT_FOUND),
        (http.errors.LimitRequestHeaders("many"), arrival.NOT_FOUND),
        (http.errors.InvalidResponseHeader("X"), arrival.NOT_NOW),
        (RuntimeError("nobody expected this"), arrival.NOT_NOW),
    ],
)
def test_no_page_tells_whose_program_it_is(
    caplog: pytest.LogCaptureFixture, fault: Exception, answer: bytes
) -> None:
    worker, client = SimpleNamespace(log=logging.getLogger("gunicorn.error")), Client()
    PatientWorker.handle_error(worker, None, client, ("10.77.0.9", 1), fault)  # type: ignore[arg-type]
    assert client.heard == answer and b"<" not in answer
    assert (str(fault) in caplog.text) or (answer is arrival.NOT_FOUND and "10.77.0.9 sent" in caplog.text)
    PatientWorker.handle_error(worker, None, Client(is_gone=True), "", fault)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [arrival.NOT_FOUND, arrival.NOT_NOW])
def test_answers_without_the_application_say_how_long_they_are(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
