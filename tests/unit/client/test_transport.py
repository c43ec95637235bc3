"""What the client makes of answers: models, the service's errors, and bodies that are not the service's."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from provisioner.client import Client
from provisioner.errors import InputError, RefusedError, UnreachableError
from provisioner.state import site_certificate
from provisioner.state.secrets import secrets_folder


class Server(HTTPServer):
    """Answers every request with `status` and `body`, and keeps what was asked."""

    status, body = 200, b""
    asked: list[tuple[str, bytes]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.path, self.rfile.read(length)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a certificate."""
    made = tmp_path_factory.mktemp("state")
    secrets_folder(made).mkdir()
    site_certificate.ensure_certificate(made, ["127.0.0.1"])
    return made


@pytest.fixture
def server(state: Path) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        made.socket = site_certificate.server_context(state).wrap_socket(made.socket, server_side=True)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def client(server: Server, state: Path) -> Client:
    fingerprint = site_certificate.fingerprint(state)
    return Client(server=f"https://127.0.0.1:{server.server_port}", fingerprint=fingerprint)


SERVICE = {
    "schema_version": 1,
    "version": "9",
    "interface": "lan0",
    "url": "http://10.77.0.1",
    "state": "/s",
    "hosts": 1,
    "under_way": 0,
}


def test_an_answer_of_a_newer_service_is_read_all_the_same(server: Server, client: Client) -> None:
    server.body = json.dumps(SERVICE | {"moon": "full"}).encode()
    assert client.service().version == "9"
    assert server.asked == [("/api/v1/service", b"")]


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b"{}", b'{"error": {}}', b'{"version": "9"}'])
@pytest.mark.parametrize("status", [200, 404, 500])
def test_somebody_elses_answer_is_621(server: Server, client: Client, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    with pytest.raises(UnreachableError) as caught:
        client.service()
    assert caught.value.code == 621 and "--server" in caught.value.hint


def test_an_error_of_the_service_is_raised_with_its_words(server: Server, client: Client) -> None:
    error = {"message": "vc-1 is locked", "hint": "unlock it", "code": 131, "exit": 6}
    server.status, server.body = 409, json.dumps({"error": error}).encode()
    with pytest.raises(RefusedError, match="vc-1 is locked") as caught:
        client.arm("vc-1", yes=True)
    assert (caught.value.code, caught.value.hint) == (131, "unlock it")
    [(_, body)] = server.asked
    assert json.loads(body)["yes"] is True


def test_what_the_service_would_refuse_is_not_sent_and_not_repeated(server: Server, client: Client) -> None:
    with pytest.raises(InputError, match="password: at most 20 characters are allowed") as caught:
        client.put_secret("lab", "root", "secret-99" * 3)
    assert "secret-99" not in str(caught.value) and server.asked == []


def test_a_query_says_only_what_is_not_usual(server: Server, client: Client) -> None:
    server.status = 500
    for after, wait in ((0, 0), (7, 20)):
        with pytest.raises(UnreachableError):
            client.net(after, wait)
    assert [path for path, _ in server.asked] == ["/api/v1/net", "/api/v1/net?wait=20.0&after=7"]


@pytest.mark.parametrize("words", ["Größe", "Müller", "東京", "Räck*", "Ωμέγα", "🐧"])
def test_letters_of_any_script_arrive_as_they_are(server: Server, client: Client, words: str) -> None:
    server.status, server.body = 409, b'{"error": {"message": "no", "hint": "", "code": 131, "exit": 6}}'
    with pytest.raises(RefusedError):
        client.put_secret("lab", "root", words)
    [(_, body)] = server.asked
    assert json.loads(body.decode())["password"] == words


@pytest.mark.parametrize(
    "url",
    [
        "http://user:Sup3rPw@127.0.0.1:1/",
        "user:Sup3rPw@127.0.0.1",
        "https://:Sup3rPw@[::1]:99999",
        "ftp://Sup3rPw@10.0.0.1",
        "http://us er:Sup3rPw@",
    ],
)
def test_a_login_in_a_servers_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="a login does not belong in a server's URL") as caught:
        Client(server=url)
    assert caught.value.code == 102 and "PROVISION_TOKEN" in caught.value.hint
    assert "Sup3rPw" not in f"{caught.value}{caught.value.hint}"
